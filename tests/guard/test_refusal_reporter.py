"""Log records, counters and reasons of refused requests."""

import logging
from html import escape
from typing import Any, NamedTuple

import pytest
from support.applications import gated
from support.asgi_calls import NAVIGATE, call
from support.guard_bench import SESSION_COOKIE, Bench, Pair, settings_of
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
from ory_guard.guard.responses.refusal_reasons import REASON_TEXTS, refusal_reason

pytestmark = pytest.mark.anyio

EVIL = (b"origin", b"https://evil.example")
QUOTE = (b"cookie", b'ory_kratos_session=a"b')
THREE = (b"cookie", b"; ".join(b"ory_kratos_session=%d" % number for number in range(3)))
LATER = signed_in(session_body(authenticated_at=timestamp(3_600)))
OTHER_HOST = {"app_url": "http://localhost:8000", "kratos_browser_url": "http://127.0.0.1:4433"}


class Case(NamedTuple):
    """A refused request, and the code and the other values of its log record."""

    code: str
    values: dict[str, str] = {}  # noqa: RUF012 - never changed
    response: KratosResponse = signed_in()
    headers: tuple[Pair, ...] = ()
    conditions: dict[str, Any] = {}  # noqa: RUF012 - never changed
    settings: dict[str, Any] = {}  # noqa: RUF012 - never changed


BY_COOKIE = {"credential": "cookie"}
WITH_SESSION = {**BY_COOKIE, "session_id": SESSION_ID}
COOKIE_HEADER = (SESSION_COOKIE,)
CASES = {
    "no_credential": Case("session_inactive"),
    "cookies_not_shared": Case("session_inactive", settings=OTHER_HOST),
    "inactive": Case("session_inactive", BY_COOKIE, refused(401), COOKIE_HEADER),
    "malformed": Case("session_inactive", BY_COOKIE, headers=(QUOTE,)),
    "ambiguous": Case("session_inactive", BY_COOKIE, headers=(THREE,)),
    "second_factor_missing": Case("session_aal2_required", BY_COOKIE, STEP_UP, COOKIE_HEADER),
    "second_factor_not_enrolled": Case(
        "session_aal2_enrollment_required",
        {**WITH_SESSION, "failures": "aal,max_age"},
        headers=COOKIE_HEADER,
        conditions={"aal": "aal2", "max_age": 1},
    ),
    "login_too_old": Case(
        "session_refresh_required",
        {**WITH_SESSION, "failures": "max_age"},
        headers=COOKIE_HEADER,
        conditions={"max_age": 1},
    ),
    "clock": Case(
        "session_refresh_required",
        {**WITH_SESSION, "failures": "max_age"},
        LATER,
        COOKIE_HEADER,
        conditions={"max_age": 60},
    ),
    "origin": Case("security_csrf_violation", BY_COOKIE, headers=(SESSION_COOKIE, EVIL)),
    "unavailable": Case("session_check_unavailable", {}, refused(503), COOKIE_HEADER),
}


def records(caplog: pytest.LogCaptureFixture, name: str = "request.refused") -> list[logging.LogRecord]:
    return [record for record in caplog.records if vars(record).get("event.name") == name]


@pytest.mark.parametrize("reason", CASES)
async def test_reason_is_the_same_everywhere(
    reason: str, telemetry: InMemoryTelemetry, caplog: pytest.LogCaptureFixture
) -> None:
    """In JSON, the event, the metric and the log record, which has no credential."""
    case = CASES[reason]
    bench = Bench(case.response, **case.settings)
    telemetry.instrument(bench.guard)

    with caplog.at_level(logging.DEBUG, "ory_guard"):
        method = "POST" if reason == "origin" else "GET"
        api = await call(gated(bench.guard, **case.conditions), method=method, headers=case.headers)

    assert api.json["error"]["details"]["reason"] == reason
    assert [event.reason for event in bench.emitted(Refused) if isinstance(event, Refused)] == [reason]
    assert telemetry.values("ory_guard.requests.refused", "ory_guard.refusal.reason") == {reason: 1}
    (record,) = (record for record in records(caplog) if record.name == "ory_guard")
    logged = {key.removeprefix("ory_guard."): value for key, value in vars(record).items() if "ory_guard." in key}
    logged.pop("credential_id", None)
    values = {"code": case.code, "reason": reason, **case.values}
    level = logging.INFO if case.headers else logging.DEBUG
    assert (record.levelno, logged) == (level, {**values, "count": 1})
    assert all(f" {key}={value}" in record.getMessage() for key, value in values.items())
    assert TOKEN.decode() not in caplog.text
    assert COOKIE.decode() not in caplog.text


@pytest.mark.parametrize("reason", [name for name in CASES if name not in ("origin", "unavailable")])
async def test_page_of_a_redirect_loop_names_the_reason(reason: Any, caplog: pytest.LogCaptureFixture) -> None:
    """And explains it; its log record names it, too."""
    case = CASES[reason]
    app = gated(Bench(case.response, **case.settings).guard, **case.conditions)

    with caplog.at_level(logging.INFO, "ory_guard"):
        page = await call(app, "/vault", headers=[NAVIGATE, *case.headers])
        while page.status == 303:
            counters = [(b"cookie", value.partition(b";")[0]) for value in page.all(b"set-cookie")]
            page = await call(app, "/vault", headers=[NAVIGATE, *case.headers, *counters])

    assert page.status == 401
    assert f"<code>{reason}</code>" in page.body.decode()
    assert escape(REASON_TEXTS[reason]) in page.body.decode()
    assert f"redirect_loop reason={reason} count=1" in caplog.messages


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
    ("refusal", "settings", "reason"),
    [
        (RequirementNotMet(), {}, "requirement_not_met"),
        (SessionRequired(credential_sent=True), {}, "inactive"),
        (SessionRequired(), {"credentials": ("bearer",)}, "no_credential"),
    ],
)
def test_refusal_of_the_application_has_a_reason(refusal: Refusal, settings: dict[str, Any], reason: str) -> None:
    assert refusal_reason(refusal, None, settings_of(**settings)) == reason
