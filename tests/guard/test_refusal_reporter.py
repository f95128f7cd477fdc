"""Log records, counters and reasons of refused requests."""

import logging
from typing import Any

import pytest
from support.applications import gated
from support.asgi_calls import NAVIGATE, call
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench, Pair, settings_of
from support.in_memory_telemetry import InMemoryTelemetry
from support.scripted_kratos import (
    COOKIE,
    SESSION_ID,
    STEP_UP,
    TOKEN,
    KratosResponse,
    refused,
    session_body,
    signed_in,
    timestamp,
)

from ory_guard import Session
from ory_guard.events import Refused
from ory_guard.exceptions import Refusal, RequirementNotMet, SessionRequired
from ory_guard.guard.responses.refusal_reasons import refusal_reason

pytestmark = pytest.mark.anyio

EVIL = (b"origin", b"https://evil.example")
QUOTE = (b"cookie", b'ory_kratos_session=a"b')
THREE = (b"cookie", b"; ".join(b"ory_kratos_session=%d" % number for number in range(3)))
NOT_ENROLLED = "code=session_aal2_enrollment_required reason=second_factor_not_enrolled"
LATER = signed_in(session_body(authenticated_at=timestamp(3_600)))
OTHER_HOST = {"app_url": "http://localhost:8000", "kratos_browser_url": "http://127.0.0.1:4433"}


def records(caplog: pytest.LogCaptureFixture, name: str = "request.refused") -> list[logging.LogRecord]:
    return [record for record in caplog.records if vars(record).get("event.name") == name]


@pytest.mark.parametrize(
    ("response", "conditions", "request_", "values"),
    [
        (signed_in(), {}, {}, "code=session_inactive reason=no_credential"),
        (
            refused(401),
            {},
            {"headers": [SESSION_TOKEN]},
            "code=session_inactive reason=inactive credential=x_session_token",
        ),
        (signed_in(), {}, {"headers": [QUOTE]}, "code=session_inactive reason=malformed credential=cookie"),
        (
            STEP_UP,
            {},
            {"headers": [SESSION_COOKIE]},
            "code=session_aal2_required reason=second_factor_missing credential=cookie",
        ),
        (
            signed_in(),
            {"aal": "aal2", "max_age": 1},
            {"headers": [SESSION_COOKIE]},
            f"{NOT_ENROLLED} credential=cookie session_id={SESSION_ID} failures=aal,max_age",
        ),
        (
            signed_in(),
            {},
            {"method": "POST", "headers": [SESSION_COOKIE, EVIL]},
            "code=security_csrf_violation reason=origin credential=cookie",
        ),
        (refused(503), {}, {"headers": [SESSION_TOKEN]}, "code=session_check_unavailable reason=unavailable"),
    ],
)
async def test_refusal_is_logged_with_its_reason(
    response: KratosResponse,
    conditions: dict[str, Any],
    request_: dict[str, Any],
    values: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The record has no credential, and the session ID if there is a session."""
    with caplog.at_level(logging.DEBUG, "ory_guard"):
        await call(gated(Bench(response).guard, **conditions), **request_)

    (record,) = records(caplog)
    level = logging.DEBUG if "no_credential" in values else logging.INFO
    logged = {key.removeprefix("ory_guard."): value for key, value in vars(record).items() if "ory_guard." in key}
    logged.pop("credential_id", None)
    pairs = [pair.split("=") for pair in values.split()]
    assert (record.name, record.levelno, logged) == ("ory_guard", level, {**dict(pairs), "count": 1})
    assert all(f" {key}={value}" in record.getMessage() for key, value in pairs)
    assert TOKEN.decode() not in caplog.text
    assert COOKIE.decode() not in caplog.text


async def test_stranger_does_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A burst of one reason is cut, counted, and takes nothing from the records of other reasons."""
    bench = Bench()
    app = gated(bench.guard, aal="aal2")

    with caplog.at_level(logging.INFO, "ory_guard"):
        for number in range(100):
            await call(app, headers=[(b"cookie", b'ory_kratos_session="%d' % number)])
        assert len(records(caplog)) == 10
        await call(app, headers=[SESSION_COOKIE])
        bench.clock.advance(10)
        await call(app, headers=[QUOTE])
        await call(app, headers=[QUOTE])

    reasons = [(vars(one)["ory_guard.reason"], vars(one)["ory_guard.count"]) for one in records(caplog)]
    assert reasons == [("malformed", 1)] * 10 + [("second_factor_not_enrolled", 1), ("malformed", 91)]


async def test_loop_pages_are_limited(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(refused(401))
    app = gated(bench.guard)
    cookies = [SESSION_COOKIE]

    with caplog.at_level(logging.INFO, "ory_guard"):
        page = await call(app, headers=[NAVIGATE, *cookies])
        for _ in range(100):
            page = await call(app, headers=[NAVIGATE, *cookies])
            if counters := page.all(b"set-cookie"):
                cookies = [SESSION_COOKIE, (b"cookie", counters[0].partition(b";")[0])]

    assert page.status == 401
    assert len(records(caplog, "redirect_loop")) == 10


async def test_refusals_are_counted_at_any_level() -> None:
    bench = Bench()
    app = gated(bench.guard, aal="aal2")

    await call(app)
    await call(app)
    await call(app, headers=[SESSION_COOKIE])

    assert (bench.guard.stats().refusals, bench.guard.stats().anonymous_refusals) == (3, 2)


async def test_line_break_in_an_id_is_escaped(caplog: pytest.LogCaptureFixture) -> None:
    """The ID of an application's own session can't forge a record."""
    bench = Bench()
    session = Session.model_validate(session_body(id="s\nCRITICAL forged"))

    with bench.guard.override(session), caplog.at_level(logging.INFO, "ory_guard"):
        await call(gated(bench.guard, aal="aal2"))

    assert r"session_id='s\nCRITICAL forged'" in records(caplog)[0].getMessage()


@pytest.mark.parametrize(
    ("reason", "response", "headers", "conditions", "settings"),
    [
        ("no_credential", signed_in(), [], {}, {}),
        ("cookies_not_shared", signed_in(), [], {}, OTHER_HOST),
        ("inactive", refused(401), [SESSION_COOKIE], {}, {}),
        ("malformed", signed_in(), [QUOTE], {}, {}),
        ("ambiguous", signed_in(), [THREE], {}, {}),
        ("second_factor_missing", STEP_UP, [SESSION_COOKIE], {}, {}),
        ("second_factor_not_enrolled", signed_in(), [SESSION_COOKIE], {"aal": "aal2"}, {}),
        ("login_too_old", signed_in(), [SESSION_COOKIE], {"max_age": 1}, {}),
        ("clock", LATER, [SESSION_COOKIE], {"max_age": 60}, {}),
    ],
)
async def test_reason_is_the_same_everywhere(
    *,
    reason: str,
    response: KratosResponse,
    headers: list[Pair],
    conditions: dict[str, Any],
    settings: dict[str, Any],
    telemetry: InMemoryTelemetry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In JSON, the event, the metric, and the page and the log record of a redirect loop."""
    bench = Bench(response, **settings)
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
    assert f"redirect_loop reason={reason} count=1" in caplog.messages


@pytest.mark.parametrize(
    ("refusal", "settings", "reason"),
    [
        (RequirementNotMet(), {}, "requirement_not_met"),
        (SessionRequired(credential_sent=True), {}, "inactive"),
        (SessionRequired(), {"credentials": ("bearer",)}, "no_credential"),
    ],
)
def test_refusal_of_the_application_has_a_reason(refusal: Refusal, settings: dict[str, Any], reason: str) -> None:
    assert refusal_reason(refusal, None, settings_of(**settings)) == reason
