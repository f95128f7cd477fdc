"""What a person does in a browser, over and over; fields go by Kratos' names, since its words may change."""

import re

from playwright.sync_api import Locator, Page, expect

from .browser_window import BrowserWindow
from .deployment import PASSWORD, Deployment

__all__ = ["button", "enroll_totp", "field", "kratos_message", "newest_code", "register", "sign_in", "sign_out"]


def field(page: Page, name: str, group: str | None = None) -> Locator:
    """Return the visible field of a name, on a settings page that of a method's section."""
    return page.locator(f"#{group}" if group else "main").locator(f'input[name="{name}"]:not([type="hidden"])')


def button(page: Page, method: str) -> Locator:
    """Return the button that submits a method."""
    return page.locator(f'button[name="method"][value="{method}"]')


def kratos_message(page: Page, number: int) -> Locator:
    """Return Kratos' message of a number."""
    return page.locator(f'[data-message="{number}"]')


def register(page: Page, email: str) -> None:
    """Create an account; ends on the verification page, signed in."""
    page.goto("/registration")
    field(page, "traits.email").fill(email)
    field(page, "traits.name.first").fill("Ada")
    button(page, "profile").click()
    field(page, "password").fill(PASSWORD)
    button(page, "password").click()
    expect(page.get_by_role("heading", name="Verify your email address")).to_be_visible()


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    """Fill in the sign-in page that is open."""
    field(page, "identifier").fill(email)
    field(page, "password").fill(password)
    button(page, "password").click()


def sign_out(page: Page) -> None:
    """Press the button at the top of every page."""
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()


def enroll_totp(page: Page, deployment: Deployment) -> str:
    """Set up an authenticator app on the settings page that is open, and return its secret."""
    secret = page.locator("#totp_secret_key code").inner_text()
    field(page, "totp_code").fill(deployment.totp(secret))
    button(page, "totp").click()
    return secret


def newest_code(window: BrowserWindow, deployment: Deployment, email: str) -> str:
    """Return the code that was sent: from the outbox, the way the page offers it in a new tab, if there is one."""
    if deployment.backend.fake is None:
        return deployment.code_for(email)
    with window.page.expect_popup() as opened:
        window.page.get_by_role("link", name="the outbox").click()
    code = opened.value.locator("code.secret").first.inner_text()
    opened.value.close()
    assert re.fullmatch(r"[0-9]{6}", code)

    return code
