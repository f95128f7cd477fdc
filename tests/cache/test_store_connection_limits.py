"""A link's patience: one request waits for a store that is late, a short while, and no other does."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress

import pytest
from support.link_bench import Bench, fail, never
from support.memory_store import SOON, eventually
from support.worker_bench import Worker

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """A store, and no link yet; an idle link does not try it out."""
    monkeypatch.setattr("ory_guard.cache.store_connection._PROBE_INTERVAL", 3_600.0)
    made = Bench()
    yield made
    await made.close()


async def test_one_request_waits_for_a_store_that_does_not_answer_and_no_other(
    bench: Bench, store_timeout: Callable[[float], None]
) -> None:
    """The first request waits until the timeout; the next one returns at once, whatever the timeout."""
    store_timeout(0.05)
    bench.store.slow.add("subscribe")
    link = bench.open()

    started = time.monotonic()
    assert not await link.remaining_budget()
    assert time.monotonic() - started > 0.04

    store_timeout(3_600)
    assert not await link.remaining_budget()


async def test_a_store_that_was_late_for_one_request_is_tried_out_before_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, store_timeout: Callable[[float], None]
) -> None:
    """Its subscription may stand meanwhile; whether it answers in time is not for a second request to find out."""
    door = asyncio.Event()
    subscribe = bench.store.subscribe

    async def subscribe_late() -> AsyncGenerator[tuple[str, ...] | None, None]:
        await door.wait()
        async for message in subscribe():
            yield message

    monkeypatch.setattr(bench.store, "subscribe", subscribe_late)
    link = bench.open()
    store_timeout(0.05)
    assert not await link.remaining_budget()

    store_timeout(SOON)
    door.set()
    await eventually(lambda: link.subscribed)
    assert not await link.remaining_budget()
    bench.clock.advance(1)

    await eventually(lambda: link.ready)
    assert bench.store.calls == ["subscribe", "put", "get", "delete"]


async def test_waiting_for_the_connection_is_part_of_the_patience(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that waited thirty milliseconds for it waits as much less for the answer; the next one does not."""
    subscribe = bench.store.subscribe

    async def subscribe_slowly() -> AsyncGenerator[tuple[str, ...] | None, None]:
        await asyncio.sleep(0.03)
        async for message in subscribe():
            yield message

    monkeypatch.setattr(bench.store, "subscribe", subscribe_slowly)
    link = bench.open()

    left = await link.remaining_budget()

    assert 0 < left <= SOON - 0.029
    assert await link.remaining_budget() == SOON


@pytest.mark.parametrize("how", ["failing", "slow"])
async def test_the_first_bad_call_stops_the_asking(
    bench: Bench, how: str, store_timeout: Callable[[float], None]
) -> None:
    """It is bounded, its caller gets nothing, and the breaker opens."""
    link = bench.open()
    await link.remaining_budget()
    store_timeout(0.05)

    assert await link.call(fail if how == "failing" else never) is None

    assert not link.ready
    assert bench.changes[-1] == (False, "ConnectionError" if how == "failing" else "TimeoutError")


@pytest.mark.parametrize("how", ["failing", "slow"])
async def test_a_store_that_can_not_be_closed_holds_nobody_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """An application shuts down in time, and without an error, whatever has become of its Redis."""
    monkeypatch.setattr("ory_guard.cache.store_connection._CLOSE_TIMEOUT", 0.05)
    link = bench.open()
    await link.remaining_budget()
    getattr(bench.store, how).add("aclose")

    started = time.monotonic()
    await link.aclose()

    assert time.monotonic() - started < SOON
    assert bench.store.closed == 1


@pytest.mark.parametrize("lost", [1, 100])
async def test_a_store_that_loses_a_cancellation_holds_nobody_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """What loses one is cancelled again; what loses all is left behind."""
    monkeypatch.setattr("ory_guard.cache.store_connection._CLOSE_TIMEOUT", 1.0)
    left, given_up = lost, False

    async def subscribe() -> AsyncGenerator[tuple[str, ...] | None, None]:
        nonlocal left
        yield ()
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                left -= 1
                if left < 0 or given_up:
                    raise

    monkeypatch.setattr(bench.store, "subscribe", subscribe)
    before = asyncio.all_tasks()
    link = bench.open()
    await link.remaining_budget()

    started = time.monotonic()
    await link.aclose()

    assert time.monotonic() - started < SOON
    assert not link.ready
    assert bench.store.closed == 1
    behind = asyncio.all_tasks() - before
    assert len(behind) == (lost > 1)
    given_up = True
    for task in behind:
        task.cancel()
    await asyncio.gather(*behind, return_exceptions=True)


async def test_sending_revocations_can_not_lose_the_cancellation_of_a_link(
    workers: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop that ends cancels every task once, and waits for all of them."""
    first, _ = workers
    await first.ask()
    begun, end = asyncio.Event(), asyncio.Event()

    async def revoke(_ids: object, _at: float, _ttl: float) -> None:
        begun.set()
        while not end.is_set():
            with suppress(asyncio.CancelledError):
                await end.wait()

    monkeypatch.setattr(first.store, "revoke", revoke)
    revoking = asyncio.create_task(first.second.revoke("session"))
    await begun.wait()
    link = first.second._connections.current()
    assert link is not None

    for task in link._tasks:
        task.cancel()
    done, _ = await asyncio.wait(link._tasks, timeout=SOON)

    assert done == set(link._tasks)
    end.set()
    await revoking
