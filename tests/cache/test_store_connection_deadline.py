"""`within`: a call has its time, and no more; a busy loop takes none of it."""

import asyncio
import time

import pytest
from support.link_bench import answer, fail
from support.memory_store import SOON

from ory_guard.cache.store_connection import run_with_deadline

pytestmark = pytest.mark.anyio


async def test_within_returns_what_comes_in_time() -> None:
    """What the work raises is raised."""
    assert await run_with_deadline(SOON, answer()) == "answer"
    with pytest.raises(ConnectionError):
        await run_with_deadline(SOON, fail())


async def test_within_gives_up_in_time_and_ends_the_work() -> None:
    """Fifty milliseconds are fifty milliseconds."""
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    started = time.monotonic()
    with pytest.raises(TimeoutError):
        await run_with_deadline(0.05, work())

    assert 0.04 < time.monotonic() - started < SOON
    await asyncio.wait_for(ended.wait(), SOON)


async def test_within_is_not_cancelled_by_what_the_work_waits_for() -> None:
    """Who asks a store is not to blame for what that gave up; so it is as if nothing had come."""

    async def work() -> None:
        other = asyncio.ensure_future(asyncio.Event().wait())
        other.cancel()
        await other

    with pytest.raises(TimeoutError):
        await run_with_deadline(SOON, work())


async def test_within_gives_the_work_its_time_again_where_the_loop_was_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A loop that looks at the clock late says nothing about the store."""
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)

    async def work() -> str:
        nonlocal now
        now += 2  # the loop was busy for two seconds
        for _ in range(5):
            await asyncio.sleep(0)
        return "answer"

    assert await run_with_deadline(1, work()) == "answer"


async def test_within_ends_the_work_when_its_caller_is_cancelled() -> None:
    """Nothing goes on that nobody waits for; what it raises at the end is no news."""
    started, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
            raise ConnectionError

    caller = asyncio.create_task(run_with_deadline(60, work()))
    await started.wait()
    caller.cancel()

    with pytest.raises(asyncio.CancelledError):
        await caller
    await asyncio.wait_for(ended.wait(), SOON)
