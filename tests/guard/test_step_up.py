"""Step-up and reauthentication with recorded responses of Kratos."""

from datetime import datetime
from typing import Any

import pytest
from support.asgi_calls import http_scope
from support.clock import AdjustableClock
from support.guard_bench import guard_of
from support.recorded_kratos import SERVERS, RecordedKratos, clock_of, recording

from ory_guard.exceptions import EnrollmentRequired, ReauthenticationRequired, StepUpRequired

pytestmark = pytest.mark.anyio


def replay(*cases: str, server: str = "default", later: float = 0) -> Any:
    """Return a guard at the time of the last of these recordings plus `later` seconds, and the request."""
    recordings = [recording(case) for case in cases]
    clock = clock_of(*recordings)
    moved = [
        step["completed_at"]
        for recorded in recordings
        for step in recorded.response["body"].get("authentication_methods", ())
    ]
    if moved:
        clock = AdjustableClock(datetime.fromisoformat(max(moved)[:19] + "+00:00"))
    clock.advance(later)
    guard = guard_of(RecordedKratos(*recordings), clock, **SERVERS[server])
    return guard, http_scope("/vault", headers=recordings[-1].headers())


async def test_identity_without_second_factor_has_to_enroll() -> None:
    """Under `highest_available`, Kratos' login at aal2 offers no method to it."""
    guard, scope = replay("whoami.cookie")

    with pytest.raises(EnrollmentRequired):
        await guard.require(scope, aal="aal2")


async def test_identity_with_second_factor_has_to_step_up() -> None:
    """Whoami itself requires the second factor."""
    guard, scope = replay("whoami.aal2_required.cookie")

    with pytest.raises(StepUpRequired):
        await guard.require(scope, aal="aal2")


async def test_step_up_is_required_under_required_aal_aal1() -> None:
    """Whoami does not show whether a second factor is enrolled."""
    guard, scope = replay("required_aal1.whoami.one_of_two_factors", server="strict")

    assert (await guard.require(scope)).authenticator_assurance_level == "aal1"
    with pytest.raises(StepUpRequired):
        await guard.require(scope, aal="aal2")


async def test_enrollment_changes_the_session_to_aal2() -> None:
    guard, scope = replay("stepup.whoami.after_enrolment")

    assert (await guard.require(scope, aal="aal2", max_age=60)).second_factor_at is not None


async def test_old_second_factor_is_not_recent_after_a_password_login() -> None:
    recorded = recording("refresh.whoami.after_password").response["body"]
    factors = [step for step in recorded["authentication_methods"] if step["aal"] == "aal2"]
    newest = max(step["completed_at"] for step in factors)
    between = (
        datetime.fromisoformat(recorded["authenticated_at"][:19]) - datetime.fromisoformat(newest[:19])
    ).total_seconds()
    assert between > 0
    guard, scope = replay("refresh.whoami.after_password")

    await guard.require(scope, max_age=between / 2)
    with pytest.raises(ReauthenticationRequired):
        await guard.require(scope, aal="aal2", max_age=between / 2)


async def test_repeated_second_factor_is_recent() -> None:
    guard, scope = replay("refresh.whoami.after_totp", later=5)

    assert (await guard.require(scope, aal="aal2", max_age=10)).authenticator_assurance_level == "aal2"
