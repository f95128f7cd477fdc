"""Step-up and reauthentication with recorded responses of Kratos."""

from datetime import datetime
from typing import Any

import pytest
from support.asgi_calls import http_scope
from support.clock import AdjustableClock
from support.guard_bench import guard_of
from support.recorded_kratos import SERVERS, RecordedKratos, recording

from ory_guard.exceptions import EnrollmentRequired, ReauthenticationRequired, StepUpRequired

pytestmark = pytest.mark.anyio

AAL1, AAL2, RECENT_AAL2 = {"aal": "aal1"}, {"aal": "aal2"}, {"aal": "aal2", "max_age": 60}


def at(text: str) -> datetime:
    """Return a time of a recording."""
    return datetime.fromisoformat(text[:19] + "+00:00")


@pytest.mark.parametrize(
    ("case", "server", "conditions", "refusal"),
    [
        # Under `highest_available`, Kratos' login at aal2 offers no method to an identity without a second factor.
        ("whoami.cookie", "default", AAL2, EnrollmentRequired),
        ("whoami.aal2_required.cookie", "default", AAL2, StepUpRequired),
        # Under `aal1`, whoami does not show whether a second factor is enrolled.
        ("required_aal1.whoami.one_of_two_factors", "strict", AAL1, None),
        ("required_aal1.whoami.one_of_two_factors", "strict", AAL2, StepUpRequired),
        ("stepup.whoami.after_enrolment", "default", RECENT_AAL2, None),
        ("refresh.whoami.after_totp", "default", RECENT_AAL2, None),
    ],
)
async def test_recorded_session_meets_a_requirement(
    case: str, server: str, conditions: dict[str, Any], refusal: type[Exception] | None
) -> None:
    """The time is that of the last login."""
    recorded = recording(case)
    steps = recorded.response["body"].get("authentication_methods", ())
    clock = AdjustableClock(max((at(step["completed_at"]) for step in steps), default=at("2026-07-01T12:00:00")))
    guard = guard_of(RecordedKratos(recorded), clock, **SERVERS[server])
    scope = http_scope("/vault", headers=recorded.headers())

    if refusal is None:
        await guard.require(scope, **conditions)
    else:
        with pytest.raises(refusal):
            await guard.require(scope, **conditions)


async def test_old_second_factor_is_not_recent_after_a_password_login() -> None:
    recorded = recording("refresh.whoami.after_password")
    body = recorded.response["body"]
    login = at(body["authenticated_at"])
    factor = max(at(step["completed_at"]) for step in body["authentication_methods"] if step["aal"] == "aal2")
    max_age = (login - factor).total_seconds() / 2
    guard = guard_of(RecordedKratos(recorded), AdjustableClock(login))
    scope = http_scope("/vault", headers=recorded.headers())

    await guard.require(scope, max_age=max_age)
    with pytest.raises(ReauthenticationRequired):
        await guard.require(scope, aal="aal2", max_age=max_age)
