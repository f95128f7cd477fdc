"""Every flow of the example, walked without JavaScript, with the embedded Kratos and (`live`) with a real one."""

import pytest

from .stage import PASSWORD, a_new_address
from .visitor import Visitor

pytestmark = pytest.mark.anyio

SAVED, VERIFIED, RECOVERED = 1050001, 1080002, 1060001
WRONG_PASSWORD, WRONG_RECOVERY_CODE, WRONG_VERIFICATION_CODE = 4000006, 4060006, 4070006


async def test_a_newcomer_registers_in_two_steps_and_is_known(anybody: Visitor) -> None:
    """Registration asks for the traits, then for a password, and /me shows who was registered."""
    email = a_new_address()
    await anybody.register(email)

    await anybody.open("/me")

    assert anybody.status == 200
    assert email in anybody.page.text


async def test_the_way_back_in_a_registration_keeps_what_was_typed(anybody: Visitor) -> None:
    """From the second step one returns to the first with its fields filled in."""
    email = a_new_address()
    await anybody.open("/registration")
    await anybody.press("method=profile", traits__email=email)

    await anybody.press("screen=previous")

    form, _ = anybody.page.form_with("method=profile")
    assert ("traits.email", email) in form.fields


async def test_signing_out_and_in_again_leads_on_to_the_page_that_was_asked_for(anybody: Visitor) -> None:
    """A wrong password is said; the right one leads to the page from which one was sent to sign in."""
    email = a_new_address()
    await anybody.register(email)
    await anybody.press("Sign out")
    assert "You are signed out." in anybody.page.text

    await anybody.open("/me")
    assert anybody.path == "/login"
    assert "Then we take you on to /me" in anybody.page.text
    await anybody.sign_in(email, "a-wrong-one-entirely")
    assert anybody.page.messages == [WRONG_PASSWORD]
    assert anybody.page.title.startswith("Error: ")
    await anybody.sign_in(email)

    assert (anybody.path, anybody.status) == ("/me", 200)


async def test_creating_an_account_on_the_way_leads_on_after_the_verification(anybody: Visitor) -> None:
    """Somebody new who opens a guarded page signs up, verifies the address, and is on that page."""
    email = a_new_address()
    await anybody.open("/members")
    await anybody.follow("Create an account")
    await anybody.press("method=profile", traits__email=email)
    await anybody.press("method=password", password=PASSWORD)
    assert anybody.page.links["Do this later"] == "/members"
    await anybody.press("method=code", code=anybody.stage.code_for(email))

    await anybody.follow("Continue")

    assert (anybody.path, anybody.status) == ("/members", 200)


async def test_the_vault_leads_to_enrolment_and_later_to_the_second_factor(anybody: Visitor) -> None:
    """Without a second factor one sets it up on the way; the next sign-in asks for it and goes on to the vault."""
    email = a_new_address()
    await anybody.register(email)
    await anybody.open("/vault")
    assert anybody.path == "/settings"
    assert "/vault asks for a second factor" in anybody.page.text
    secret = await anybody.enrol()
    assert (anybody.path, anybody.status) == ("/vault", 200)
    await anybody.press("Sign out")

    await anybody.open("/vault")
    await anybody.sign_in(email)
    assert anybody.path == "/login"
    assert anybody.page.title == "One more step · Postern"
    await anybody.press("method=totp", totp_code=anybody.stage.totp(secret))

    assert (anybody.path, anybody.status) == ("/vault", 200)


async def test_who_stopped_before_the_second_factor_can_go_on_or_sign_out(anybody: Visitor) -> None:
    """Every page then leads to the second factor, public ones stay open, and signing out works."""
    email = a_new_address()
    await anybody.register(email)
    await anybody.open("/settings")
    await anybody.enrol()
    await anybody.press("Sign out")
    await anybody.open("/login")
    await anybody.sign_in(email)

    await anybody.open("/me")
    assert anybody.page.title == "One more step · Postern"
    await anybody.open("/settings")
    assert anybody.page.title == "One more step · Postern"
    await anybody.open("/")
    assert anybody.status == 200
    await anybody.press("Sign out")
    await anybody.open("/me")

    assert anybody.page.title == "Sign in · Postern"


async def test_a_user_without_a_second_factor_is_led_out_of_the_dead_end(anybody: Visitor) -> None:
    """Kratos' aal2 login has nothing to fill in for them: the page explains, and leads to enrolment and on."""
    await anybody.register(a_new_address())
    await anybody.open(f"/login?aal=aal2&return_to={anybody.stage.app_url}/me")
    assert anybody.page.title == "You need a second factor first · Postern"

    await anybody.follow("Set up a second factor")
    await anybody.enrol()

    assert (anybody.path, anybody.status) == ("/me", 200)


async def test_a_verified_address_opens_the_members_page_at_once(anybody: Visitor) -> None:
    """Before, the page explains and leads to the verification; a wrong code is said; after, it opens."""
    email = a_new_address()
    await anybody.register(email)
    await anybody.open("/members")
    assert (anybody.status, anybody.page.title) == (403, "Please verify your email address · Postern")
    await anybody.follow("Verify it now")
    await anybody.press("method=code", email=email)
    await anybody.press("method=code", code="000000")
    assert anybody.page.messages == [WRONG_VERIFICATION_CODE]
    await anybody.press("method=code", code=anybody.stage.code_for(email))
    assert anybody.page.messages == [VERIFIED]

    await anybody.follow("Continue")

    assert (anybody.path, anybody.status) == ("/members", 200)


async def test_an_account_is_recovered_by_code(anybody: Visitor) -> None:
    """The code lets one in, to the settings, where a new password is chosen; it works afterwards."""
    email, chosen = a_new_address(), "another-lantern-in-fog-8"
    await anybody.register(email)
    await anybody.press("Sign out")
    await anybody.open("/login")
    await anybody.follow("Forgot your password?")
    await anybody.press("method=code", email=email)
    await anybody.press("method=code", code="000000")
    assert anybody.page.messages == [WRONG_RECOVERY_CODE]
    await anybody.press("method=code", code=anybody.stage.code_for(email))
    assert anybody.page.messages == [RECOVERED]
    await anybody.press("method=password", password=chosen)
    assert anybody.page.messages == [SAVED]
    await anybody.press("Sign out")
    await anybody.open("/login")

    await anybody.sign_in(email, chosen)

    assert anybody.page.title == "Welcome, Ada · Postern"


async def test_a_second_code_can_be_asked_for(anybody: Visitor) -> None:
    """The button that sends another code does not wait for the first one, and the newest code counts."""
    email = a_new_address()
    await anybody.register(email)
    await anybody.press("Sign out")
    await anybody.open("/recovery")
    await anybody.press("method=code", email=email)
    first = anybody.stage.code_for(email)

    await anybody.press("email")
    second = anybody.stage.code_for(email)
    await anybody.press("method=code", code=second)

    assert first != second
    assert anybody.path == "/settings"


async def test_settings_change_profile_password_and_methods(anybody: Visitor) -> None:
    """What is saved is said and shown; backup codes are shown once, and good for a second factor."""
    email, chosen = a_new_address(), "another-lantern-in-fog-8"
    await anybody.register(email)
    await anybody.open("/settings")
    await anybody.press("method=profile", traits__name__first="Augusta")
    assert anybody.page.messages == [SAVED]
    await anybody.open("/welcome")
    assert anybody.page.title == "Welcome, Augusta · Postern"
    await anybody.open("/settings")
    await anybody.press("method=password", password=chosen)
    await anybody.press("lookup_secret_regenerate")
    codes = [code for code in anybody.page.codes if len(code) == 8 and code.isalnum()]
    assert len(codes) == 12
    await anybody.press("lookup_secret_confirm")
    assert anybody.page.messages == [SAVED]
    await anybody.press("Sign out")
    await anybody.open("/login")
    await anybody.sign_in(email, chosen)

    await anybody.press("method=lookup_secret", lookup_secret=codes[0])

    assert anybody.page.title == "Welcome, Augusta · Postern"


async def test_another_session_is_listed_and_signed_out(anybody: Visitor) -> None:
    """A second browser shows up in the list, and its session ends at once when it is signed out there."""
    email = a_new_address()
    await anybody.register(email)
    async with Visitor(anybody.stage) as second:
        await second.open("/me")
        await second.sign_in(email)
        assert second.status == 200
        await anybody.open("/sessions")
        await anybody.press("Sign out this one")
        assert "That session is signed out." in anybody.page.text
        assert "You are signed in nowhere else." in anybody.page.text

        await second.open("/me")

        assert second.path == "/login"


async def test_all_other_sessions_are_signed_out(anybody: Visitor) -> None:
    """One button ends every session but this one."""
    email = a_new_address()
    await anybody.register(email)
    async with Visitor(anybody.stage) as second, Visitor(anybody.stage) as third:
        for other in (second, third):
            await other.open("/me")
            await other.sign_in(email)
        await anybody.open("/sessions")
        await anybody.press("Sign out all others")
        assert anybody.path == "/sessions"
        for other in (second, third):
            await other.open("/me")
            assert other.path == "/login"


async def test_a_form_without_its_cookie_ends_on_a_page_that_explains(anybody: Visitor) -> None:
    """When the anti-CSRF cookie is gone, Kratos refuses; the page says why, and how to start again."""
    email = a_new_address()
    await anybody.register(email)
    await anybody.press("Sign out")
    await anybody.open("/login")
    anybody.client.cookies.clear()
    await anybody.sign_in(email)
    assert anybody.path == "/error"
    assert "cookies did not fit together" in anybody.page.text

    await anybody.follow("Start again")
    await anybody.sign_in(email)

    assert anybody.page.title == "Welcome, Ada · Postern"


async def test_a_form_of_another_browser_is_not_shown(anybody: Visitor) -> None:
    """Somebody who got hold of a form's address sees an explanation, once, and no loop of redirects."""
    await anybody.open("/login")
    address = anybody.url
    async with Visitor(anybody.stage) as thief:
        await thief.open(address)

        assert (thief.status, len(thief.steps)) == (403, 1)
        assert "made for another browser" in thief.page.text


async def test_a_duplicate_registration_is_said(anybody: Visitor) -> None:
    """An address that is taken does not make a second account."""
    email = a_new_address()
    await anybody.register(email)
    await anybody.press("Sign out")
    await anybody.open("/registration")
    await anybody.press("method=profile", traits__email=email)

    await anybody.press("method=password", password=PASSWORD)

    assert anybody.path == "/registration"
    assert anybody.page.title.startswith("Error: ")
