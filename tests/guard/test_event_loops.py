"""Resources of an event loop: created in it, closed in it, and never used in another one."""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from ory_guard import _event_loop
from ory_guard._event_loop import LoopLocal


class Resource:
    """Records the event loops that create and close it."""

    def __init__(self) -> None:
        self.made_in = asyncio.get_running_loop()
        self.closed_in: asyncio.AbstractEventLoop | None = None

    async def aclose(self) -> None:
        """Record the event loop."""
        self.closed_in = asyncio.get_running_loop()


def per_loop() -> LoopLocal[Resource]:
    return LoopLocal(Resource, Resource.aclose)


def test_resource_is_created_on_first_use_and_after_aclose() -> None:
    """It is not an error to close twice, or to close nothing. The end of the event loop closes the last one."""
    kept = per_loop()

    async def use() -> list[Resource]:
        assert kept.current() is None
        await kept.aclose()
        first = await kept.get()
        assert await kept.get() is kept.current() is first
        await kept.aclose()
        await kept.aclose()
        assert kept.current() is None
        return [first, await kept.get()]

    made = asyncio.run(use()) + asyncio.run(use())

    assert len({id(resource) for resource in made}) == 4
    assert all(resource.closed_in is resource.made_in for resource in made)
    assert made[1].made_in is not made[2].made_in


@pytest.mark.parametrize("outer_first", [True, False])
def test_resources_that_close_each_other_are_closed_once(*, outer_first: bool) -> None:
    """The event loop ends both at once."""
    closed: list[str] = []
    reported: list[dict[str, Any]] = []

    async def close_inner(_resource: object) -> None:
        await asyncio.sleep(0)
        closed.append("inner")

    async def close_outer(_resource: object) -> None:
        await asyncio.sleep(0)
        await inner.aclose()
        closed.append("outer")

    inner = LoopLocal(object, close_inner)
    outer = LoopLocal(object, close_outer)

    async def use() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))
        for kept in (outer, inner) if outer_first else (inner, outer):
            await kept.get()

    for _ in range(10):  # an event loop ends its generators in no order
        asyncio.run(use())

    assert reported == []
    assert Counter(closed) == {"inner": 10, "outer": 10}


def test_interrupted_close_is_repeated() -> None:
    """By the next call, or at the end of the event loop."""
    begun: list[object] = []
    closed: list[object] = []

    async def close(resource: object) -> None:
        begun.append(resource)
        await asyncio.sleep(0)
        closed.append(resource)

    kept = LoopLocal(object, close)

    async def break_off(*, again: bool) -> None:
        resource = await kept.get()
        closing = asyncio.ensure_future(kept.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert kept.current() is resource
        if again:
            await kept.aclose()
            assert kept.current() is None

    for again in (True, False):
        asyncio.run(break_off(again=again))
    assert len(begun) == 4
    assert len(closed) == 2


@pytest.fixture
def loops() -> Iterator[list[asyncio.AbstractEventLoop]]:
    """Two event loops."""
    made = [asyncio.new_event_loop(), asyncio.new_event_loop()]
    yield made
    for loop in made:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def test_each_event_loop_has_its_own_resource(loops: list[asyncio.AbstractEventLoop]) -> None:
    kept = per_loop()
    one, other = loops
    first, second = one.run_until_complete(kept.get()), other.run_until_complete(kept.get())
    assert first is not second
    assert one.run_until_complete(kept.get()) is first

    one.run_until_complete(kept.aclose())

    assert first.closed_in is one
    assert second.closed_in is None
    assert other.run_until_complete(kept.get()) is second


@pytest.mark.parametrize("shut_down", [True, False])
def test_resources_of_closed_event_loops_are_released(*, shut_down: bool) -> None:
    """A process may create thousands of event loops."""
    kept = per_loop()

    for _ in range(20):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(kept.get())
        if shut_down:
            loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    assert len(kept._by_loop) <= 1


def test_forked_process_creates_its_own_resource(loops: list[asyncio.AbstractEventLoop]) -> None:
    """It must neither use nor close a socket or a task of its parent."""
    kept, loop = per_loop(), loops[0]
    parents = loop.run_until_complete(kept.get())
    child = os.fork()
    if child == 0:
        # pytest must not run in the child, whose exit status is the result.
        verdict = 1
        try:
            in_child = asyncio.run(kept.get())
            fresh = in_child is not parents and parents.closed_in is None
            verdict = 0 if fresh and in_child.closed_in is in_child.made_in else 2
        finally:
            os._exit(verdict)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert loop.run_until_complete(kept.get()) is parents
    assert parents.closed_in is None


def test_event_loop_that_continues_after_a_fork_has_a_new_resource(loops: list[asyncio.AbstractEventLoop]) -> None:
    """A server that forks late may continue with the same event loop object."""
    kept, loop = per_loop(), loops[0]
    parents = loop.run_until_complete(kept.get())
    _event_loop._identify_process()

    async def current() -> Resource | None:
        return kept.current()

    assert loop.run_until_complete(current()) is None
    assert loop.run_until_complete(kept.get()) is not parents
