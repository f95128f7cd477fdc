"""Servers that the guard does not support fully: without asyncio, and without lifespan events."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from support.applications import gated
from support.asgi_calls import call, http_scope, run_lifespan
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench, request

from ory_guard import OryGuard, OrySessionMiddleware
from ory_guard.exceptions import ConfigurationError
from ory_guard.proxy import KratosProxy


def run_without_asyncio(coroutine: Any) -> Any:
    """Run a coroutine that never has to wait, outside of an event loop of asyncio."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the coroutine waits")


def test_startup_fails_in_another_event_loop() -> None:
    sent: list[Any] = []

    with pytest.raises(ConfigurationError, match="asyncio only") as caught:
        run_without_asyncio(run_lifespan(gated(Bench().guard), sent))

    assert sent == [{"type": "lifespan.startup.failed", "message": str(caught.value)}]


async def watch(guard: OryGuard) -> None:
    async with guard.watch(request(SESSION_TOKEN), every=60):
        pass


async def proxy(guard: OryGuard) -> None:
    await KratosProxy(guard)(http_scope("/sessions/whoami"), None, None)  # type: ignore[arg-type] # not used


@pytest.mark.parametrize(
    "use",
    [
        lambda guard: guard.authenticate(request(SESSION_TOKEN)),
        lambda guard: guard.logout_url(request(SESSION_COOKIE)),
        lambda guard: guard.client.to_session(x_session_token="ory_st_some"),
        watch,
        proxy,
    ],
    ids=["authenticate", "logout_url", "client", "watch", "proxy"],
)
def test_use_fails_in_another_event_loop(use: Callable[[OryGuard], Any]) -> None:
    """With the cause, and not with an error that looks like an outage."""
    with pytest.raises(ConfigurationError, match="asyncio only"):
        run_without_asyncio(use(Bench().guard))


def test_guard_that_was_not_used_is_closed_in_another_event_loop() -> None:
    """A shutdown after the failed startup hides nothing."""
    run_without_asyncio(Bench().guard.aclose())


@pytest.mark.anyio
async def test_missing_lifespan_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """At the first session check, because before it there is nothing to close."""
    app = gated(Bench().guard)

    with caplog.at_level(logging.INFO, "ory_guard"):
        await call(app)
        assert caplog.messages == []
        for _ in range(3):
            await call(app, headers=[SESSION_TOKEN])

    assert [text.split(":")[0] for text in caplog.messages] == ["lifespan.missing"]


@pytest.mark.anyio
async def test_lifespan_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 204})

    wrapped = OrySessionMiddleware(app, guard=Bench().guard)

    with caplog.at_level(logging.INFO, "ory_guard"):
        await run_lifespan(wrapped, [])
        await call(wrapped, headers=[SESSION_TOKEN])

    assert caplog.messages == []
