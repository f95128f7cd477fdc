"""Websockets end with their session."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from starlette.websockets import WebSocket
from support.asgi_calls import Application
from support.memory_store import SOON, eventually
from support.raw_kratos import hang

from ory_guard import OrySessionMiddleware
from ory_guard.models import Session

from .applications import KINDS, application
from .bench import ALICE, Bench, Scope, call, socket

pytestmark = pytest.mark.anyio

EVERY = 0.05


def handshake() -> Scope:
    return socket((b"x-session-token", b"tok-A"), path="/live")


Messages = asyncio.Queue[dict[str, Any]]


async def open_socket(app: Application) -> tuple[Messages, asyncio.Future[None]]:
    """Open a watched websocket, and return its further messages and its end."""
    messages = Messages()

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    running = asyncio.ensure_future(app(handshake(), receive, messages.put))
    assert (await asyncio.wait_for(messages.get(), SOON))["type"] == "websocket.accept"
    return messages, running


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("invalidate", [False, True])
async def test_socket_closes_in_every_framework(bench: Bench, kind: str, *, invalidate: bool) -> None:
    messages, running = await open_socket(application(kind, bench.guard))
    bench.kratos.responses.clear()
    if invalidate:
        await bench.guard.invalidate(identity_id=ALICE)
    else:
        bench.clock.advance(60)
    close = await asyncio.wait_for(messages.get(), SOON)
    await asyncio.wait_for(running, SOON)

    assert (close["type"], close["code"]) == ("websocket.close", 1008)
    assert messages.empty()


async def test_cancellation_is_repeated_until_the_block_ends(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """`asyncio.wait_for` of Python 3.11 can swallow one. Afterwards the task is not cancelled."""
    monkeypatch.setattr("ory_guard.guard.session_watch._CANCEL_INTERVAL", 0.01)
    swallowed = 0

    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        nonlocal swallowed
        websocket = WebSocket(scope, receive, send)
        await bench.guard.require(websocket)
        async with bench.guard.watch(websocket, every=EVERY):
            await bench.guard.invalidate(identity_id=ALICE)
            bench.kratos.responses.clear()
            while swallowed < 3:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(2 * SOON)
                swallowed += 1

    response = await call(OrySessionMiddleware(endpoint, guard=bench.guard), handshake())
    assert response.status == 1008
    assert swallowed == 3
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_error_of_a_condition_and_cancellation_by_the_server_end_the_block(bench: Bench) -> None:
    """They are not mistaken for the end of the session."""
    evaluations = 0

    def fail_later(_session: Session[Any]) -> bool:
        nonlocal evaluations
        evaluations += 1
        if evaluations > 1:
            raise LookupError("no such tenant")
        return True

    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        await bench.guard.require(scope, when=fail_later)
        await send({"type": "websocket.accept"})
        async with bench.guard.watch(WebSocket(scope, receive, send), every=EVERY):
            await asyncio.sleep(2 * SOON)

    app = OrySessionMiddleware(endpoint, guard=bench.guard)
    with pytest.raises(LookupError, match="no such tenant"):
        await call(app, handshake())
    _, running = await open_socket(bench.application)
    bench.kratos.handler = hang
    bench.clock.advance(60)
    await eventually(partial(bench.has_requests, 2))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("cache_ttl", [0, 3_600])
async def test_sockets_of_a_session_share_one_revalidation(
    make_bench: Callable[..., Bench], cache_ttl: float
) -> None:
    """Twenty sockets cause one request per interval, for any `cache_ttl`."""
    bench = make_bench(cache_ttl=cache_ttl)
    running = [(await open_socket(bench.application))[1] for _ in range(20)]
    before = len(bench.kratos.requests)
    for number in (1, 2, 3):
        bench.clock.advance(1.1 * EVERY)
        await eventually(partial(bench.has_requests, before + number))
        await asyncio.sleep(EVERY)
    assert len(bench.kratos.requests) == before + 3

    bench.kratos.responses.clear()
    await bench.guard.invalidate(identity_id=ALICE)
    await asyncio.gather(*running)
