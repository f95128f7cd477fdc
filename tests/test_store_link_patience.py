"""A link's patience: one request waits for a store that is late, a short while, and no other does."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from link_bench import Bench, fail, never
from memory_store import eventually

from ory_guard.store_link import PATIENCE

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A store, and no link yet."""
    made = Bench()
    yield made
    await made.close()


async def test_one_request_waits_for_a_store_that_does_not_answer_and_no_other(bench: Bench) -> None:
    """It waits for fifty milliseconds."""
    bench.store.slow.add("subscribe")
    link = bench.open()

    started = time.monotonic()
    assert not await link.settle()
    first = time.monotonic() - started
    started = time.monotonic()
    assert not await link.settle()
    second = time.monotonic() - started

    assert second < 0.02 < first < 0.5


async def test_a_store_that_was_late_for_one_request_is_tried_out_before_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
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
    assert not await link.settle()

    door.set()
    await eventually(lambda: link.subscribed)
    assert not await link.settle()
    bench.clock.advance(1)

    await eventually(lambda: link.ready)
    assert bench.store.calls == ["subscribe", "put", "get", "delete"]


async def test_waiting_for_the_connection_is_part_of_the_patience(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that waited thirty milliseconds for it waits twenty for the answer; the next one has all of it."""
    subscribe = bench.store.subscribe

    async def subscribe_slowly() -> AsyncGenerator[tuple[str, ...] | None, None]:
        await asyncio.sleep(0.03)
        async for message in subscribe():
            yield message

    monkeypatch.setattr(bench.store, "subscribe", subscribe_slowly)
    link = bench.open()

    left = await link.settle()

    assert 0 < left <= PATIENCE - 0.029
    assert await link.settle() == PATIENCE


@pytest.mark.parametrize("how", ["failing", "slow"])
async def test_the_first_bad_call_stops_the_asking(bench: Bench, how: str) -> None:
    """It is bounded, its caller gets nothing, and the breaker opens."""
    link = bench.open()
    await link.settle()

    started = time.monotonic()
    assert await link.call(fail if how == "failing" else never) is None

    assert time.monotonic() - started < 0.5
    assert not link.ready
    assert bench.changes[-1] == (False, "ConnectionError" if how == "failing" else "TimeoutError")


@pytest.mark.parametrize("how", ["failing", "slow"])
async def test_a_store_that_can_not_be_closed_holds_nobody_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """An application shuts down in time, and without an error, whatever has become of its Redis."""
    monkeypatch.setattr("ory_guard.store_link._PATIENCE_TO_CLOSE", 0.05)
    link = bench.open()
    await link.settle()
    getattr(bench.store, how).add("aclose")

    started = time.monotonic()
    await link.aclose()

    assert time.monotonic() - started < 0.5
    assert bench.store.closed == 1
