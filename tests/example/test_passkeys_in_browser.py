"""Passkeys and security keys in Chromium, with its virtual authenticators.

With a real Kratos (`live`), they require CORS, and pages on `localhost` in its configuration.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from support.live_kratos import fake_and_live

from .authenticator import add_authenticator, expect_signed_in, sign_up_with_passkey, trigger
from .browser_steps import kratos_message, register, sign_out
from .browser_window import BrowserWindow, open_window
from .deployment import Deployment, embedded_deployment, live_domain_deployment, new_email, serve

pytestmark = pytest.mark.browser

SAVED = 1050001


@pytest.fixture(params=fake_and_live(embedded_deployment, live_domain_deployment))
def domain_served(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """The application on a domain, with its embedded Kratos and with a real one."""
    with serve(request.param, "localhost") as started:
        yield started


@pytest.fixture
def domain_window(browser: Browser, domain_served: Deployment) -> Iterator[BrowserWindow]:
    """A window of Chromium that shows the application."""
    with open_window(browser, domain_served.app_url) as opened:
        yield opened


def test_passkey_signs_up_and_logs_in(domain_window: BrowserWindow) -> None:
    page = domain_window.page
    page.add_init_script("PublicKeyCredential.isConditionalMediationAvailable = async () => false")
    add_authenticator(page)
    sign_up_with_passkey(page)
    sign_out(page)
    page.goto("/me")
    domain_window.check("login-passkey")

    trigger(page, "passkey_login_trigger")

    expect(page).to_have_url(re.compile("/me$"))


@pytest.mark.parametrize("domain_served", [embedded_deployment], indirect=True, ids=["embedded"])
def test_home_page_of_the_demo_offers_passkeys(domain_window: BrowserWindow) -> None:
    page = domain_window.page
    page.add_init_script("PublicKeyCredential.isConditionalMediationAvailable = async () => false")
    add_authenticator(page)
    register(page, new_email())
    page.goto("/")
    page.get_by_role("link", name="Add a passkey").click()
    trigger(page, "passkey_register_trigger")
    expect(kratos_message(page, SAVED)).to_be_visible()
    sign_out(page)
    domain_window.check("home-passkey")

    page.get_by_role("link", name="Sign in with a passkey").click()

    expect_signed_in(page)


def test_suggested_passkey_logs_in_without_button(domain_window: BrowserWindow) -> None:
    page = domain_window.page
    add_authenticator(page)
    sign_up_with_passkey(page)
    sign_out(page)

    page.goto("/login")

    expect_signed_in(page)


def test_passkey_is_added_and_removed_in_settings(domain_window: BrowserWindow) -> None:
    page = domain_window.page
    add_authenticator(page)
    register(page, new_email())
    page.goto("/settings")
    trigger(page, "passkey_register_trigger")
    expect(kratos_message(page, SAVED)).to_be_visible()
    domain_window.check("settings-passkey")

    trigger(page, "passkey_remove")

    expect(page.locator('button[name="passkey_remove"]')).to_have_count(0)
    expect(kratos_message(page, SAVED)).to_be_visible()
