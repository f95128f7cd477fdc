"""The protected pages of the example in Chromium."""

import re

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from .browser_steps import button, field, register, sign_in
from .browser_window import BrowserWindow, open_window
from .deployment import PASSWORD, Deployment

pytestmark = pytest.mark.browser

EMAIL = "ada@example.test"


def test_transfer_keeps_the_input_during_a_new_sign_in(window: BrowserWindow, served: Deployment) -> None:
    page = window.page
    register(page, EMAIL)
    page.goto("/transfer")
    page.get_by_label("Recipient").fill("Grace")
    page.get_by_label("Amount in euros").fill("12.50")
    page.get_by_label("Note").fill("for the <lantern>")
    served.wait(61)
    page.get_by_role("button", name="Send").click()
    window.check("login-refresh")
    field(page, "password").fill(PASSWORD)
    button(page, "password").click()
    expect(page).to_have_url(re.compile("/transfer$"))
    expect(page.get_by_label("Recipient")).to_have_value("Grace")
    expect(page.get_by_label("Note")).to_have_value("for the <lantern>")

    page.get_by_role("button", name="Send").click()

    expect(page.get_by_role("status")).to_contain_text("was sent")
    expect(page.get_by_role("cell", name="for the <lantern>")).to_be_visible()
    expect(page.get_by_label("Recipient")).to_have_value("")
    window.check("transfer-sent")


def test_transfer_errors_are_shown_at_their_fields(window: BrowserWindow) -> None:
    page = window.page
    register(page, EMAIL)
    page.goto("/transfer")
    page.get_by_label("Recipient").fill("Grace")
    page.get_by_label("Amount in euros").fill("a lot")
    page.get_by_role("button", name="Send").click()

    amount = page.get_by_label("Amount in euros")
    expect(amount).to_be_focused()
    expect(amount).to_have_value("a lot")
    expect(amount).to_have_accessible_description(re.compile("Enter an amount in euros"))
    expect(page).to_have_title(re.compile("^Error: "))
    window.check("transfer-mistake")


def test_revoked_session_closes_its_live_page(browser: Browser, window: BrowserWindow, served: Deployment) -> None:
    page = window.page
    register(page, EMAIL)
    page.goto("/live")
    expect(page.get_by_role("status")).to_contain_text("Open")
    expect(page.get_by_text(re.compile(r"Open for \d+ s as Ada"))).to_be_visible()
    window.check("live")
    with open_window(browser, served.app_url) as elsewhere:
        elsewhere.page.goto("/sessions")
        sign_in(elsewhere.page, EMAIL)
        elsewhere.check("sessions")
        elsewhere.page.get_by_role("button", name="Revoke session").click()
        expect(elsewhere.page.get_by_text("The session was revoked.")).to_be_visible()

    expect(page.get_by_role("status")).to_contain_text("Closed: your session has ended")
    expect(page.get_by_text("closed the connection with code 1008")).to_be_visible()
    window.check("live-closed")
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_api_page_sends_requests_with_cookie_and_token(window: BrowserWindow, served: Deployment) -> None:
    page = window.page
    register(page, EMAIL)
    (identity,) = served.fake.identities
    page.goto("/api")
    window.check("api")
    me = page.locator("section.operation", has_text="/api/me")
    me.get_by_role("button", name="Send").click()
    expect(me.locator(".response")).to_contain_text("200")
    for token, status in ((served.fake.sign_in(identity).token, "200"), ("ory_st_unknown", "401")):
        page.get_by_label("Authorization: Bearer").check()
        page.get_by_label("Session token", exact=True).fill(token)
        page.get_by_role("button", name="Authorize").click()
        expect(page.get_by_role("status")).to_contain_text("Authorization")
        me.get_by_role("button", name="Send").click()
        expect(me.locator(".response")).to_contain_text(status)
    window.check("api-response")

    schema = httpx2.get(f"{served.app_url}/openapi.json").json()
    assert set(schema["components"]["securitySchemes"]) == {
        "ory_session_cookie",
        "ory_session_token",
        "ory_session_bearer",
    }


def test_demo_shows_freshness_and_revocation(window: BrowserWindow) -> None:
    page = window.page
    register(page, EMAIL)
    page.goto("/me")
    countdown = page.get_by_role("timer")
    text = countdown.inner_text()
    expect(countdown).not_to_have_text(text)
    page.get_by_role("button", name="Advance the clock by a minute").click()
    expect(countdown).to_have_text("No longer recent")
    page.get_by_role("button", name="Sign in there").click()
    expect(page.get_by_text("Ada is signed in there too.")).to_be_visible()
    window.check("demo-other-browser")
    page.get_by_role("button", name="Revoke session").click()
    expect(page.get_by_text("Ada is signed out there.")).to_be_visible()
    window.check("demo-revoked")


def test_remaining_pages_pass_the_checks(window: BrowserWindow) -> None:
    page = window.page
    page.goto("/no-such-page")
    window.check("not-found")
    page.goto("/error?id=stub:500")
    window.check("error-stub")
    page.goto("/error?id=unknown")
    window.check("error-unknown")
    page.goto("/error?error=access_denied&error_description=The+resource+owner+denied+the+request")
    window.check("error-oauth2")
    page.goto("/outbox")
    window.check("outbox-empty")
    register(page, EMAIL)
    page.goto("/outbox")
    window.check("outbox")
    page.goto("/")
    window.check("home")
    page.goto("/sessions")
    window.check("sessions-alone")
    page.goto("/transfer")
    window.check("transfer")
    expect(page.get_by_role("heading", name="Transfer", exact=True)).to_be_visible()
