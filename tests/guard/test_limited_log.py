"""Log records of failed calls: they contain the origin of Kratos, and clients can't flood the log."""

import logging

import pytest
from support.asgi_calls import call
from support.guard_bench import SESSION_TOKEN, Bench
from support.scripted_kratos import KratosResponse, refused

from ory_guard import Unavailable
from ory_guard.events.limited_log import LimitedLog
from ory_guard.proxy import KratosProxy

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("response", "start"),
    [
        pytest.param(refused(429), "whoami.failed reason=rate_limited", id="rate limit"),
        pytest.param(KratosResponse(403, b"<html>"), "whoami.protocol_error: the 403", id="page of a firewall"),
        pytest.param(refused(404), "whoami.unexpected status=404", id="another server"),
        pytest.param(KratosResponse(200, b"x" * 70_000), "whoami.failed reason=protocol", id="large response"),
        pytest.param(KratosResponse(200, {"id": "x"}), "whoami.protocol_error: the session", id="invalid session"),
    ],
)
async def test_invented_credentials_do_not_flood_the_log(
    response: KratosResponse, start: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(response)

    with caplog.at_level(logging.INFO, "ory_guard"):
        for number in range(100):
            outcome = await bench.outcome((b"x-session-token", b"random%d" % number))
            assert isinstance(outcome, Unavailable)
        bench.clock.advance(10)
        await bench.outcome((b"x-session-token", b"random"))

    messages = [message for message in caplog.messages if message.startswith(start)]
    assert len(messages) == 11
    assert messages[0].count("count=") == 0
    assert messages[-1].endswith("(count=91)")


async def test_requests_to_the_proxy_do_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    proxy = KratosProxy(Bench(OSError()).guard)

    with caplog.at_level(logging.INFO, "ory_guard"):
        for _ in range(100):
            assert (await call(proxy, "/sessions/whoami")).status == 503

    assert sum(message.startswith("proxy.failed") for message in caplog.messages) == 10


async def test_changes_of_the_breaker_do_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(OSError(), timeout=0.5)

    with caplog.at_level(logging.INFO, "ory_guard"):
        for number in range(100):
            await bench.outcome((b"x-session-token", b"random%d" % number))
            bench.clock.advance(0.1)

    records = [message for message in caplog.messages if message.startswith("breaker.changed state=open")]
    assert 10 <= len(records) <= 11
    assert bench.guard.stats().breaker != "closed"


async def test_disabled_records_are_not_counted(caplog: pytest.LogCaptureFixture) -> None:
    log = LimitedLog(lambda: 0.0)
    for level, number in ((logging.WARNING, 20), (logging.INFO, 1)):
        with caplog.at_level(level, "ory_guard"):
            for _ in range(number):
                log.write(logging.INFO, "kind", "a record")

    assert caplog.messages == ["a record"]


ORIGIN = "http://kratos.test:4433"


@pytest.mark.parametrize(
    ("response", "message"),
    [
        pytest.param(OSError(), f"whoami.failed reason=unreachable: OSError ({ORIGIN})", id="no connection"),
        pytest.param(refused(500), f"whoami.failed reason=unreachable: status 500 ({ORIGIN})", id="500"),
        pytest.param(refused(404), f"and run ory-guard doctor ({ORIGIN})", id="404"),
    ],
)
async def test_record_of_a_failed_check_ends_with_the_origin(
    response: KratosResponse | OSError, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(response, kratos_public_url=f"{ORIGIN}/prefix")

    with caplog.at_level(logging.WARNING, "ory_guard"):
        await bench.outcome(SESSION_TOKEN)

    assert caplog.messages[0].endswith(message)


async def test_record_of_the_proxy_ends_with_the_origin(caplog: pytest.LogCaptureFixture) -> None:
    """The client does not learn the address."""
    proxy = KratosProxy(Bench(OSError(), kratos_public_url=f"{ORIGIN}/prefix").guard)

    with caplog.at_level(logging.WARNING, "ory_guard"):
        response = await call(proxy, "/sessions/whoami")

    assert caplog.messages[-1] == f"proxy.failed reason=unreachable: OSError ({ORIGIN})"
    assert b"kratos.test" not in response.body
