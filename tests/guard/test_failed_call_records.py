"""Log records of failed calls contain the origin of Kratos, so that a wrong address is found."""

import logging

import pytest
from support.asgi_calls import call
from support.guard_bench import SESSION_TOKEN, Bench
from support.scripted_kratos import KratosResponse, refused

from ory_guard.proxy import KratosProxy

pytestmark = pytest.mark.anyio

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
