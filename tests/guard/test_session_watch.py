"""Watches: the block is cancelled when the session ends, in any task, and if the revalidation fails."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from support.asgi_calls import connect
from support.guard_bench import SESSION_TOKEN, Bench, request
from support.memory_store import SOON, eventually
from support.scripted_kratos import refused, signed_in

from ory_guard import OrySessionMiddleware
from ory_guard.exceptions import Refusal, SessionRequired
from ory_guard.guard.session_watch import Watch

pytestmark = pytest.mark.anyio

EVERY = 0.01


class Socket:
    """Double of a websocket.

    Attributes:
        closed: The codes it was closed with.
        error: The exception that `close` raises.
    """

    def __init__(self, error: Exception | None = None) -> None:
        self.scope = {"type": "websocket"}
        self.closed: list[int] = []
        self.error = error

    async def close(self, code: int) -> None:
        """Record the code."""
        self.closed.append(code)
        if self.error is not None:
            raise self.error


class SessionState:
    """A session that ends when `over` is set."""

    def __init__(self) -> None:
        self.over = False

    async def revalidate(self) -> float | Refusal:
        """Return the seconds until the next call, or a refusal."""
        return SessionRequired() if self.over else EVERY


def watch(revalidate: Callable[[], Awaitable[float | Refusal]], socket: Socket | None = None) -> Watch:
    return Watch(socket or Socket(), revalidate, asyncio.Event())


async def refuse() -> Refusal:
    return SessionRequired()


async def catch_one() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    return task


async def count() -> AsyncGenerator[int, None]:
    number = 0
    while True:
        yield number
        number += 1
        await asyncio.sleep(EVERY)


async def each_in_a_task(source: AsyncIterator[int]) -> AsyncIterator[int]:
    """Await each item in a new task, like a wrapper that adds heartbeats to an event stream."""
    while True:
        with suppress(StopAsyncIteration):
            item = asyncio.ensure_future(anext(source))
            await asyncio.wait({item})
            yield item.result()
            continue
        return


async def test_stream_ends_if_its_items_are_awaited_in_other_tasks() -> None:
    session = SessionState()
    watched = watch(session.revalidate)
    seen = after_the_end = 0
    async for _ in each_in_a_task(watched.stream(count())):
        seen += 1
        session.over = seen > 5
        after_the_end += watched.refusal is not None
        assert after_the_end < 2, "items were handed out after the end"
    assert isinstance(watched.refusal, SessionRequired)


async def test_stream_ends_with_its_source() -> None:
    async def finite() -> AsyncIterator[int]:
        yield 1
        yield 2

    assert [item async for item in watch(SessionState().revalidate).stream(finite())] == [1, 2]


async def test_stream_yields_nothing_after_the_session_ended() -> None:
    watched = watch(refuse)
    stream: Any = watched.stream(count())
    assert await asyncio.create_task(anext(stream)) == 0
    await eventually(lambda: watched.refusal)

    assert await asyncio.create_task(anext(stream, None)) is None


async def test_error_in_revalidation_is_raised_from_the_stream() -> None:
    session = SessionState()

    async def revalidate() -> float | Refusal:
        if session.over:
            raise ZeroDivisionError
        return EVERY

    async def read() -> None:
        async for number in each_in_a_task(watch(revalidate).stream(count())):
            session.over = number > 5
            assert number < 50, "items were handed out after the end"

    with pytest.raises(ZeroDivisionError):
        await read()


async def test_stream_without_items_ends_in_another_task() -> None:
    session = SessionState()

    async def one_item() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    stream: Any = watch(session.revalidate).stream(one_item())
    assert await asyncio.create_task(anext(stream)) == 1
    rest = asyncio.create_task(anext(stream, None))
    await asyncio.sleep(EVERY)
    session.over = True

    assert await asyncio.wait_for(rest, SOON) is None


async def test_closing_the_stream_does_not_uncancel_the_closing_task() -> None:
    watched = watch(refuse)
    stream: Any = watched.stream(count())
    await asyncio.create_task(anext(stream))
    await eventually(lambda: watched.refusal)

    async def close() -> int:
        task = await catch_one()
        await stream.aclose()
        return task.cancelling()

    assert await asyncio.create_task(close()) == 1


async def test_cancelled_revalidation_ends_the_block_with_an_error() -> None:
    """A condition may await a query that another task cancels. Then it is unknown whether the session is valid."""

    async def revalidate() -> float:
        shared = asyncio.ensure_future(asyncio.Event().wait())
        shared.cancel()
        await shared
        return EVERY

    socket = Socket()
    with pytest.raises(RuntimeError, match="was cancelled"):
        async with watch(revalidate, socket):
            await asyncio.Event().wait()


async def test_code_after_the_block_is_not_cancelled() -> None:
    """Even if the revalidation swallows its own cancellation."""
    over = False

    async def revalidate() -> float | Refusal:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return SessionRequired() if over else EVERY

    async with watch(revalidate) as watched:
        await asyncio.sleep(EVERY)
        over = True
    for _ in range(5):
        await asyncio.sleep(0)

    assert watched.refusal is None
    assert watched._watcher.done()


async def test_running_revalidation_ends_with_the_block() -> None:
    looking = asyncio.Event()

    async def revalidate() -> float:
        looking.set()
        await asyncio.Event().wait()
        return EVERY

    async with watch(revalidate) as watched:
        await looking.wait()

    await asyncio.wait_for(watched._watcher, SOON)
    assert not watched._is_over


async def test_earlier_cancellation_does_not_propagate_the_cancellation_of_the_watch() -> None:
    """As with `asyncio.timeout`."""

    async def caught_one() -> str:
        task = await catch_one()
        async with watch(refuse):
            await asyncio.Event().wait()
        return f"went on, {task.cancelling()} of its own"

    assert await asyncio.create_task(caught_one()) == "went on, 1 of its own"


@pytest.mark.parametrize("error", [RuntimeError(), OSError(), ValueError()])
async def test_error_while_closing_the_websocket_is_ignored(error: Exception) -> None:
    """The client may have disconnected."""
    socket = Socket(error)
    async with watch(refuse, socket):
        await asyncio.Event().wait()
    assert socket.closed == [1008]


# --- `guard.watch(scope)`


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
