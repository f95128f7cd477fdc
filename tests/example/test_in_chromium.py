"""Kratos' flows as the example shows them, in a real Chromium, with the embedded Kratos and (`live`) a real one."""

import re

import pytest
from playwright.sync_api import expect

from .eyes import Eyes
from .person import button, enrol, field, newest_code, register, said, sign_in, sign_out
from .stage import PASSWORD, Stage, a_new_address

pytestmark = pytest.mark.browser

SAVED, VERIFIED, RECOVERED = 1050001, 1080002, 1060001
WRONG_PASSWORD, TOO_SHORT, WRONG_VERIFICATION_CODE = 4000006, 4000032, 4070006


def test_registration_asks_in_two_steps_and_keeps_what_was_typed(any_eyes: Eyes) -> None:
    """The first step asks who one is, the second how one signs in; the way back keeps the first one's fields."""
    page, email = any_eyes.page, a_new_address()
    page.goto("/")
    any_eyes.look("home-anonymous")
    page.get_by_role("link", name="Sign up").click()
    expect(field(page, "traits.email")).to_be_focused()
    any_eyes.look("registration-1")
    field(page, "traits.email").fill(email)
    button(page, "profile").click()
    expect(field(page, "password")).to_be_focused()
    any_eyes.look("registration-2")

    page.get_by_role("button", name="Back").click()

    expect(field(page, "traits.email")).to_have_value(email)


def test_a_weak_password_is_explained_beside_its_field(any_eyes: Eyes) -> None:
    """The message is tied to the field, the field has the focus, and the title says that something is wrong."""
    page = any_eyes.page
    page.goto("/registration")
    field(page, "traits.email").fill(a_new_address())
    button(page, "profile").click()
    field(page, "password").fill("short")
    button(page, "password").click()

    expect(said(page, TOO_SHORT)).to_be_visible()
    expect(field(page, "password")).to_be_focused()
    expect(field(page, "password")).to_have_accessible_description(re.compile("8 characters"))
    expect(page).to_have_title(re.compile("^Error: "))
    any_eyes.look("registration-weak-password")


def test_an_address_is_verified_by_code_and_opens_the_members_page(any_eyes: Eyes, any_served: Stage) -> None:
    """Members have a verified address: before, the page says so and leads to the verification, and back."""
    page, email = any_eyes.page, a_new_address()
    register(page, email)
    any_eyes.look("verification-code")
    page.goto("/members")
    expect(page.get_by_role("heading", name="Please verify your email address")).to_be_visible()
    any_eyes.look("members-unverified")
    page.get_by_role("link", name="Verify it now").click()
    field(page, "email").fill(email)
    any_eyes.look("verification")
    button(page, "code").click()
    field(page, "code").fill("000000")
    button(page, "code").click()
    expect(page.get_by_role("alert").locator(said(page, WRONG_VERIFICATION_CODE))).to_be_visible()
    field(page, "code").fill(newest_code(any_eyes, any_served, email))
    button(page, "code").click()
    expect(page.get_by_role("status").locator(said(page, VERIFIED))).to_be_visible()
    any_eyes.look("verification-done")

    page.get_by_role("link", name="Continue").click()

    expect(page.get_by_role("heading", name="Members")).to_be_visible()
    any_eyes.look("members")


def test_signing_in_leads_on_to_the_page_that_was_asked_for(any_eyes: Eyes) -> None:
    """A wrong password is said; the right one leads to the page from which one was sent here."""
    page, email = any_eyes.page, a_new_address()
    register(page, email)
    sign_out(page)
    page.goto("/me")
    expect(page.get_by_text("Then we take you on to /me")).to_be_visible()
    any_eyes.look("login")
    sign_in(page, email, "a-wrong-one-entirely")
    expect(page.get_by_role("alert").locator(said(page, WRONG_PASSWORD))).to_be_visible()
    any_eyes.look("login-wrong-password")

    sign_in(page, email)

    expect(page).to_have_url(re.compile("/me$"))
    any_eyes.look("me")


def test_the_vault_leads_to_enrolment_and_later_to_the_second_factor(any_eyes: Eyes, any_served: Stage) -> None:
    """Without a second factor one sets it up on the way; the next sign-in asks for it and goes on to the vault."""
    page, email = any_eyes.page, a_new_address()
    register(page, email)
    page.goto("/vault")
    expect(page.get_by_text("/vault asks for a second factor, and you have none yet.")).to_be_visible()
    any_eyes.look("settings-enrol")
    secret = enrol(page, any_served)
    expect(page.get_by_role("heading", name="The vault")).to_be_visible()
    any_eyes.look("vault")
    sign_out(page)

    page.goto("/vault")
    sign_in(page, email)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    any_eyes.look("login-second-factor")
    field(page, "totp_code").fill(any_served.totp(secret))
    button(page, "totp").click()

    expect(page).to_have_url(re.compile("/vault$"))


def test_an_account_is_recovered_by_code(any_eyes: Eyes, any_served: Stage) -> None:
    """The code lets one in, to the settings, where a new password is chosen; it works afterwards."""
    page, email, chosen = any_eyes.page, a_new_address(), "another-lantern-in-fog-8"
    register(page, email)
    sign_out(page)
    page.goto("/login")
    page.get_by_role("link", name="Forgot your password?").click()
    any_eyes.look("recovery")
    field(page, "email").fill(email)
    button(page, "code").click()
    any_eyes.look("recovery-code")
    field(page, "code").fill(newest_code(any_eyes, any_served, email))
    button(page, "code").click()
    expect(page.get_by_role("status").locator(said(page, RECOVERED))).to_be_visible()
    any_eyes.look("settings-after-recovery")
    field(page, "password", "password").fill(chosen)
    button(page, "password").click()
    expect(page.get_by_role("status").locator(said(page, SAVED))).to_be_visible()
    sign_out(page)
    page.goto("/login")

    sign_in(page, email, chosen)

    expect(page.get_by_role("heading", name="Welcome, Ada")).to_be_visible()
    any_eyes.look("welcome")


def test_a_user_without_a_second_factor_is_led_out_of_the_dead_end(any_eyes: Eyes, any_served: Stage) -> None:
    """Kratos' aal2 login has nothing to fill in for them: the page explains, and leads to enrolment and on."""
    page = any_eyes.page
    register(page, a_new_address())
    page.goto(f"/login?aal=aal2&return_to={any_served.app_url}/me")
    expect(page.get_by_role("heading", name="You need a second factor first")).to_be_visible()
    any_eyes.look("dead-end")
    page.get_by_role("link", name="Set up a second factor").click()

    enrol(page, any_served)

    expect(page).to_have_url(re.compile("/me$"))


def test_backup_codes_are_made_shown_and_good_for_one_sign_in(any_eyes: Eyes) -> None:
    """Codes are shown once for keeping, and one of them is a second factor."""
    page, email = any_eyes.page, a_new_address()
    register(page, email)
    page.goto("/settings")
    page.locator('[name="lookup_secret_regenerate"]').click()
    codes = page.locator("#lookup_secret_codes li").all_inner_texts()
    any_eyes.look("settings-backup-codes")
    page.locator('[name="lookup_secret_confirm"]').click()
    expect(page.get_by_role("status").locator(said(page, SAVED))).to_be_visible()
    any_eyes.look("settings")
    sign_out(page)
    page.goto("/login")
    sign_in(page, email)
    field(page, "lookup_secret").fill(codes[0])
    button(page, "lookup_secret").click()

    expect(page.get_by_role("heading", name="Welcome, Ada")).to_be_visible()


def test_a_profile_is_changed_in_settings(any_eyes: Eyes) -> None:
    """What is saved shows on the settings page and, at once, at the top of every page."""
    page = any_eyes.page
    register(page, a_new_address())
    page.goto("/settings")
    field(page, "traits.name.first").fill("Augusta")
    button(page, "profile").click()
    expect(page.get_by_role("status").locator(said(page, SAVED))).to_be_visible()
    expect(field(page, "traits.name.first")).to_have_value("Augusta")

    page.goto("/")

    expect(page.get_by_role("banner").get_by_role("link", name="Augusta")).to_be_visible()


def test_a_form_without_its_cookie_ends_on_a_page_that_explains(any_eyes: Eyes) -> None:
    """When the anti-CSRF cookie is gone, Kratos refuses; the page says why and starts again."""
    page, email = any_eyes.page, a_new_address()
    register(page, email)
    sign_out(page)
    page.goto("/login")
    page.context.clear_cookies(name=re.compile("csrf"))
    sign_in(page, email)
    expect(page.get_by_role("alert")).to_contain_text("cookies did not fit together")
    any_eyes.look("error-csrf")
    page.get_by_role("link", name="Start again").click()

    sign_in(page, email)

    expect(page.get_by_role("heading", name="Welcome, Ada")).to_be_visible()


def test_pages_work_with_the_keyboard_alone(any_eyes: Eyes) -> None:
    """The first stop is a way past the navigation, and a form is filled in and sent without a mouse."""
    page, email = any_eyes.page, a_new_address()
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


def test_a_password_can_be_looked_at(any_eyes: Eyes) -> None:
    """The button beside a password shows it and hides it again, and says so to screen readers."""
    page = any_eyes.page
    page.goto("/login")
    field(page, "password").fill(PASSWORD)
    shows = page.get_by_role("button", name="Show the password")
    shows.click()
    expect(field(page, "password")).to_have_attribute("type", "text")
    expect(shows).to_have_attribute("aria-pressed", "true")

    shows.click()

    expect(field(page, "password")).to_have_attribute("type", "password")
