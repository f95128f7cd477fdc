"""Passkeys and security keys of a virtual authenticator of Chromium."""

from playwright.sync_api import Page, expect

from .browser_steps import button, field
from .deployment import new_email

__all__ = ["add_authenticator", "add_security_key", "expect_signed_in", "sign_up_with_passkey", "trigger"]


def add_authenticator(page: Page) -> None:
    """Add a virtual authenticator to the window, which creates passkeys and keys without asking the user."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def trigger(page: Page, name: str) -> None:
    """Click the button that starts a ceremony."""
    page.locator(f'button[name="{name}"]').click()


def sign_up_with_passkey(page: Page) -> None:
    """Create an account whose only credential is a passkey."""
    page.goto("/registration")
    field(page, "traits.email").fill(new_email())
    button(page, "profile").click()
    trigger(page, "passkey_register_trigger")
    expect(page.get_by_role("button", name="Sign out", exact=True)).to_be_visible()


def add_security_key(page: Page, name: str) -> None:
    """Add a key on the page with the settings."""
    field(page, "webauthn_register_displayname").fill(name)
    trigger(page, "webauthn_register_trigger")


def expect_signed_in(page: Page) -> None:
    """Wait for a page with a session."""
    expect(page.get_by_role("button", name="Sign out", exact=True)).to_be_visible()
