"""Every flow of the example, walked without JavaScript, with the embedded Kratos and (`live`) with a real one."""

import pytest

from .deployment import PASSWORD, new_email
from .visitor import Visitor

pytestmark = pytest.mark.anyio

SAVED, VERIFIED, RECOVERED = 1050001, 1080002, 1060001
WRONG_PASSWORD, WRONG_RECOVERY_CODE, WRONG_VERIFICATION_CODE = 4000006, 4060006, 4070006


async def test_a_newcomer_registers_in_two_steps_and_is_known(any_visitor: Visitor) -> None:
    """Registration asks for the traits, then for a password, and /me shows who was registered."""
    email = new_email()
    await any_visitor.register(email)

    await any_visitor.open("/me")

    assert any_visitor.status == 200
    assert email in any_visitor.page.text


async def test_the_way_back_in_a_registration_keeps_what_was_typed(any_visitor: Visitor) -> None:
    """From the second step one returns to the first with its fields filled in."""
    email = new_email()
    await any_visitor.open("/registration")
    await any_visitor.press("method=profile", traits__email=email)

    await any_visitor.press("screen=previous")

    form, _ = any_visitor.page.form_with("method=profile")
    assert ("traits.email", email) in form.fields


async def test_signing_out_and_in_again_leads_on_to_the_page_that_was_asked_for(any_visitor: Visitor) -> None:
    """A wrong password is said; the right one leads to the page from which one was sent to sign in."""
    email = new_email()
    await any_visitor.register(email)
    await any_visitor.press("Sign out")
    assert "You are signed out." in any_visitor.page.text

    await any_visitor.open("/me")
    assert any_visitor.path == "/login"
    assert "Then we take you on to /me" in any_visitor.page.text
    await any_visitor.sign_in(email, "a-wrong-one-entirely")
    assert any_visitor.page.messages == [WRONG_PASSWORD]
    assert any_visitor.page.title.startswith("Error: ")
    await any_visitor.sign_in(email)

    assert (any_visitor.path, any_visitor.status) == ("/me", 200)


async def test_creating_an_account_on_the_way_leads_on_after_the_verification(any_visitor: Visitor) -> None:
    """Somebody new who opens a guarded page signs up, verifies the address, and is on that page."""
    email = new_email()
    await any_visitor.open("/members")
    await any_visitor.follow("Create an account")
    await any_visitor.press("method=profile", traits__email=email)
    await any_visitor.press("method=password", password=PASSWORD)
    assert any_visitor.page.links["Do this later"] == "/members"
    await any_visitor.press("method=code", code=any_visitor.deployment.code_for(email))

    await any_visitor.follow("Continue")

    assert (any_visitor.path, any_visitor.status) == ("/members", 200)


async def test_the_vault_leads_to_enrolment_and_later_to_the_second_factor(any_visitor: Visitor) -> None:
    """Without a second factor one sets it up on the way; the next sign-in asks for it and goes on to the vault."""
    email = new_email()
    await any_visitor.register(email)
    await any_visitor.open("/vault")
    assert any_visitor.path == "/settings"
    assert "/vault asks for a second factor" in any_visitor.page.text
    secret = await any_visitor.enroll_totp()
    assert (any_visitor.path, any_visitor.status) == ("/vault", 200)
    await any_visitor.press("Sign out")

    await any_visitor.open("/vault")
    await any_visitor.sign_in(email)
    assert any_visitor.path == "/login"
    assert any_visitor.page.title == "One more step · Postern"
    await any_visitor.press("method=totp", totp_code=any_visitor.deployment.totp(secret))

    assert (any_visitor.path, any_visitor.status) == ("/vault", 200)


async def test_who_stopped_before_the_second_factor_can_go_on_or_sign_out(any_visitor: Visitor) -> None:
    """Every page then leads to the second factor, public ones stay open, and signing out works."""
    email = new_email()
    await any_visitor.register(email)
    await any_visitor.open("/settings")
    await any_visitor.enroll_totp()
    await any_visitor.press("Sign out")
    await any_visitor.open("/login")
    await any_visitor.sign_in(email)

    await any_visitor.open("/me")
    assert any_visitor.page.title == "One more step · Postern"
    await any_visitor.open("/settings")
    assert any_visitor.page.title == "One more step · Postern"
    await any_visitor.open("/")
    assert any_visitor.status == 200
    await any_visitor.press("Sign out")
    await any_visitor.open("/me")

    assert any_visitor.page.title == "Sign in · Postern"


async def test_a_user_without_a_second_factor_is_led_out_of_the_dead_end(any_visitor: Visitor) -> None:
    """Kratos' aal2 login has nothing to fill in for them: the page explains, and leads to enrolment and on."""
    await any_visitor.register(new_email())
    await any_visitor.open(f"/login?aal=aal2&return_to={any_visitor.deployment.app_url}/me")
    assert any_visitor.page.title == "You need a second factor first · Postern"

    await any_visitor.follow("Set up a second factor")
    await any_visitor.enroll_totp()

    assert (any_visitor.path, any_visitor.status) == ("/me", 200)


async def test_a_verified_address_opens_the_members_page_at_once(any_visitor: Visitor) -> None:
    """Before, the page explains and leads to the verification; a wrong code is said; after, it opens."""
    email = new_email()
    await any_visitor.register(email)
    await any_visitor.open("/members")
    assert (any_visitor.status, any_visitor.page.title) == (403, "Please verify your email address · Postern")
    await any_visitor.follow("Verify it now")
    await any_visitor.press("method=code", email=email)
    await any_visitor.press("method=code", code="000000")
    assert any_visitor.page.messages == [WRONG_VERIFICATION_CODE]
    await any_visitor.press("method=code", code=any_visitor.deployment.code_for(email))
    assert any_visitor.page.messages == [VERIFIED]

    await any_visitor.follow("Continue")

    assert (any_visitor.path, any_visitor.status) == ("/members", 200)


async def test_an_account_is_recovered_by_code(any_visitor: Visitor) -> None:
    """The code lets one in, to the settings, where a new password is chosen; it works afterwards."""
    email, chosen = new_email(), "another-lantern-in-fog-8"
    await any_visitor.register(email)
    await any_visitor.press("Sign out")
    await any_visitor.open("/login")
    await any_visitor.follow("Forgot your password?")
    await any_visitor.press("method=code", email=email)
    await any_visitor.press("method=code", code="000000")
    assert any_visitor.page.messages == [WRONG_RECOVERY_CODE]
    await any_visitor.press("method=code", code=any_visitor.deployment.code_for(email))
    assert any_visitor.page.messages == [RECOVERED]
    await any_visitor.press("method=password", password=chosen)
    assert any_visitor.page.messages == [SAVED]
    await any_visitor.press("Sign out")
    await any_visitor.open("/login")

    await any_visitor.sign_in(email, chosen)

    assert any_visitor.page.title == "Welcome, Ada · Postern"


async def test_a_second_code_can_be_asked_for(any_visitor: Visitor) -> None:
    """The button that sends another code does not wait for the first one, and the newest code counts."""
    email = new_email()
    await any_visitor.register(email)
    await any_visitor.press("Sign out")
    await any_visitor.open("/recovery")
    await any_visitor.press("method=code", email=email)
    first = any_visitor.deployment.code_for(email)

    await any_visitor.press("email")
    second = any_visitor.deployment.code_for(email)
    await any_visitor.press("method=code", code=second)

    assert first != second
    assert any_visitor.path == "/settings"


async def test_settings_change_profile_password_and_methods(any_visitor: Visitor) -> None:
    """What is saved is said and shown; backup codes are shown once, and good for a second factor."""
    email, chosen = new_email(), "another-lantern-in-fog-8"
    await any_visitor.register(email)
    await any_visitor.open("/settings")
    await any_visitor.press("method=profile", traits__name__first="Augusta")
    assert any_visitor.page.messages == [SAVED]
    await any_visitor.open("/welcome")
    assert any_visitor.page.title == "Welcome, Augusta · Postern"
    await any_visitor.open("/settings")
    await any_visitor.press("method=password", password=chosen)
    await any_visitor.press("lookup_secret_regenerate")
    codes = [code for code in any_visitor.page.codes if len(code) == 8 and code.isalnum()]
    assert len(codes) == 12
    await any_visitor.press("lookup_secret_confirm")
    assert any_visitor.page.messages == [SAVED]
    await any_visitor.press("Sign out")
    await any_visitor.open("/login")
    await any_visitor.sign_in(email, chosen)

    await any_visitor.press("method=lookup_secret", lookup_secret=codes[0])

    assert any_visitor.page.title == "Welcome, Augusta · Postern"


async def test_another_session_is_listed_and_signed_out(any_visitor: Visitor) -> None:
    """A second browser shows up in the list, and its session ends at once when it is signed out there."""
    email = new_email()
    await any_visitor.register(email)
    async with Visitor(any_visitor.deployment) as second:
        await second.open("/me")
        await second.sign_in(email)
        assert second.status == 200
        await any_visitor.open("/sessions")
        await any_visitor.press("Sign out this one")
        assert "That session is signed out." in any_visitor.page.text
        assert "You are signed in nowhere else." in any_visitor.page.text

        await second.open("/me")

        assert second.path == "/login"


async def test_all_other_sessions_are_signed_out(any_visitor: Visitor) -> None:
    """One button ends every session but this one."""
    email = new_email()
    await any_visitor.register(email)
    async with Visitor(any_visitor.deployment) as second, Visitor(any_visitor.deployment) as third:
        for other in (second, third):
            await other.open("/me")
            await other.sign_in(email)
        await any_visitor.open("/sessions")
        await any_visitor.press("Sign out all others")
        assert any_visitor.path == "/sessions"
        for other in (second, third):
            await other.open("/me")
            assert other.path == "/login"


async def test_a_form_without_its_cookie_ends_on_a_page_that_explains(any_visitor: Visitor) -> None:
    """When the anti-CSRF cookie is gone, Kratos refuses; the page says why, and how to start again."""
    email = new_email()
    await any_visitor.register(email)
    await any_visitor.press("Sign out")
    await any_visitor.open("/login")
    any_visitor.client.cookies.clear()
    await any_visitor.sign_in(email)
    assert any_visitor.path == "/error"
    assert "cookies did not fit together" in any_visitor.page.text

    await any_visitor.follow("Start again")
    await any_visitor.sign_in(email)

    assert any_visitor.page.title == "Welcome, Ada · Postern"


async def test_a_form_of_another_browser_is_not_shown(any_visitor: Visitor) -> None:
    """Somebody who got hold of a form's address sees an explanation, once, and no loop of redirects."""
    await any_visitor.open("/login")
    address = any_visitor.url
    async with Visitor(any_visitor.deployment) as thief:
        await thief.open(address)

        assert (thief.status, len(thief.steps)) == (403, 1)
        assert "made for another browser" in thief.page.text


async def test_a_duplicate_registration_is_said(any_visitor: Visitor) -> None:
    """An address that is taken does not make a second account."""
    email = new_email()
    await any_visitor.register(email)
    await any_visitor.press("Sign out")
    await any_visitor.open("/registration")
    await any_visitor.press("method=profile", traits__email=email)

    await any_visitor.press("method=password", password=PASSWORD)

    assert any_visitor.path == "/registration"
    assert any_visitor.page.title.startswith("Error: ")
