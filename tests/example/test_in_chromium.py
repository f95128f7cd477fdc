"""Kratos' flows as the example shows them, in a real Chromium."""

import re

import pytest
from playwright.sync_api import expect

from .eyes import Eyes
from .person import code_from_outbox, enrol, register, sign_in, sign_out
from .stage import PASSWORD, Stage

pytestmark = pytest.mark.browser


def test_registration_asks_in_two_steps_and_keeps_what_was_typed(eyes: Eyes) -> None:
    """The first step asks who one is, the second how one signs in; the way back keeps the first one's fields."""
    page = eyes.page
    page.goto("/")
    eyes.look("home-anonymous")
    page.get_by_role("link", name="Sign up").click()
    expect(page.get_by_label("E-Mail")).to_be_focused()
    eyes.look("registration-1")
    page.get_by_label("E-Mail").fill("ada@example.test")
    page.get_by_role("button", name="Sign up", exact=True).click()
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    eyes.look("registration-2")

    page.get_by_role("button", name="Back").click()

    expect(page.get_by_label("E-Mail")).to_have_value("ada@example.test")


def test_a_weak_password_is_explained_beside_its_field(eyes: Eyes) -> None:
    """The message is tied to the field, the field has the focus, and the title says that something is wrong."""
    page = eyes.page
    page.goto("/registration")
    page.get_by_label("E-Mail").fill("ada@example.test")
    page.get_by_role("button", name="Sign up", exact=True).click()
    page.get_by_label("Password", exact=True).fill("short")
    page.get_by_role("button", name="Sign up", exact=True).click()

    field = page.get_by_label("Password", exact=True)
    expect(field).to_be_focused()
    expect(field).to_have_accessible_description(re.compile("at least 8 characters"))
    expect(page).to_have_title(re.compile("^Error: "))
    eyes.look("registration-weak-password")


def test_an_address_is_verified_by_code_and_opens_the_members_page(eyes: Eyes) -> None:
    """Members have a verified address: before, the page says so and leads to the verification, and back."""
    page = eyes.page
    register(page)
    eyes.look("verification-code")
    page.goto("/members")
    expect(page.get_by_role("heading", name="Please verify your e-mail address")).to_be_visible()
    eyes.look("members-unverified")
    page.get_by_role("link", name="Verify it now").click()
    page.get_by_label("E-mail address").fill("ada@example.test")
    eyes.look("verification")
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Verification code").fill("000000")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_contain_text("not valid")
    page.get_by_label("Verification code").fill(code_from_outbox(eyes))
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("status")).to_contain_text("verified")
    eyes.look("verification-done")

    page.get_by_role("link", name="Continue").click()

    expect(page.get_by_role("heading", name="Members")).to_be_visible()
    eyes.look("members")


def test_signing_in_leads_on_to_the_page_that_was_asked_for(eyes: Eyes) -> None:
    """A wrong password is said; the right one leads to the page from which one was sent here."""
    page = eyes.page
    register(page)
    sign_out(page)
    page.goto("/me")
    expect(page.get_by_text("Then we take you on to /me")).to_be_visible()
    eyes.look("login")
    sign_in(page, password="a-wrong-one-entirely")
    expect(page.get_by_role("alert")).to_contain_text("don't match")
    eyes.look("login-wrong-password")

    sign_in(page)

    expect(page).to_have_url(re.compile("/me$"))
    eyes.look("me")


def test_the_vault_leads_to_enrolment_and_later_to_the_second_factor(eyes: Eyes, served: tuple[str, Stage]) -> None:
    """Without a second factor one sets it up on the way; the next sign-in asks for it and goes on to the vault."""
    page = eyes.page
    register(page)
    page.goto("/vault")
    expect(page.get_by_text("/vault asks for a second factor, and you have none yet.")).to_be_visible()
    eyes.look("settings-enrol")
    secret = enrol(page, served[1])
    expect(page.get_by_role("heading", name="The vault")).to_be_visible()
    eyes.look("vault")
    sign_out(page)

    page.goto("/vault")
    sign_in(page)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    eyes.look("login-second-factor")
    served[1].wait(30)
    page.get_by_label("Code from your authenticator app").fill(served[1].totp(secret))
    page.get_by_role("button", name="Use the authenticator app").click()

    expect(page).to_have_url(re.compile("/vault$"))


def test_an_account_is_recovered_by_code(eyes: Eyes) -> None:
    """The code lets one in, to the settings, where a new password is chosen; it works afterwards."""
    page = eyes.page
    register(page)
    sign_out(page)
    page.goto("/login")
    page.get_by_role("link", name="Forgot your password?").click()
    eyes.look("recovery")
    page.get_by_label("E-mail address").fill("ada@example.test")
    page.get_by_role("button", name="Continue").click()
    eyes.look("recovery-code")
    page.get_by_label("Recovery code").fill(code_from_outbox(eyes))
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("status")).to_contain_text("new password")
    eyes.look("settings-after-recovery")
    page.locator("#password").get_by_role("textbox").fill("another-lantern-in-fog-8")
    page.locator("#password").get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("saved")
    sign_out(page)
    page.goto("/login")

    sign_in(page, password="another-lantern-in-fog-8")

    expect(page.get_by_role("heading", name="Welcome, Ada")).to_be_visible()
    eyes.look("welcome")


def test_a_user_without_a_second_factor_is_led_out_of_the_dead_end(eyes: Eyes, served: tuple[str, Stage]) -> None:
    """Kratos' aal2 login has nothing to fill in for them: the page explains, and leads to enrolment and on."""
    page = eyes.page
    register(page)
    page.goto(f"/login?aal=aal2&return_to={served[0]}/me")
    expect(page.get_by_role("heading", name="You need a second factor first")).to_be_visible()
    eyes.look("dead-end")
    page.get_by_role("link", name="Set up a second factor").click()

    enrol(page, served[1])

    expect(page).to_have_url(re.compile("/me$"))


def test_backup_codes_are_made_shown_and_good_for_one_sign_in(eyes: Eyes) -> None:
    """Codes are shown once for keeping, and one of them is a second factor."""
    page = eyes.page
    register(page)
    page.goto("/settings")
    page.locator("#lookup_secret").get_by_role("button").click()
    codes = page.locator("#lookup_secret_codes li").all_inner_texts()
    eyes.look("settings-backup-codes")
    page.get_by_role("button", name="I have kept my backup codes").click()
    expect(page.get_by_role("status")).to_contain_text("saved")
    eyes.look("settings")
    sign_out(page)
    page.goto("/login")
    sign_in(page)
    page.get_by_label("Backup code").fill(codes[0])
    page.get_by_role("button", name="Use a backup code").click()

    expect(page.get_by_role("heading", name="Welcome, Ada")).to_be_visible()


def test_a_provider_signs_up_signs_in_and_is_linked(eyes: Eyes) -> None:
    """Somebody comes back from the provider signed in; an account with a password can link the provider too."""
    page = eyes.page
    page.goto("/registration")
    page.get_by_role("button", name="Sign up with Harbour").click()
    page.get_by_label("E-mail address").fill("grace@example.test")
    page.get_by_role("button", name="Allow").click()
    page.goto("/me")
    expect(page.get_by_text("grace@example.test").first).to_be_visible()
    sign_out(page)
    register(page)
    page.goto("/settings")

    page.get_by_role("button", name="Connect Harbour").click()
    page.get_by_label("E-mail address").fill("ada@harbour.test")
    page.get_by_role("button", name="Allow").click()

    expect(page.get_by_role("button", name="Disconnect Harbour")).to_be_visible()


def test_a_profile_is_changed_in_settings(eyes: Eyes) -> None:
    """What is saved shows on the settings page and, at once, at the top of every page."""
    page = eyes.page
    register(page)
    page.goto("/settings")
    page.get_by_label("First Name").fill("Augusta")
    page.locator("#profile").get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("saved")

    expect(page.get_by_label("First Name")).to_have_value("Augusta")
    expect(page.get_by_role("banner").get_by_role("link", name="Augusta")).to_be_visible()


def test_an_expired_form_starts_anew_and_says_so(eyes: Eyes, served: tuple[str, Stage]) -> None:
    """An old flow's page is replaced by a fresh one with a message, and leads on to the same page."""
    page = eyes.page
    register(page)
    sign_out(page)
    page.goto("/me")
    served[1].wait(660)
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("The form had expired")
    eyes.look("login-expired")

    served[1].wait(660)
    sign_in(page)
    expect(page.get_by_role("alert")).to_contain_text("too long")
    sign_in(page)

    expect(page).to_have_url(re.compile("/me$"))


def test_a_form_without_its_cookie_ends_on_a_page_that_explains(eyes: Eyes) -> None:
    """When the anti-CSRF cookie is gone, Kratos refuses; the page says why and starts again."""
    page = eyes.page
    register(page)
    sign_out(page)
    page.goto("/login")
    page.context.clear_cookies(name=re.compile("csrf"))
    sign_in(page)
    expect(page.get_by_role("alert")).to_contain_text("cookies")
    eyes.look("error-csrf")
    page.get_by_role("link", name="Start again").click()

    sign_in(page)

    expect(page.get_by_role("heading", name="Welcome, Ada")).to_be_visible()


def test_a_password_can_be_looked_at(eyes: Eyes) -> None:
    """The button beside a password shows it and hides it again, and says so to screen readers."""
    page = eyes.page
    page.goto("/login")
    field = page.get_by_label("Password", exact=True)
    field.fill(PASSWORD)
    shows = page.get_by_role("button", name="Show the password")
    shows.click()
    expect(field).to_have_attribute("type", "text")
    expect(shows).to_have_attribute("aria-pressed", "true")

    shows.click()

    expect(field).to_have_attribute("type", "password")
