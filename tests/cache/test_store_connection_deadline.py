"""`run_with_deadline`."""

import asyncio

import pytest
from support.memory_store import SOON

from ory_guard.cache.store_latency import run_with_deadline

from .store_connection_bench import fail, respond

pytestmark = pytest.mark.anyio


async def test_run_with_deadline_returns_the_result_or_raises_the_exception() -> None:
    """If the work finishes before the deadline."""
    assert await run_with_deadline(SOON, respond()) == "response"
    with pytest.raises(ConnectionError):
        await run_with_deadline(SOON, fail())


async def test_run_with_deadline_cancels_the_work_at_the_deadline() -> None:
    """The caller gets a TimeoutError."""
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(TimeoutError):
        await run_with_deadline(5, work())

    assert loop.time() - started == pytest.approx(5, abs=0.01)
    await asyncio.wait_for(ended.wait(), SOON)


async def test_run_with_deadline_converts_a_cancellation_inside_of_the_work() -> None:
    """The caller itself is not canceled."""

    async def work() -> None:
        other = asyncio.ensure_future(asyncio.Event().wait())
        other.cancel()
        await other

    with pytest.raises(TimeoutError):
        await run_with_deadline(SOON, work())


async def test_run_with_deadline_extends_the_deadline_once_if_the_event_loop_was_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The late timer does not prove that the store is slow."""
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)

    async def work() -> str:
        nonlocal now
        now += 2  # the event loop was busy for two seconds
        for _ in range(5):
            await asyncio.sleep(0)
        return "response"

    assert await run_with_deadline(1, work()) == "response"


async def test_run_with_deadline_cancels_the_work_with_its_caller() -> None:
    """An exception that the work raises then is not reported as unhandled."""
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
