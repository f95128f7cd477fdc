"""The store connection with a store that does not respond, or that loses cancellations."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

import pytest
from support.memory_store import SOON, eventually
from support.worker_bench import Worker

from .store_connection_bench import ConnectionBench

pytestmark = pytest.mark.anyio

Messages = AsyncGenerator[tuple[str, ...] | None, None]


async def test_only_the_first_request_waits_for_a_store_that_does_not_respond(
    bench: ConnectionBench, store_timeout: Callable[[float], None]
) -> None:
    """It waits until the timeout; the next one returns at once, whatever the timeout."""
    store_timeout(0.05)
    bench.store.hanging.add("subscribe")
    connection = bench.connect()

    started = asyncio.get_running_loop().time()
    assert not await connection.remaining_budget()
    assert asyncio.get_running_loop().time() - started == pytest.approx(0.05, abs=0.01)

    store_timeout(3_600)
    assert not await connection.remaining_budget()


async def test_store_that_was_late_for_one_request_is_probed_before_the_next(
    bench: ConnectionBench, store_timeout: Callable[[float], None]
) -> None:
    bench.store.held["subscribe"] = confirmed = asyncio.Event()
    connection = bench.connect()
    store_timeout(0.05)
    assert not await connection.remaining_budget()

    store_timeout(SOON)
    confirmed.set()
    await eventually(lambda: connection.subscribed)
    assert not await connection.remaining_budget()
    bench.clock.advance(1)

    await eventually(lambda: connection.ready)
    assert bench.store.calls == ["subscribe", "put", "get", "delete"]


async def test_waiting_for_the_connection_reduces_the_budget(bench: ConnectionBench) -> None:
    bench.store.held["subscribe"] = confirmed = asyncio.Event()
    connection = bench.connect()
    asyncio.get_running_loop().call_later(0.03, confirmed.set)

    assert 0 < await connection.remaining_budget() <= SOON - 0.029
    assert await connection.remaining_budget() == SOON


@pytest.mark.parametrize("how", ["failing", "hanging"])
async def test_aclose_returns_if_the_store_can_not_be_closed(
    bench: ConnectionBench, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """An application shuts down in time and without an error, whatever the state of its Redis."""
    monkeypatch.setattr("ory_guard.cache.store_connection._CLOSE_TIMEOUT", 0.05)
    connection = await bench.ready()
    getattr(bench.store, how).add("aclose")

    started = asyncio.get_running_loop().time()
    await connection.aclose()

    assert asyncio.get_running_loop().time() - started < SOON
    assert bench.store.closed == 1


@pytest.mark.parametrize("lost", [1, 100])
async def test_aclose_repeats_a_lost_cancellation_once(
    bench: ConnectionBench, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    monkeypatch.setattr("ory_guard.cache.store_connection._CLOSE_TIMEOUT", 1.0)
    remaining, is_over = lost, False

    async def subscribe() -> Messages:
        nonlocal remaining
        yield ()
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                remaining -= 1
                if remaining < 0 or is_over:
                    raise

    monkeypatch.setattr(bench.store, "subscribe", subscribe)
    before = asyncio.all_tasks()
    connection = await bench.ready()

    started = asyncio.get_running_loop().time()
    await connection.aclose()

    assert asyncio.get_running_loop().time() - started < SOON
    assert not connection.ready
    assert bench.store.closed == 1
    abandoned = asyncio.all_tasks() - before
    assert len(abandoned) == (lost > 1)
    is_over = True
    for task in abandoned:
        task.cancel()
    await asyncio.gather(*abandoned, return_exceptions=True)


async def test_tasks_end_when_they_are_canceled_while_revocations_are_sent(
    workers: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event loop cancels each task once at its end, and waits for all of them."""
    first, _ = workers
    await first.ask()
    started, end = asyncio.Event(), asyncio.Event()

    async def revoke(_ids: object, _at: float, _ttl: float) -> None:
        started.set()
        while not end.is_set():
            with suppress(asyncio.CancelledError):
                await end.wait()

    monkeypatch.setattr(first.store, "revoke", revoke)
    revoking = asyncio.create_task(first.shared_cache.revoke("session"))
    await started.wait()
    connection = first.shared_cache._connections.current()
    assert connection is not None

    for task in connection._tasks:
        task.cancel()
    done, _ = await asyncio.wait(connection._tasks, timeout=SOON)

    assert done == set(connection._tasks)
    end.set()
    await revoking
