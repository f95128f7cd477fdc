"""Kratos' flows in Chromium, with the embedded Kratos and (`live`) with a real one."""

import re

import pytest
from playwright.sync_api import expect

from .browser_steps import button, enroll_totp, field, kratos_message, register, sign_in, sign_out
from .browser_window import BrowserWindow
from .deployment import PASSWORD, Deployment, new_email

pytestmark = pytest.mark.browser

SAVED, WRONG_PASSWORD, TOO_SHORT = 1050001, 4000006, 4000032


def test_registration_has_two_steps_and_explains_errors_at_their_field(any_window: BrowserWindow) -> None:
    page, email = any_window.page, new_email()
    page.goto("/")
    any_window.check("home-anonymous")
    page.get_by_role("link", name="Sign up").click()
    expect(field(page, "traits.email")).to_be_focused()
    any_window.check("registration-1")
    field(page, "traits.email").fill(email)
    button(page, "profile").click()
    expect(field(page, "password")).to_be_focused()
    any_window.check("registration-2")

    field(page, "password").fill("short")
    button(page, "password").click()
    expect(kratos_message(page, TOO_SHORT)).to_be_visible()
    expect(field(page, "password")).to_be_focused()
    expect(field(page, "password")).to_have_accessible_description(re.compile("8 characters"))
    expect(page).to_have_title(re.compile("^Error: "))
    any_window.check("registration-weak-password")

    page.get_by_role("button", name="Back").click()
    expect(field(page, "traits.email")).to_have_value(email)


def test_pages_of_an_account_pass_the_checks(any_window: BrowserWindow, any_served: Deployment) -> None:
    page, email = any_window.page, new_email()
    register(page, email)
    any_window.check("verification-code")
    page.goto("/members")
    expect(page.get_by_role("heading", name="Email verification required")).to_be_visible()
    any_window.check("members-unverified")
    page.goto("/vault")
    expect(page.get_by_text("/vault requires a second factor, and your account does not have one.")).to_be_visible()
    any_window.check("settings-enroll")
    secret = enroll_totp(page, any_served)
    expect(page.get_by_role("heading", name="Vault", exact=True)).to_be_visible()
    any_window.check("vault")
    page.goto("/settings")
    page.locator('[name="lookup_secret_regenerate"]').click()
    any_window.check("settings-backup-codes")
    page.locator('[name="lookup_secret_confirm"]').click()
    expect(page.get_by_role("status").locator(kratos_message(page, SAVED))).to_be_visible()
    any_window.check("settings")
    sign_out(page)

    page.goto("/me")
    any_window.check("login")
    sign_in(page, email, "a-wrong-password")
    expect(page.get_by_role("alert").locator(kratos_message(page, WRONG_PASSWORD))).to_be_visible()
    any_window.check("login-wrong-password")
    sign_in(page, email)
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    any_window.check("login-second-factor")
    field(page, "totp_code").fill(any_served.totp(secret))
    button(page, "totp").click()
    expect(page).to_have_url(re.compile("/me$"))
    any_window.check("me")


def test_pages_work_with_the_keyboard_alone(any_window: BrowserWindow) -> None:
    page, email = any_window.page, new_email()
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
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


def test_password_can_be_shown_and_hidden(any_window: BrowserWindow) -> None:
    page = any_window.page
    page.goto("/login")
    field(page, "password").fill(PASSWORD)
    show_button = page.get_by_role("button", name="Show password")
    show_button.click()
    expect(field(page, "password")).to_have_attribute("type", "text")
    expect(show_button).to_have_attribute("aria-pressed", "true")

    show_button.click()

    expect(field(page, "password")).to_have_attribute("type", "password")
