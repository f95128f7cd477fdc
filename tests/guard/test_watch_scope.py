"""`guard.watch(scope)`: in plain ASGI, and in frameworks whose websocket has no scope."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from support.asgi_calls import connect
from support.guard_bench import SESSION_TOKEN, Bench, request
from support.scripted_kratos import refused, signed_in

from ory_guard import OrySessionMiddleware

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("wrapped", [False, True], ids=["scope", "object without close"])
async def test_end_of_the_session_closes_the_websocket_of_a_scope(wrapped: bool) -> None:
    guard = Bench(signed_in(), refused(401)).guard

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        session = await guard.require(scope)
        await send({"type": "websocket.accept"})
        async with guard.watch(SimpleNamespace(scope=scope) if wrapped else scope, every=60) as watch:
            await guard.invalidate(session_id=session.id)
            await asyncio.Event().wait()
        assert watch.refusal is not None

    sent = await connect(OrySessionMiddleware(app, guard=guard), headers=[SESSION_TOKEN])

    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[1]["code"] == 1008


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_watch_of_a_scope_ends_without_the_middleware(kind: str) -> None:
    """Then it has no websocket to close."""
    guard = Bench(signed_in(), refused(401)).guard
    scope = request(SESSION_TOKEN, type=kind)
    session = await guard.require(scope)

    async with guard.watch(scope, every=60) as watch:
        await guard.invalidate(session_id=session.id)
        await asyncio.Event().wait()

    assert watch.refusal is not None
