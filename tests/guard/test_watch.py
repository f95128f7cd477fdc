"""A watch ends its block when the session ends: in whatever task that is, and however a look breaks."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from support.memory_store import SOON, eventually

from ory_guard.exceptions import Refusal, SessionRequired
from ory_guard.guard.watch import Watch

pytestmark = pytest.mark.anyio

EVERY = 0.01


class Socket:
    """A websocket as far as a watch knows it.

    Attributes:
        closed: The codes it was closed with.
        fault: What closing it raises.
    """

    def __init__(self, fault: Exception | None = None) -> None:
        self.scope = {"type": "websocket"}
        self.closed: list[int] = []
        self.fault = fault

    async def close(self, code: int) -> None:
        """Note it."""
        self.closed.append(code)
        if self.fault is not None:
            raise self.fault


class Session:
    """A session that goes on until it is over."""

    def __init__(self) -> None:
        self.over = False

    async def look(self) -> float | Refusal:
        """Look at it."""
        return SessionRequired() if self.over else EVERY


def watch(look: Callable[[], Awaitable[float | Refusal]], socket: Socket | None = None) -> Watch:
    """Return a watch of a socket."""
    return Watch(socket or Socket(), look, asyncio.Event())


async def refuse() -> Refusal:
    """Find that the session is over."""
    return SessionRequired()


async def catch_one() -> asyncio.Task[Any]:
    """Be cancelled, and go on all the same."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    return task


async def counted() -> AsyncGenerator[int, None]:
    """Yield numbers, until nobody wants any more."""
    number = 0
    while True:
        yield number
        number += 1
        await asyncio.sleep(EVERY)


async def each_in_a_task(source: AsyncIterator[int]) -> AsyncIterator[int]:
    """Wait for each item in a task of its own, as who adds heartbeats to an event stream does."""
    while True:
        with suppress(StopAsyncIteration):
            item = asyncio.ensure_future(anext(source))
            await asyncio.wait({item})
            yield item.result()
            continue
        return


async def test_a_stream_whose_items_are_waited_for_in_other_tasks_ends_too() -> None:
    """The task of the first item is long gone by then."""
    session = Session()
    watched = watch(session.look)
    seen = after_the_end = 0
    async for _ in each_in_a_task(watched.stream(counted())):
        seen += 1
        session.over = seen > 5
        after_the_end += watched.refusal is not None
        assert after_the_end < 2, "items were handed out after the end"
    assert isinstance(watched.refusal, SessionRequired)


async def test_a_stream_that_was_not_read_when_its_session_ended_gives_nothing_more() -> None:
    """Whoever comes back for the next item in another task gets the end."""
    watched = watch(refuse)
    stream: Any = watched.stream(counted())
    assert await asyncio.create_task(anext(stream)) == 0
    await eventually(lambda: watched.refusal)

    assert await asyncio.create_task(anext(stream, None)) is None


async def test_a_look_that_breaks_ends_such_a_stream_with_its_error() -> None:
    """The application's own, which nobody would hear of otherwise."""
    session = Session()

    async def look() -> float | Refusal:
        if session.over:
            raise ZeroDivisionError
        return EVERY

    async def read() -> None:
        async for number in each_in_a_task(watch(look).stream(counted())):
            session.over = number > 5
            assert number < 50, "items were handed out after the end"

    with pytest.raises(ZeroDivisionError):
        await read()


async def test_a_silent_stream_ends_in_whatever_task_it_is_waited_for() -> None:
    """Not with the next item, which may never come."""
    session = Session()

    async def one_item() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    stream: Any = watch(session.look).stream(one_item())
    assert await asyncio.create_task(anext(stream)) == 1
    rest = asyncio.create_task(anext(stream, None))
    await asyncio.sleep(EVERY)
    session.over = True

    assert await asyncio.wait_for(rest, SOON) is None


async def test_a_stream_that_another_task_closes_takes_no_cancellation_from_it() -> None:
    """That task was not cancelled by the watch."""
    watched = watch(refuse)
    stream: Any = watched.stream(counted())
    await asyncio.create_task(anext(stream))
    await eventually(lambda: watched.refusal)

    async def close() -> int:
        task = await catch_one()
        await stream.aclose()
        return task.cancelling()

    assert await asyncio.create_task(close()) == 1


async def test_a_look_that_is_cancelled_from_elsewhere_leaves_nobody_unwatched() -> None:
    """A shared query that is given up, say: nobody knows whether the session goes on, so the block ends."""

    async def look() -> float:
        shared = asyncio.ensure_future(asyncio.Event().wait())
        shared.cancel()
        await shared
        return EVERY

    socket = Socket()
    with pytest.raises(RuntimeError, match="was cancelled"):
        async with watch(look, socket):
            await asyncio.Event().wait()


async def test_what_follows_the_block_is_never_cancelled() -> None:
    """Where a look loses the cancellation that ends it, either."""
    over = False

    async def look() -> float | Refusal:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return SessionRequired() if over else EVERY

    async with watch(look) as watched:
        await asyncio.sleep(EVERY)
        over = True
    for _ in range(5):
        await asyncio.sleep(0)

    assert watched.refusal is None
    assert watched._watcher is not None
    assert watched._watcher.done()


async def test_a_look_under_way_ends_with_the_block() -> None:
    """Nobody waits for it, and it is no fault."""
    looking = asyncio.Event()

    async def look() -> float:
        looking.set()
        await asyncio.Event().wait()
        return EVERY

    async with watch(look) as watched:
        await looking.wait()

    assert watched._watcher is not None
    await asyncio.wait_for(watched._watcher, SOON)
    assert not watched._is_over


async def test_a_cancellation_that_was_caught_before_is_no_reason_to_pass_ours_on() -> None:
    """The block still ends, and the code after it goes on, as after `asyncio.timeout`."""

    async def caught_one() -> str:
        task = await catch_one()
        async with watch(refuse):
            await asyncio.Event().wait()
        return f"went on, {task.cancelling()} of its own"

    assert await asyncio.create_task(caught_one()) == "went on, 1 of its own"


@pytest.mark.parametrize("fault", [RuntimeError(), OSError(), ValueError()])
async def test_a_socket_that_can_not_be_closed_is_closed(fault: Exception) -> None:
    """Its client went away, which servers and frameworks tell in their own ways."""
    socket = Socket(fault)
    async with watch(refuse, socket):
        await asyncio.Event().wait()
    assert socket.closed == [1008]


async def test_a_stream_that_nobody_reads_any_more_is_left_alone() -> None:
    """Its task has ended, so there is nothing to cancel."""
    session = Session()
    watched = watch(session.look)
    stream: Any = watched.stream(counted())
    await asyncio.create_task(anext(stream))
    session.over = True

    assert watched._watcher is not None
    await asyncio.wait_for(watched._watcher, SOON)
    await stream.aclose()
