"""What a person does in a browser, over and over."""

import re

from playwright.sync_api import Page, expect

from .eyes import Eyes
from .stage import PASSWORD, Stage

__all__ = ["code_from_outbox", "enrol", "register", "sign_in", "sign_out"]


def register(page: Page, email: str = "ada@example.test") -> None:
    """Create an account; ends on the verification page, signed in."""
    page.goto("/registration")
    page.get_by_label("E-Mail").fill(email)
    page.get_by_label("First Name").fill("Ada")
    page.get_by_role("button", name="Sign up", exact=True).click()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign up", exact=True).click()
    expect(page.get_by_role("heading", name="Verify your e-mail address")).to_be_visible()


def sign_in(page: Page, email: str = "ada@example.test", password: str = PASSWORD) -> None:
    """Fill in the sign-in page that is open."""
    page.get_by_label("E-Mail").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in with your password").click()


def sign_out(page: Page) -> None:
    """Press the button at the top of every page."""
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()


def enrol(page: Page, stage: Stage) -> str:
    """Set up an authenticator app on the settings page that is open, and return its secret."""
    secret = page.locator("#totp_secret_key code").inner_text()
    page.get_by_label("Code from the app").fill(stage.totp(secret))
    page.locator("#totp").get_by_role("button", name="Save").click()
    return secret


def code_from_outbox(eyes: Eyes) -> str:
    """Open the outbox the way the page offers it, in a new tab, and return the newest code."""
    with eyes.page.expect_popup() as opened:
        eyes.page.get_by_role("link", name="the outbox").click()
    code = opened.value.locator("code.secret").first.inner_text()
    opened.value.close()
    assert re.fullmatch(r"[0-9]{6}", code)

    return code
