"""What the recordings teach about stepping up and signing in again, held against the guard."""

from datetime import datetime
from typing import Any

import pytest
from support.asgi_calls import http_scope
from support.clock import AdjustableClock
from support.guard_bench import guard_of
from support.recorded_kratos import SERVERS, RecordedKratos, clock_of, recording

from ory_guard.exceptions import EnrollmentRequired, ReauthenticationRequired, StepUpRequired

pytestmark = pytest.mark.anyio


def at_gate(*cases: str, server: str = "default", later: float = 0) -> Any:
    """Return a guard at the time of the last of these recordings, `later` seconds on, and its request."""
    found = [recording(case) for case in cases]
    clock = clock_of(*found)
    moved = [
        step["completed_at"] for one in found for step in one.response["body"].get("authentication_methods", ())
    ]
    if moved:
        clock = AdjustableClock(datetime.fromisoformat(max(moved)[:19] + "+00:00"))
    clock.advance(later)
    guard = guard_of(RecordedKratos(*found), clock, **SERVERS[server])
    return guard, http_scope("/vault", headers=found[-1].headers())


async def test_who_has_no_second_factor_is_led_to_enrol() -> None:
    """Under `highest_available` whoami shows aal1 only of those; Kratos' aal2 login would strand them."""
    guard, scope = at_gate("whoami.cookie")

    with pytest.raises(EnrollmentRequired):
        await guard.require(scope, aal="aal2")


async def test_who_has_one_is_led_to_it() -> None:
    """Whoami itself asks for it, before it says whose session it is."""
    guard, scope = at_gate("whoami.aal2_required.cookie")

    with pytest.raises(StepUpRequired):
        await guard.require(scope, aal="aal2")


async def test_where_whoami_shows_every_aal1_session_it_is_the_login_that_asks() -> None:
    """Under `aal1` an identity with two factors looks like one without, and most have one to give."""
    guard, scope = at_gate("required_aal1.whoami.one_of_two_factors", server="strict")

    assert (await guard.require(scope)).authenticator_assurance_level == "aal1"
    with pytest.raises(StepUpRequired):
        await guard.require(scope, aal="aal2")


async def test_an_enrolment_raises_the_session_at_once() -> None:
    """No second login is needed after it."""
    guard, scope = at_gate("stepup.whoami.after_enrolment")

    assert (await guard.require(scope, aal="aal2", max_age=60)).second_factor_at is not None


async def test_an_old_second_factor_is_not_fresh_although_the_sign_in_is() -> None:
    """A password given again moves `authenticated_at`, and leaves the second factor as old as it was."""
    recorded = recording("refresh.whoami.after_password").response["body"]
    factors = [step for step in recorded["authentication_methods"] if step["aal"] == "aal2"]
    newest = max(step["completed_at"] for step in factors)
    between = (
        datetime.fromisoformat(recorded["authenticated_at"][:19]) - datetime.fromisoformat(newest[:19])
    ).total_seconds()
    assert between > 0
    guard, scope = at_gate("refresh.whoami.after_password")

    await guard.require(scope, max_age=between / 2)
    with pytest.raises(ReauthenticationRequired):
        await guard.require(scope, aal="aal2", max_age=between / 2)


async def test_the_second_factor_given_again_is_fresh() -> None:
    """Its own `completed_at` is the newest then."""
    guard, scope = at_gate("refresh.whoami.after_totp", later=5)

    assert (await guard.require(scope, aal="aal2", max_age=10)).authenticator_assurance_level == "aal2"
