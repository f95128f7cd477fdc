"""The link to a store: every call is bounded, the first failure stops the asking, and the link mends itself."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextvars import ContextVar
from functools import partial

import pytest
from support.link_bench import Bench, answer, fail
from support.memory_store import MemoryStore, eventually

from ory_guard.kratos.circuit_breaker import CircuitBreaker

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """A store, and no link yet; an idle link does not try it out."""
    monkeypatch.setattr("ory_guard.cache.store_connection._PROBE_INTERVAL", 3_600.0)
    made = Bench()
    yield made
    await made.close()


async def test_a_link_is_ready_once_its_subscription_stands(bench: Bench) -> None:
    """Whoever asks first waits for that, and no longer."""
    link = bench.open()

    assert not link.ready
    assert await link.remaining_budget()
    assert link.ready
    assert (bench.recovered, bench.heard, bench.changes) == (1, [None], [(True, "")])


async def test_a_link_keeps_nothing_of_the_request_that_opened_it(bench: Bench) -> None:
    """Neither do its errands: what a request set for itself is not seen there."""
    current: ContextVar[str] = ContextVar("current", default="nobody's")
    current.set("a request's")
    seen: list[str] = []
    bench.store.on_call = lambda: seen.append(current.get())
    link = bench.open()
    await link.remaining_budget()

    async def errand() -> None:
        seen.append(current.get())

    link.run_in_background(errand)
    await eventually(lambda: len(seen) == 2)
    assert seen == ["nobody's", "nobody's"]


async def test_a_link_hears_what_others_revoke(bench: Bench) -> None:
    """And that something may have been revoked which can't be read."""
    await bench.open().remaining_budget()

    await MemoryStore(bench.shelf).revoke(["session-1"], 0.0, 1.0)
    bench.shelf.listeners[0].put_nowait(None)

    await eventually(lambda: len(bench.heard) == 3)
    assert bench.heard == [None, ("session-1",), None]


async def test_a_lost_subscription_is_told_and_made_again(bench: Bench) -> None:
    """What was missed is unknown, so nothing that was known counts; nobody uses the store meanwhile."""
    link = bench.open()
    await link.remaining_budget()
    bench.store.failing.add("subscribe")

    bench.shelf.drop_subscriptions()
    await eventually(lambda: not link.ready)
    assert bench.heard == [None, None]
    assert bench.changes[-1] == (False, "ConnectionError")

    await eventually(lambda: bench.store.calls.count("subscribe") > 1)
    bench.store.failing.clear()
    await eventually(lambda: link.ready)
    assert bench.recovered == 2
    assert bench.heard == [None, None, None]
    assert bench.changes[-1] == (True, "")


async def test_a_subscription_that_is_cancelled_from_elsewhere_is_lost_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client library that ends its reader so, when the connection drops, leaves no link deaf."""
    subscribe, ends = bench.store.subscribe, asyncio.Event()

    async def whose_reader_ends() -> AsyncGenerator[tuple[str, ...] | None, None]:
        monkeypatch.setattr(bench.store, "subscribe", subscribe)
        yield ()
        reader = asyncio.ensure_future(asyncio.Event().wait())
        await ends.wait()
        reader.cancel()
        await reader

    monkeypatch.setattr(bench.store, "subscribe", whose_reader_ends)
    link = bench.open()
    await link.remaining_budget()

    ends.set()
    await eventually(lambda: (False, "CancelledError") in bench.changes)
    await eventually(lambda: link.ready)
    assert bench.heard == [None, None, None]


async def test_a_subscription_that_just_ends_is_lost_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that yields no more is no store that is quiet."""

    async def ends_at_once() -> AsyncGenerator[tuple[str, ...] | None, None]:
        yield ()

    monkeypatch.setattr(bench.store, "subscribe", ends_at_once)
    link = bench.open()

    await eventually(lambda: (False, "subscription ended") in bench.changes)
    assert not link.ready


async def test_a_link_tries_a_failed_store_out_before_anybody_else_does(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A made-up session is put, got and deleted, after a pause; then requests may ask again."""
    held: list[int | None] = []

    def note(key: bytes) -> int | None:
        held.append(CircuitBreaker.retry_after(bench.breaker, key))
        return held[-1]

    monkeypatch.setattr(bench.breaker, "retry_after", note)
    link = bench.open()
    await link.remaining_budget()
    assert await link.call(answer) == "answer"
    await link.call(fail)
    await eventually(lambda: held)
    assert set(held) == {1}
    bench.store.garbled = True
    bench.clock.advance(1)

    await eventually(lambda: bench.store.closed)
    assert not link.ready
    following = bench.store.calls[bench.store.calls.index("delete") + 1]
    assert following == "aclose", "connections were closed, since new ones may lead elsewhere"

    bench.store.garbled = False
    bench.clock.advance(1)
    await eventually(lambda: link.ready)
    assert bench.changes[-1] == (True, "")
    assert bench.recovered == 2
    assert bench.shelf.entries == {}
    assert bench.store.calls.count("subscribe") == 2, "the old one may be at another server"
    assert bench.heard == [None, None, None, None]


async def test_a_link_that_failed_once_keeps_its_subscription(bench: Bench) -> None:
    """What is known here is not forgotten for one slow answer."""
    link = bench.open()
    await link.remaining_budget()
    await link.call(fail)
    bench.clock.advance(1)

    await eventually(lambda: link.ready and bench.recovered == 2)

    assert bench.store.calls == ["subscribe", "put", "get", "delete"]
    assert bench.heard == [None]


@pytest.mark.parametrize("how", ["failing", "garbled"])
async def test_idle_link_notices_that_its_store_takes_no_writes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """It tries the store out now and then; what is known here is forgotten once that fails twice."""
    monkeypatch.setattr("ory_guard.cache.store_connection._PROBE_INTERVAL", 0.0)
    link = bench.open()
    await link.remaining_budget()
    await eventually(lambda: bench.store.calls.count("delete") >= 2)
    assert link.ready
    assert bench.heard == [None]

    bench.store.garbled = how == "garbled"
    if how == "failing":
        bench.store.failing.add("put")
    await eventually(lambda: not link.ready)
    assert (False, {"failing": "ConnectionError", "garbled": "probe failed"}[how]) in bench.changes
    for attempts in (1, 2):
        bench.clock.advance(1)
        await eventually(lambda: bench.store.closed >= attempts)  # noqa: B023 - awaited at once
    assert bench.heard == [None, None]


async def test_a_link_that_lost_its_subscription_makes_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while it tries the store out."""
    link = bench.open()
    await link.remaining_budget()
    bench.store.garbled = True
    await link.call(fail)
    bench.clock.advance(1)
    await eventually(lambda: bench.store.closed)
    bench.store.garbled = False
    delete = bench.store.delete

    async def delete_and_lose(keys: Sequence[bytes]) -> None:
        await delete(keys)
        bench.shelf.drop_subscriptions()
        await eventually(lambda: not link.subscribed)

    monkeypatch.setattr(bench.store, "delete", delete_and_lose)
    bench.clock.advance(1)

    await eventually(lambda: link.ready)
    assert bench.store.calls.count("subscribe") == 2
    assert bench.heard == [None, None, None, None]


async def test_errands_are_done_beside_the_request(bench: Bench) -> None:
    """Nobody waits for them."""
    link = bench.open()
    await link.remaining_budget()
    done: list[str] = []

    async def errand() -> None:
        done.append("done")

    link.run_in_background(errand)
    assert done == []
    await eventually(lambda: done)


async def test_errands_are_dropped_where_nobody_can_do_them(bench: Bench) -> None:
    """Neither without a store, nor where it does not keep up."""
    done: list[int] = []
    link = bench.open()

    async def errand(number: int) -> None:
        done.append(number)

    link.run_in_background(partial(errand, 0))
    await link.remaining_budget()
    for number in range(1, 400):
        link.run_in_background(partial(errand, number))
    await eventually(lambda: len(done) == 256)

    assert done == list(range(1, 257))


async def test_a_link_ends_with_everything_it_started(bench: Bench) -> None:
    """No task is left, and the store is closed."""
    before = asyncio.all_tasks()
    link = bench.open()
    await link.remaining_budget()

    async def errand() -> None:
        await asyncio.Event().wait()

    link.run_in_background(errand)
    await link.aclose()

    assert asyncio.all_tasks() == before
    assert not link.ready
    assert bench.store.closed == 1
    assert bench.shelf.listeners == []
