"""Log records and counters of refused requests."""

import logging
from typing import Any

import pytest
from support.applications import gated
from support.asgi_calls import NAVIGATE, call
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench
from support.scripted_kratos import COOKIE, SESSION_ID, STEP_UP, TOKEN, refused, session_body, signed_in

from ory_guard import Session

pytestmark = pytest.mark.anyio

EVIL = (b"origin", b"https://evil.example")


def records(caplog: pytest.LogCaptureFixture, name: str = "request.refused") -> list[logging.LogRecord]:
    """Return the records of one event."""
    return [record for record in caplog.records if vars(record).get("event.name") == name]


@pytest.mark.parametrize(
    ("responses", "conditions", "request_", "values"),
    [
        pytest.param((), {}, {}, {"code": "session_inactive", "reason": "no_credential"}, id="anonymous"),
        pytest.param(
            (refused(401),),
            {},
            {"headers": [SESSION_TOKEN]},
            {"code": "session_inactive", "reason": "inactive", "credential": "x_session_token"},
            id="sent-credential",
        ),
        pytest.param(
            (),
            {},
            {"headers": [(b"cookie", b'ory_kratos_session=a"b')]},
            {"code": "session_inactive", "reason": "malformed", "credential": "cookie"},
            id="malformed-credential",
        ),
        pytest.param(
            (STEP_UP,),
            {},
            {"headers": [SESSION_COOKIE]},
            {"code": "session_aal2_required", "reason": "second_factor_missing", "credential": "cookie"},
            id="second-factor",
        ),
        pytest.param(
            (signed_in(),),
            {"aal": "aal2", "max_age": 1},
            {"headers": [SESSION_COOKIE]},
            {
                "code": "session_aal2_enrollment_required",
                "reason": "second_factor_not_enrolled",
                "credential": "cookie",
                "session_id": SESSION_ID,
                "failures": "aal,max_age",
            },
            id="requirement",
        ),
        pytest.param(
            (),
            {},
            {"method": "POST", "headers": [SESSION_COOKIE, EVIL]},
            {"code": "security_csrf_violation", "reason": "origin", "credential": "cookie"},
            id="origin",
        ),
        pytest.param(
            (refused(503),),
            {},
            {"headers": [SESSION_TOKEN]},
            {"code": "session_check_unavailable", "reason": "unavailable"},
            id="unavailable",
        ),
    ],
)
async def test_refusal_is_logged_with_its_reason(
    responses: tuple[Any, ...],
    conditions: dict[str, Any],
    request_: dict[str, Any],
    values: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The record has no credential, and the session ID if there is a session."""
    bench = Bench(*(responses or (signed_in(),)))

    with caplog.at_level(logging.DEBUG, "ory_guard"):
        await call(gated(bench.guard, **conditions), **request_)

    (record,) = records(caplog)
    level = logging.DEBUG if values["reason"] == "no_credential" else logging.INFO
    logged = {key.removeprefix("ory_guard."): value for key, value in vars(record).items() if "ory_guard." in key}
    logged.pop("credential_id", None)
    assert (record.name, record.levelno, logged) == ("ory_guard", level, {**values, "count": 1})
    assert all(f" {key}={value}" in record.getMessage() for key, value in values.items())
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
        await call(app, headers=[(b"cookie", b'ory_kratos_session=a"b')])
        await call(app, headers=[(b"cookie", b'ory_kratos_session=a"b')])

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
