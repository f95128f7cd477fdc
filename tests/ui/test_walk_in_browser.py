"""Every flow of the pages in Chromium, with and without JavaScript, on a fake and (`live`) on a real Kratos.

The fake has no CORS. For a real Kratos, set its `ui_url`s to a mount, such as http://127.0.0.1:8055/auth/login, and
`ORY_GUARD_LIVE_KRATOS` and `ORY_GUARD_LIVE_KRATOS_ADMIN`; its configuration may have any `login.style`, and needs
passwords, one-time codes for logins, and authenticator apps. The test of security keys and passkeys requires
`serve.public.cors.enabled: false` and security keys; for passkeys, too, set the URLs to `localhost`.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from uuid import uuid4

import pytest
from example.browser_steps import field, kratos_message
from example.browser_window import TIMEOUT, BrowserWindow
from playwright.sync_api import Browser, Page, expect
from support.doc_pages import ROOT
from support.live_kratos import fake_and_live

from .walked_site import WalkedSite, fake_site, live_site

pytestmark = pytest.mark.browser

PASSWORD, NEW_PASSWORD = "lanterns-over-the-quay-7", "another-lantern-in-fog-8"
WRONG_LOGIN_CODE, WRONG_VERIFICATION_CODE, VERIFIED, WRONG_TOTP = 4010008, 4070006, 1080002, 4000008
WRONG_RECOVERY_CODE, RECOVERED, SAVED = 4060006, 1060001, 1050001
SCHEMA = json.loads((ROOT / "example_app" / "kratos" / "identity.schema.json").read_text(encoding="utf-8"))
SCHEMA["properties"]["traits"]["properties"]["email"]["ory.sh/kratos"]["credentials"]["code"] = {
    "identifier": True,
    "via": "email",
}
CODES = {"code_passwordless_enabled": True, "identity_schemas": {"default": SCHEMA}, "version": "v26.2.0"}
SITES = [
    pytest.param(lambda: fake_site(**CODES), id="unified"),
    pytest.param(lambda: fake_site(**CODES, login_style="identifier_first"), id="identifier-first"),
    pytest.param(live_site, id="live", marks=pytest.mark.live),
]


@pytest.fixture(params=SITES)
def site(request: pytest.FixtureRequest) -> Iterator[WalkedSite]:
    """The running application."""
    opened: AbstractContextManager[WalkedSite] = request.param()
    with opened as started:
        yield started


def enter(page: Page, name: str, value: str) -> None:
    """Type a value and press Enter."""
    field(page, name).fill(value)
    page.keyboard.press("Enter")


def open_login(page: Page, site: WalkedSite, email: str) -> None:
    """Open the protected page, and name the account if the login asks for it first."""
    site.wait()
    page.goto(f"{site.app_url}/vault")
    field(page, "identifier").fill(email)
    if field(page, "password").count() == 0:
        page.keyboard.press("Enter")
        expect(page.get_by_text(f"Signing in as {email}.")).to_be_visible()


def log_in(page: Page, site: WalkedSite, email: str) -> None:
    """Log in with the new password for the protected page."""
    open_login(page, site, email)
    enter(page, "password", NEW_PASSWORD)


def recover(page: Page, site: WalkedSite, email: str, check: Callable[[str], None]) -> None:
    """Recover the account from the login for the protected page, and set a new password."""
    site.wait()
    page.goto(f"{site.app_url}/vault")
    page.get_by_role("link", name="Forgot your password?").click()
    check("recovery")
    enter(page, "email", email)
    enter(page, "code", "000000")
    expect(kratos_message(page, WRONG_RECOVERY_CODE)).to_be_visible()
    check("recovery-code")
    enter(page, "code", site.codes(email)[0])
    expect(kratos_message(page, RECOVERED)).to_be_visible()
    check("settings-after-recovery")
    enter(page, "password", NEW_PASSWORD)
    expect(page.get_by_text("/vault requires a second factor")).to_be_visible()
    page.get_by_role("link", name="All settings").click()
    enter(page, "traits.name.first", "Augusta")
    expect(kratos_message(page, SAVED)).to_be_visible()
    expect(field(page, "traits.name.first")).to_have_value("Augusta")
    sign_out(page, site)


def sign_out(page: Page, site: WalkedSite) -> None:
    """Press the button in the header."""
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile(re.escape(site.app_url) + "/?$"))


@pytest.mark.parametrize("java_script", [True, False], ids=["scripts", "no scripts"])
def test_account_from_registration_to_the_second_factor(
    browser: Browser, site: WalkedSite, java_script: bool
) -> None:
    """Enter submits the method of the field, in every form."""
    context = browser.new_context(java_script_enabled=java_script, reduced_motion="reduce")
    context.set_default_timeout(TIMEOUT)
    page, email = context.new_page(), f"ada-{uuid4().hex[:12]}@example.test"
    window = BrowserWindow(page) if java_script else None

    def check(name: str) -> None:
        if window is not None:
            page.wait_for_load_state("load")
            if page.get_by_text("unavailable at the moment").count():  # known only after the page has loaded
                page.evaluate("window.shifted = 0")
            window.check(f"ui-{name}")

    page.goto(f"{site.app_url}/vault")
    check("login")
    page.get_by_role("link", name="Create an account").click()
    check("registration-1")
    enter(page, "traits.email", email)
    enter(page, "password", PASSWORD)
    enter(page, "code", "000000")
    expect(kratos_message(page, WRONG_VERIFICATION_CODE)).to_be_visible()
    check("verification")
    enter(page, "code", site.codes(email)[0])
    expect(kratos_message(page, VERIFIED)).to_be_visible()
    sign_out(page, site)

    open_login(page, site, email)
    check("login-2")
    page.locator('button[name="method"][value="code"]').click()
    enter(page, "code", "000000")
    expect(kratos_message(page, WRONG_LOGIN_CODE)).to_be_visible()
    check("login-code")
    enter(page, "code", site.codes(email)[0])
    expect(page.get_by_text("/vault requires a second factor, and your account does not have one.")).to_be_visible()
    sign_out(page, site)
    recover(page, site, email, check)

    sent = len(site.codes(email))
    log_in(page, site, email)
    expect(page.locator("#totp_secret_key")).to_be_visible()
    assert len(site.codes(email)) == sent
    check("enrollment")
    enter(page, "totp_code", "000000")
    expect(kratos_message(page, WRONG_TOTP)).to_be_visible()
    secret = page.locator("#totp_secret_key code").inner_text()
    enter(page, "totp_code", site.totp(secret))
    expect(page.get_by_role("heading", name="Vault")).to_be_visible()
    for name in ("settings", "sessions"):
        page.goto(f"{site.mount_url}/{name}")
        check(name)
    sign_out(page, site)

    log_in(page, site, email)
    enter(page, "totp_code", site.totp(secret, ahead=30))

    expect(page.get_by_role("heading", name="Vault")).to_be_visible()
    context.close()


@pytest.mark.parametrize("site", fake_and_live(fake_site, live_site), indirect=True)
def test_buttons_that_need_cors_are_explained_without_it(
    browser: Browser, site: WalkedSite, caplog: pytest.LogCaptureFixture
) -> None:
    site.require_no_cors()
    page, email = browser.new_page(), f"ada-{uuid4().hex[:12]}@example.test"
    page.goto(f"{site.app_url}/vault")
    expect_explained_buttons(page)
    page.get_by_role("link", name="Create an account").click()
    enter(page, "traits.email", email)
    expect_explained_buttons(page)
    enter(page, "password", PASSWORD)
    expect(page.get_by_role("heading", name="Email verification")).to_be_visible()

    page.goto(f"{site.mount_url}/settings")

    expect(page.locator("#webauthn button[data-trigger]")).to_have_count(1)
    expect_explained_buttons(page)
    assert any("ui.script_failed" in record.getMessage() for record in caplog.records)
    page.close()


def expect_explained_buttons(page: Page) -> None:
    """Expect that each button that calls Kratos' script is disabled and has a message."""
    page.wait_for_load_state("load")
    for button in page.locator("button[data-trigger]").all():
        expect(button).to_be_disabled()
        expect(button.locator("~ [role=alert]")).to_contain_text("unavailable at the moment")
