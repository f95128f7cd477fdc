"""The reason of a refusal: the same word in JSON, the event, the metric and the page and log record of a loop."""

import logging
from typing import Any, NamedTuple

import pytest
from support.applications import gated
from support.asgi_calls import NAVIGATE, call
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench, settings_of
from support.in_memory_telemetry import InMemoryTelemetry
from support.scripted_kratos import STEP_UP, refused, session_body, signed_in, timestamp

from ory_guard.events import Refused
from ory_guard.exceptions import RequirementNotMet, SessionRequired
from ory_guard.guard.responses.refusal_reasons import refusal_reason

pytestmark = pytest.mark.anyio

LATER = signed_in(session_body(authenticated_at=timestamp(3_600)))
APART = {"app_url": "http://localhost:8000", "kratos_browser_url": "http://127.0.0.1:4433"}


class Case(NamedTuple):
    """A refused request: Kratos' responses, the headers, the conditions, and the settings of the guard."""

    responses: tuple[Any, ...] = ()
    headers: tuple[Any, ...] = ()
    conditions: dict[str, Any] = {}  # noqa: RUF012 - never changed
    settings: dict[str, Any] = {}  # noqa: RUF012 - never changed


COOKIE = (SESSION_COOKIE,)
QUOTE = ((b"cookie", b'ory_kratos_session=a"b'),)
THREE = ((b"cookie", b"; ".join(b"ory_kratos_session=%d" % number for number in range(3))),)
CASES = {
    "no_credential": Case(),
    "cookies_not_shared": Case(settings=APART),
    "inactive": Case((refused(401),), COOKIE),
    "malformed": Case(headers=QUOTE),
    "ambiguous": Case(headers=THREE),
    "second_factor_missing": Case((STEP_UP,), COOKIE),
    "second_factor_not_enrolled": Case((signed_in(),), COOKIE, {"aal": "aal2"}),
    "login_too_old": Case((signed_in(),), COOKIE, {"max_age": 1}),
    "clock": Case((LATER,), COOKIE, {"max_age": 60}),
}


@pytest.mark.parametrize("reason", CASES)
async def test_reason_is_the_same_everywhere(
    reason: str,
    telemetry: InMemoryTelemetry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    responses, headers, conditions, settings = CASES[reason]
    bench = Bench(*responses, **settings)
    telemetry.instrument(bench.guard)
    app = gated(bench.guard, **conditions)

    with caplog.at_level(logging.INFO, "ory_guard"):
        api = await call(app, "/vault", headers=headers)
        page = await call(app, "/vault", headers=[NAVIGATE, *headers])
        while page.status == 303:
            counters = [(b"cookie", value.partition(b";")[0]) for value in page.all(b"set-cookie")]
            page = await call(app, "/vault", headers=[NAVIGATE, *headers, *counters])

    assert api.json["error"]["details"]["reason"] == reason
    assert {event.reason for event in bench.emitted(Refused) if isinstance(event, Refused)} == {reason}
    assert set(telemetry.values("ory_guard.requests.refused", "ory_guard.refusal.reason")) == {reason}
    assert page.status == 401
    assert f"<code>{reason}</code>".encode() in page.body
    logged = [record.getMessage() for record in caplog.records]
    assert f"redirect_loop reason={reason} count=1" in logged
    assert any(f" reason={reason} " in text for text in logged if text.startswith("request.refused")) is (
        reason not in ("no_credential", "cookies_not_shared")
    )


@pytest.mark.parametrize(
    ("responses", "conditions", "request_", "reason"),
    [
        pytest.param((signed_in(),), {"organization": "o"}, {}, "requirement_not_met", id="requirement_not_met"),
        pytest.param((refused(503),), {}, {}, "unavailable", id="unavailable"),
        pytest.param(
            (signed_in(),), {}, {"method": "POST", "origin": b"https://evil.example"}, "origin", id="origin"
        ),
    ],
)
async def test_reasons_that_lead_to_no_redirect(
    responses: tuple[Any, ...], conditions: dict[str, Any], request_: dict[str, Any], reason: str
) -> None:
    more = [(b"origin", request_["origin"])] if "origin" in request_ else []
    bench = Bench(*responses)

    response = await call(
        gated(bench.guard, **conditions), method=request_.get("method", "GET"), headers=[SESSION_COOKIE, *more]
    )

    assert response.json["error"]["details"]["reason"] == reason


def test_refusal_of_the_application_has_a_reason() -> None:
    settings = settings_of()

    assert refusal_reason(RequirementNotMet(), None, settings) == "requirement_not_met"
    assert refusal_reason(SessionRequired(credential_sent=True), None, settings) == "inactive"
    assert refusal_reason(SessionRequired(), None, settings_of(credentials=("bearer",))) == "no_credential"


async def test_token_without_a_session_is_inactive() -> None:
    response = await call(gated(Bench(refused(401)).guard), headers=[SESSION_TOKEN])

    assert response.json["error"]["details"]["reason"] == "inactive"
