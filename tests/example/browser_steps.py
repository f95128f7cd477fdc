"""Repeated steps in a browser; fields have Kratos' names, because its labels may change."""

from playwright.sync_api import Locator, Page, expect

from .deployment import PASSWORD, Deployment

__all__ = ["button", "enroll_totp", "field", "kratos_message", "register", "sign_in", "sign_out"]


def field(page: Page, name: str, group: str | None = None) -> Locator:
    """Return the visible field with a name, on a settings page in the section of a method."""
    return page.locator(f"#{group}" if group else "main").locator(f'input[name="{name}"]:not([type="hidden"])')


def button(page: Page, method: str) -> Locator:
    """Return the button that submits a method."""
    return page.locator(f'button[name="method"][value="{method}"]')


def kratos_message(page: Page, message_id: int) -> Locator:
    """Return Kratos' message with an id."""
    return page.locator(f'[data-message="{message_id}"]')


def register(page: Page, email: str) -> None:
    """Create an account; the verification page is open afterwards."""
    page.goto("/registration")
    field(page, "traits.email").fill(email)
    field(page, "traits.name.first").fill("Ada")
    button(page, "profile").click()
    field(page, "password").fill(PASSWORD)
    button(page, "password").click()
    expect(page.get_by_role("heading", name="Email verification")).to_be_visible()


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    """Submit the open sign-in page."""
    field(page, "identifier").fill(email)
    field(page, "password").fill(password)
    button(page, "password").click()


def sign_out(page: Page) -> None:
    """Press the button in the header."""
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()


def enroll_totp(page: Page, deployment: Deployment) -> str:
    """Set up an authenticator app on the open settings page, and return its secret."""
    secret = page.locator("#totp_secret_key code").inner_text()
    field(page, "totp_code").fill(deployment.totp(secret))
    button(page, "totp").click()
    return secret
