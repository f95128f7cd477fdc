"""Every flow of the example, walked by a browser without JavaScript."""

import pytest
from app_stage import PASSWORD, Stage, enrol, register
from app_visitor import Visitor

pytestmark = pytest.mark.anyio


async def test_a_newcomer_registers_in_two_steps_and_is_known(visitor: Visitor) -> None:
    """Registration asks for the traits, then for a password, and /me shows who was registered."""
    await register(visitor)

    assert visitor.path == "/verification"
    await visitor.open("/me")
    assert visitor.status == 200
    assert "ada@example.test" in visitor.page.text


async def test_signing_out_and_in_again_leads_back_to_the_page_that_was_asked_for(visitor: Visitor) -> None:
    """A visitor who is not signed in gets to the page itself after signing in."""
    await register(visitor)
    await visitor.press("Sign out")
    assert visitor.path == "/"
    assert "You are signed out." in visitor.page.text

    await visitor.open("/me")
    assert visitor.path == "/login"
    assert "Then we take you on to /me" in visitor.page.text
    await visitor.press("Sign in with your password", identifier="ada@example.test", password=PASSWORD)

    assert (visitor.path, visitor.status) == ("/me", 200)


async def test_the_vault_leads_to_enrolment_and_opens_after_it(visitor: Visitor, stage: Stage) -> None:
    """Somebody without a second factor sets one up on the way, and ends where they wanted to go."""
    await register(visitor)
    await visitor.open("/vault")
    assert visitor.path == "/settings"
    assert "/vault asks for a second factor" in visitor.page.text

    await enrol(visitor, stage)

    assert (visitor.path, visitor.status) == ("/vault", 200)
    assert "The family recipe" in visitor.page.text
