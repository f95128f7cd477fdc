"""The example's guarded pages in a real Chromium."""

import json
import re

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from .browser_steps import button, field, register, sign_in, sign_out
from .browser_window import BrowserWindow, open_window
from .deployment import PASSWORD, Deployment

pytestmark = pytest.mark.browser

EMAIL = "ada@example.test"


def confirm_password(page: Page) -> None:
    """Sign in once more on the page that asks for it."""
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    field(page, "password").fill(PASSWORD)
    button(page, "password").click()


def test_a_transfer_survives_signing_in_once_more(window: BrowserWindow, served: Deployment) -> None:
    """After a minute on the form the person signs in again, finds what they typed, and sends it."""
    page = window.page
    register(page, EMAIL)
    page.goto("/transfer")
    page.get_by_label("To whom").fill("Grace")
    page.get_by_label("Amount in euros").fill("12.50")
    page.get_by_label("Note").fill("for the <lantern>")
    served.wait(61)
    page.get_by_role("button", name="Send").click()
    window.look("login-refresh")
    confirm_password(page)
    expect(page).to_have_url(re.compile("/transfer$"))
    expect(page.get_by_label("To whom")).to_have_value("Grace")
    expect(page.get_by_label("Note")).to_have_value("for the <lantern>")

    page.get_by_role("button", name="Send").click()

    expect(page.get_by_role("status")).to_contain_text("on its way")
    expect(page.get_by_role("cell", name="for the <lantern>")).to_be_visible()
    expect(page.get_by_label("To whom")).to_have_value("")
    window.look("transfer-sent")


def test_the_transfer_form_itself_asks_for_a_fresh_sign_in(window: BrowserWindow, served: Deployment) -> None:
    """Who signed in long ago confirms it before typing, not after."""
    page = window.page
    register(page, EMAIL)
    served.wait(61)

    page.goto("/transfer")
    confirm_password(page)

    expect(page.get_by_role("heading", name="Send money")).to_be_visible()


def test_mistakes_in_a_transfer_are_said_beside_their_fields(window: BrowserWindow) -> None:
    """The first field with a mistake has the focus and a description; nothing typed is lost."""
    page = window.page
    register(page, EMAIL)
    page.goto("/transfer")
    page.get_by_label("To whom").fill("Grace")
    page.get_by_label("Amount in euros").fill("a lot")
    page.get_by_role("button", name="Send").click()

    amount = page.get_by_label("Amount in euros")
    expect(amount).to_be_focused()
    expect(amount).to_have_value("a lot")
    expect(amount).to_have_accessible_description(re.compile("Give an amount in euros"))
    expect(page).to_have_title(re.compile("^Error: "))
    window.look("transfer-mistake")


def test_a_session_revoked_elsewhere_closes_its_live_page(
    browser: Browser, window: BrowserWindow, served: Deployment
) -> None:
    """Signed out from another browser, the websocket closes with 1008 and the page says why."""
    page = window.page
    register(page, EMAIL)
    page.goto("/live")
    expect(page.get_by_role("status")).to_contain_text("Open")
    expect(page.get_by_text(re.compile(r"Open for \d+ s as Ada"))).to_be_visible()
    window.look("live")
    with open_window(browser, served.app_url) as elsewhere:
        elsewhere.page.goto("/sessions")
        sign_in(elsewhere.page, EMAIL)
        elsewhere.look("sessions")
        elsewhere.page.get_by_role("button", name="Sign out this one").click()
        expect(elsewhere.page.get_by_text("That session is signed out.")).to_be_visible()

    expect(page.get_by_role("status")).to_contain_text("Closed: your session has ended")
    expect(page.get_by_text("closed it with code 1008")).to_be_visible()
    window.look("live-closed")
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_all_other_sessions_end_at_once(browser: Browser, window: BrowserWindow, served: Deployment) -> None:
    """One button ends every other session and leaves this one alone."""
    page = window.page
    register(page, EMAIL)
    with open_window(browser, served.app_url) as second, open_window(browser, served.app_url) as third:
        for other in (second.page, third.page):
            other.goto("/me")
            sign_in(other, EMAIL)
        page.goto("/sessions")
        page.get_by_role("button", name="Sign out all others").click()
        expect(page.get_by_text("You are signed in nowhere else.")).to_be_visible()
        for other in (second.page, third.page):
            other.reload()
            expect(other.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_api_page_tries_operations_with_cookie_and_token(window: BrowserWindow, served: Deployment) -> None:
    """The browser's cookie answers, a session token answers, and a wrong token is refused."""
    page = window.page
    register(page, EMAIL)
    (identity,) = served.fake.identities
    page.goto("/api")
    window.look("api")
    me = page.locator("section.operation", has_text="/api/me")
    me.get_by_role("button", name="Send").click()
    expect(me.locator(".answer")).to_contain_text("200")
    for token, status in ((served.fake.sign_in(identity).token, "200"), ("ory_st_nobodys", "401")):
        page.get_by_label("Authorization: Bearer").check()
        page.get_by_label("Session token", exact=True).fill(token)
        page.get_by_role("button", name="Authorize").click()
        expect(page.get_by_role("status")).to_contain_text("Authorization")
        me.get_by_role("button", name="Send").click()
        expect(me.locator(".answer")).to_contain_text(status)
    window.look("api-answered")

    schema = httpx2.get(f"{served.app_url}/openapi.json").json()
    assert set(schema["components"]["securitySchemes"]) == {
        "ory_session_cookie",
        "ory_session_token",
        "ory_session_bearer",
    }


def test_the_panel_and_its_json_tell_what_the_guard_did(window: BrowserWindow) -> None:
    """A second look at a page is a hit; a refused one is there with its reason; no secret is in either."""
    page = window.page
    register(page, EMAIL)
    page.goto("/me")
    page.goto("/me")
    panel = page.get_by_role("complementary")
    expect(panel).to_contain_text("from the cache")
    page.goto("/vault")
    expect(panel).to_contain_text("session_aal2_enrollment_required")
    expect(panel).to_contain_text("aal: expected aal2, found aal1")
    cookies = [str(cookie.get("value")) for cookie in page.context.cookies()]
    page.goto("/debug/guard")
    told = page.locator("body").inner_text()

    assert json.loads(told)["request"]["outcome"] == "Authenticated"
    assert not [value for value in cookies if value in told]


def test_a_provider_signs_up_and_is_linked(window: BrowserWindow) -> None:
    """Somebody comes back from the provider signed in; an account with a password can link the provider too."""
    page = window.page
    page.goto("/registration")
    page.get_by_role("button", name="Sign up with Harbour").click()
    page.locator('input[name="email"]').fill("grace@example.test")
    page.get_by_role("button", name="Allow").click()
    page.goto("/me")
    expect(page.get_by_text("grace@example.test").first).to_be_visible()
    sign_out(page)
    register(page, EMAIL)
    page.goto("/settings")

    page.locator('button[name="link"]').click()
    page.locator('input[name="email"]').fill("ada@harbour.test")
    page.get_by_role("button", name="Allow").click()

    expect(page.locator('button[name="unlink"]')).to_be_visible()
    window.look("settings-linked")


def test_an_expired_form_starts_anew_and_says_so(window: BrowserWindow, served: Deployment) -> None:
    """An old flow's page is replaced by a fresh one with a message, and leads on to the same page."""
    page = window.page
    register(page, EMAIL)
    sign_out(page)
    page.goto("/me")
    served.wait(660)
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("The form had expired")
    window.look("login-expired")

    served.wait(660)
    sign_in(page, EMAIL)
    expect(page.get_by_role("alert")).to_contain_text("expired")
    sign_in(page, EMAIL)

    expect(page).to_have_url(re.compile("/me$"))


def test_everything_can_be_read_and_sent_without_javascript(browser: Browser, served: Deployment) -> None:
    """Flows, a transfer and signing out work in a window where scripts are off."""
    context = browser.new_context(base_url=served.app_url, java_script_enabled=False)
    page = context.new_page()
    register(page, EMAIL)
    page.goto("/transfer")
    page.get_by_label("To whom").fill("Grace")
    page.get_by_label("Amount in euros").fill("1")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("cell", name="Grace")).to_be_visible()
    page.goto("/live")
    expect(page.locator("noscript p")).to_contain_text("This page needs JavaScript")
    sign_out(page)
    context.close()


def test_the_remaining_pages_look_right(window: BrowserWindow) -> None:
    """Pages that no other test stops at are looked at, too."""
    page = window.page
    page.goto("/no-such-page")
    window.look("not-found")
    page.goto("/error?id=stub:500")
    window.look("error-stub")
    page.goto("/error?id=unknown")
    window.look("error-unknown")
    page.goto("/outbox")
    window.look("outbox-empty")
    register(page, EMAIL)
    page.goto("/outbox")
    window.look("outbox")
    page.goto("/")
    window.look("home")
    page.goto("/sessions")
    window.look("sessions-alone")
    page.goto("/transfer")
    window.look("transfer")
    expect(page.get_by_role("heading", name="Send money")).to_be_visible()
