"""Kratos' flows without JavaScript, with the embedded Kratos and (`live`) with a real one."""

import pytest

from .deployment import PASSWORD, new_email
from .visitor import Visitor

pytestmark = pytest.mark.anyio

SAVED, WRONG_PASSWORD = 1050001, 4000006


async def test_sign_in_returns_to_the_requested_page(any_visitor: Visitor) -> None:
    email = new_email()
    await any_visitor.register(email)
    await any_visitor.press("Sign out")
    assert "You are signed out." in any_visitor.page.text

    await any_visitor.open("/me")
    assert any_visitor.path == "/login"
    assert "You will then continue to /me" in any_visitor.page.text
    await any_visitor.sign_in(email, "a-wrong-password")
    assert any_visitor.page.messages == [WRONG_PASSWORD]
    assert any_visitor.page.title.startswith("Error: ")
    await any_visitor.sign_in(email)

    assert (any_visitor.path, any_visitor.status) == ("/me", 200)


async def test_registration_returns_to_the_requested_page_after_verification(any_visitor: Visitor) -> None:
    email = new_email()
    await any_visitor.open("/members")
    await any_visitor.follow("Create an account")
    await any_visitor.press("method=profile", traits__email=email)
    await any_visitor.press("method=password", password=PASSWORD)
    assert any_visitor.page.links["Skip for now"].endswith("/members")
    await any_visitor.press("method=code", code=any_visitor.deployment.code_for(email))

    await any_visitor.follow("Continue")

    assert (any_visitor.path, any_visitor.status) == ("/members", 200)


async def test_vault_leads_to_enrollment_then_to_the_second_factor(any_visitor: Visitor) -> None:
    email = new_email()
    await any_visitor.register(email)
    await any_visitor.open("/vault")
    assert any_visitor.path == "/settings"
    assert "/vault requires a second factor" in any_visitor.page.text
    secret = await any_visitor.enroll_totp()
    assert (any_visitor.path, any_visitor.status) == ("/vault", 200)
    await any_visitor.press("Sign out")

    await any_visitor.open("/vault")
    await any_visitor.sign_in(email)
    assert any_visitor.path == "/login"
    assert any_visitor.page.title == "Second factor · Postern"
    await any_visitor.press("method=totp", totp_code=any_visitor.deployment.totp(secret))

    assert (any_visitor.path, any_visitor.status) == ("/vault", 200)


async def test_session_without_its_second_factor_can_continue_or_sign_out(any_visitor: Visitor) -> None:
    email = new_email()
    await any_visitor.register(email)
    await any_visitor.open("/settings")
    await any_visitor.enroll_totp()
    await any_visitor.press("Sign out")
    await any_visitor.open("/login")
    await any_visitor.sign_in(email)

    await any_visitor.open("/me")
    assert any_visitor.page.title == "Second factor · Postern"
    await any_visitor.open("/settings")
    assert any_visitor.page.title == "Second factor · Postern"
    await any_visitor.open("/")
    assert any_visitor.status == 200
    await any_visitor.press("Sign out")
    await any_visitor.open("/me")

    assert any_visitor.page.title == "Sign in · Postern"


async def test_aal2_login_without_a_second_factor_leads_to_enrollment(any_visitor: Visitor) -> None:
    await any_visitor.register(new_email())
    await any_visitor.open(f"/login?aal=aal2&return_to={any_visitor.deployment.app_url}/me")
    assert any_visitor.page.title == "Second factor required · Postern"

    await any_visitor.follow("Set up a second factor")
    await any_visitor.enroll_totp()

    assert (any_visitor.path, any_visitor.status) == ("/me", 200)


async def test_settings_change_profile_password_and_backup_codes(any_visitor: Visitor) -> None:
    email, new_password = new_email(), "another-lantern-in-fog-8"
    await any_visitor.register(email)
    await any_visitor.open("/settings")
    await any_visitor.press("method=profile", traits__name__first="Augusta")
    assert any_visitor.page.messages == [SAVED]
    await any_visitor.open("/welcome")
    assert any_visitor.page.title == "Welcome, Augusta · Postern"
    await any_visitor.open("/settings")
    await any_visitor.press("method=password", password=new_password)
    await any_visitor.press("lookup_secret_regenerate")
    codes = [code for code in any_visitor.page.codes if len(code) == 8 and code.isalnum()]
    assert len(codes) == 12
    await any_visitor.press("lookup_secret_confirm")
    assert any_visitor.page.messages == [SAVED]
    await any_visitor.press("Sign out")
    await any_visitor.open("/login")
    await any_visitor.sign_in(email, new_password)

    await any_visitor.press("method=lookup_secret", lookup_secret=codes[0])

    assert any_visitor.page.title == "Welcome, Augusta · Postern"


async def test_other_sessions_are_listed_and_revoked(any_visitor: Visitor) -> None:
    email = new_email()
    await any_visitor.register(email)
    for button in ("Revoke session", "Revoke all other sessions"):
        async with Visitor(any_visitor.deployment) as second, Visitor(any_visitor.deployment) as third:
            others = (second,) if button == "Revoke session" else (second, third)
            for other in others:
                await other.open("/me")
                await other.sign_in(email)
                assert other.status == 200
            await any_visitor.open("/sessions")
            await any_visitor.press(button)
            assert "You have no other sessions." in any_visitor.page.text
            for other in others:
                await other.open("/me")
                assert other.path == "/login"


async def test_missing_csrf_cookie_is_explained(any_visitor: Visitor) -> None:
    email = new_email()
    await any_visitor.register(email)
    await any_visitor.press("Sign out")
    await any_visitor.open("/login")
    any_visitor.client.cookies.clear()
    await any_visitor.sign_in(email)
    assert any_visitor.path == "/error"
    assert "does not match this browser's cookies" in any_visitor.page.text

    await any_visitor.follow("Start again")
    await any_visitor.sign_in(email)

    assert any_visitor.page.title == "Welcome, Ada · Postern"
