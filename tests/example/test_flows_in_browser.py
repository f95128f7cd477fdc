"""Kratos' flows as the example shows them, in a real Chromium, with the embedded Kratos and (`live`) a real one."""

import re

import pytest
from playwright.sync_api import expect

from .browser_steps import button, enroll_totp, field, kratos_message, newest_code, register, sign_in, sign_out
from .browser_window import BrowserWindow
from .deployment import PASSWORD, Deployment, new_email

pytestmark = pytest.mark.browser

SAVED, VERIFIED, RECOVERED = 1050001, 1080002, 1060001
WRONG_PASSWORD, TOO_SHORT, WRONG_VERIFICATION_CODE = 4000006, 4000032, 4070006


def test_registration_asks_in_two_steps_and_keeps_what_was_typed(any_window: BrowserWindow) -> None:
    """The first step asks who one is, the second how one signs in; the way back keeps the first one's fields."""
    page, email = any_window.page, new_email()
    page.goto("/")
    any_window.look("home-anonymous")
    page.get_by_role("link", name="Sign up").click()
    expect(field(page, "traits.email")).to_be_focused()
    any_window.look("registration-1")
    field(page, "traits.email").fill(email)
    button(page, "profile").click()
    expect(field(page, "password")).to_be_focused()
    any_window.look("registration-2")

    page.get_by_role("button", name="Back").click()

    expect(field(page, "traits.email")).to_have_value(email)


def test_a_weak_password_is_explained_beside_its_field(any_window: BrowserWindow) -> None:
    """The message is tied to the field, the field has the focus, and the title says that something is wrong."""
    page = any_window.page
    page.goto("/registration")
    field(page, "traits.email").fill(new_email())
    button(page, "profile").click()
    field(page, "password").fill("short")
    button(page, "password").click()

    expect(kratos_message(page, TOO_SHORT)).to_be_visible()
    expect(field(page, "password")).to_be_focused()
    expect(field(page, "password")).to_have_accessible_description(re.compile("8 characters"))
    expect(page).to_have_title(re.compile("^Error: "))
    any_window.look("registration-weak-password")


def test_an_address_is_verified_by_code_and_opens_the_members_page(
    any_window: BrowserWindow, any_served: Deployment
) -> None:
    """Members have a verified address: before, the page says so and leads to the verification, and back."""
    page, email = any_window.page, new_email()
    register(page, email)
    any_window.look("verification-code")
    page.goto("/members")
    expect(page.get_by_role("heading", name="Please verify your email address")).to_be_visible()
    any_window.look("members-unverified")
    page.get_by_role("link", name="Verify it now").click()
    field(page, "email").fill(email)
    any_window.look("verification")
    button(page, "code").click()
    field(page, "code").fill("000000")
    button(page, "code").click()
    expect(page.get_by_role("alert").locator(kratos_message(page, WRONG_VERIFICATION_CODE))).to_be_visible()
    field(page, "code").fill(newest_code(any_window, any_served, email))
    button(page, "code").click()
    expect(page.get_by_role("status").locator(kratos_message(page, VERIFIED))).to_be_visible()
    any_window.look("verification-done")

    page.get_by_role("link", name="Continue").click()

    expect(page.get_by_role("heading", name="Members")).to_be_visible()
    any_window.look("members")


def test_signing_in_leads_on_to_the_page_that_was_asked_for(any_window: BrowserWindow) -> None:
    """A wrong password is said; the right one leads to the page from which one was sent here."""
    page, email = any_window.page, new_email()
    register(page, email)
    sign_out(page)
    page.goto("/me")
    expect(page.get_by_text("Then we take you on to /me")).to_be_visible()
    any_window.look("login")
    sign_in(page, email, "a-wrong-one-entirely")
    expect(page.get_by_role("alert").locator(kratos_message(page, WRONG_PASSWORD))).to_be_visible()
    any_window.look("login-wrong-password")

    sign_in(page, email)

    expect(page).to_have_url(re.compile("/me$"))
    any_window.look("me")


def test_the_vault_leads_to_enrolment_and_later_to_the_second_factor(
    any_window: BrowserWindow, any_served: Deployment
) -> None:
    """Without a second factor one sets it up on the way; the next sign-in asks for it and goes on to the vault."""
    page, email = any_window.page, new_email()
    register(page, email)
    page.goto("/vault")
    expect(page.get_by_text("/vault asks for a second factor, and you have none yet.")).to_be_visible()
    any_window.look("settings-enroll")
    secret = enroll_totp(page, any_served)
    expect(page.get_by_role("heading", name="The vault")).to_be_visible()
    any_window.look("vault")
    sign_out(page)

    page.goto("/vault")
    sign_in(page, email)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    any_window.look("login-second-factor")
    field(page, "totp_code").fill(any_served.totp(secret))
    button(page, "totp").click()

    expect(page).to_have_url(re.compile("/vault$"))


def test_an_account_is_recovered_by_code(any_window: BrowserWindow, any_served: Deployment) -> None:
    """The code lets one in, to the settings, where a new password is chosen; it works afterwards."""
    page, email, chosen = any_window.page, new_email(), "another-lantern-in-fog-8"
    register(page, email)
    sign_out(page)
    page.goto("/login")
    page.get_by_role("link", name="Forgot your password?").click()
    any_window.look("recovery")
    field(page, "email").fill(email)
    button(page, "code").click()
    any_window.look("recovery-code")
    field(page, "code").fill(newest_code(any_window, any_served, email))
    button(page, "code").click()
    expect(page.get_by_role("status").locator(kratos_message(page, RECOVERED))).to_be_visible()
    any_window.look("settings-after-recovery")
    field(page, "password", "password").fill(chosen)
    button(page, "password").click()
    expect(page.get_by_role("status").locator(kratos_message(page, SAVED))).to_be_visible()
    sign_out(page)
    page.goto("/login")

    sign_in(page, email, chosen)

    expect(page.get_by_role("heading", name="Welcome, Ada")).to_be_visible()
    any_window.look("welcome")


def test_a_user_without_a_second_factor_is_led_out_of_the_dead_end(
    any_window: BrowserWindow, any_served: Deployment
) -> None:
    """Kratos' aal2 login has nothing to fill in for them: the page explains, and leads to enrolment and on."""
    page = any_window.page
    register(page, new_email())
    page.goto(f"/login?aal=aal2&return_to={any_served.app_url}/me")
    expect(page.get_by_role("heading", name="You need a second factor first")).to_be_visible()
    any_window.look("dead-end")
    page.get_by_role("link", name="Set up a second factor").click()

    enroll_totp(page, any_served)

    expect(page).to_have_url(re.compile("/me$"))


def test_backup_codes_are_made_shown_and_good_for_one_sign_in(any_window: BrowserWindow) -> None:
    """Codes are shown once for keeping, and one of them is a second factor."""
    page, email = any_window.page, new_email()
    register(page, email)
    page.goto("/settings")
    page.locator('[name="lookup_secret_regenerate"]').click()
    codes = page.locator("#lookup_secret_codes li").all_inner_texts()
    any_window.look("settings-backup-codes")
    page.locator('[name="lookup_secret_confirm"]').click()
    expect(page.get_by_role("status").locator(kratos_message(page, SAVED))).to_be_visible()
    any_window.look("settings")
    sign_out(page)
    page.goto("/login")
    sign_in(page, email)
    field(page, "lookup_secret").fill(codes[0])
    button(page, "lookup_secret").click()

    expect(page.get_by_role("heading", name="Welcome, Ada")).to_be_visible()


def test_a_profile_is_changed_in_settings(any_window: BrowserWindow) -> None:
    """What is saved shows on the settings page and, at once, at the top of every page."""
    page = any_window.page
    register(page, new_email())
    page.goto("/settings")
    field(page, "traits.name.first").fill("Augusta")
    button(page, "profile").click()
    expect(page.get_by_role("status").locator(kratos_message(page, SAVED))).to_be_visible()
    expect(field(page, "traits.name.first")).to_have_value("Augusta")

    page.goto("/")

    expect(page.get_by_role("banner").get_by_role("link", name="Augusta")).to_be_visible()


def test_a_form_without_its_cookie_ends_on_a_page_that_explains(any_window: BrowserWindow) -> None:
    """When the anti-CSRF cookie is gone, Kratos refuses; the page says why and starts again."""
    page, email = any_window.page, new_email()
    register(page, email)
    sign_out(page)
    page.goto("/login")
    page.context.clear_cookies(name=re.compile("csrf"))
    sign_in(page, email)
    expect(page.get_by_role("alert")).to_contain_text("cookies did not fit together")
    any_window.look("error-csrf")
    page.get_by_role("link", name="Start again").click()

    sign_in(page, email)

    expect(page.get_by_role("heading", name="Welcome, Ada")).to_be_visible()


def test_pages_work_with_the_keyboard_alone(any_window: BrowserWindow) -> None:
    """The first stop is a way past the navigation, and a form is filled in and sent without a mouse."""
    page, email = any_window.page, new_email()
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    register(page, email)
    sign_out(page)
    page.goto("/login")
    expect(page.locator("input[name=identifier]")).to_be_focused()
    page.keyboard.type(email)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Welcome, Ada")).to_be_visible()


def test_a_password_can_be_looked_at(any_window: BrowserWindow) -> None:
    """The button beside a password shows it and hides it again, and says so to screen readers."""
    page = any_window.page
    page.goto("/login")
    field(page, "password").fill(PASSWORD)
    shows = page.get_by_role("button", name="Show the password")
    shows.click()
    expect(field(page, "password")).to_have_attribute("type", "text")
    expect(shows).to_have_attribute("aria-pressed", "true")

    shows.click()

    expect(field(page, "password")).to_have_attribute("type", "password")
