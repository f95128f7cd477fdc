"""The store connection: subscription, background calls and recovery."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextvars import ContextVar
from functools import partial

import pytest
from support.memory_store import eventually

from ory_guard.kratos.circuit_breaker import CircuitBreaker

from .store_connection_bench import ConnectionBench, fail, hang, respond

pytestmark = pytest.mark.anyio

Messages = AsyncGenerator[tuple[str, ...] | None, None]


async def test_tasks_run_in_an_empty_context(bench: ConnectionBench) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="default")
    variable.set("of a request")
    seen: list[str] = []
    bench.store.on_call = lambda: seen.append(variable.get())
    connection = await bench.ready()

    async def call() -> None:
        seen.append(variable.get())

    connection.run_in_background("put", call)
    await eventually(lambda: len(seen) == 2)
    assert seen == ["default", "default"]


async def test_lost_subscription_is_reported_and_renewed(bench: ConnectionBench) -> None:
    """Any id may have been revoked in the meantime, and requests do not use the store."""
    connection = bench.connect()
    assert not connection.ready
    assert await connection.remaining_budget()
    assert (bench.recoveries, bench.revocations, bench.changes) == (1, [None], [(True, "")])
    bench.store.failing.add("subscribe")

    bench.memory_server.drop_subscriptions()
    await eventually(lambda: not connection.ready)
    assert bench.revocations == [None, None]
    assert bench.changes[-1] == (False, "ConnectionError")

    await eventually(lambda: bench.store.calls.count("subscribe") > 1)
    bench.store.failing.clear()
    await eventually(lambda: connection.ready)
    assert bench.recoveries == 2
    assert bench.revocations == [None, None, None]
    assert bench.changes[-1] == (True, "")


async def test_subscription_is_renewed_when_something_inside_of_it_is_canceled(
    bench: ConnectionBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client library may cancel its reader when the connection drops."""
    subscribe, ends = bench.store.subscribe, asyncio.Event()

    async def subscribe_with_reader() -> Messages:
        monkeypatch.setattr(bench.store, "subscribe", subscribe)
        yield ()
        reader = asyncio.ensure_future(asyncio.Event().wait())
        await ends.wait()
        reader.cancel()
        await reader

    monkeypatch.setattr(bench.store, "subscribe", subscribe_with_reader)
    connection = await bench.ready()

    ends.set()
    await eventually(lambda: (False, "CancelledError") in bench.changes)
    await eventually(lambda: connection.ready)
    assert bench.revocations == [None, None, None]


async def test_subscription_that_ends_without_an_error_is_lost(
    bench: ConnectionBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The iterator of a healthy store does not end."""

    async def subscribe() -> Messages:
        yield ()

    monkeypatch.setattr(bench.store, "subscribe", subscribe)
    connection = bench.connect()

    await eventually(lambda: (False, "subscription ended") in bench.changes)
    assert not connection.ready


async def test_third_slow_call_in_a_row_opens_the_breaker(
    bench: ConnectionBench, store_timeout: Callable[[float], None]
) -> None:
    """Calls that wait at the same time count as one. A successful call starts a new row."""
    connection = await bench.ready()
    store_timeout(0.02)

    for _ in range(2):
        for _ in range(2):
            assert await asyncio.gather(*(connection.calls.call("get", hang) for _ in range(8))) == [None] * 8
        assert await connection.calls.call("get", respond) == "response"
    assert connection.ready
    for _ in range(3):
        assert connection.ready
        assert await connection.calls.call("get", hang) is None

    assert not connection.ready
    assert bench.changes[-1] == (False, "TimeoutError")


async def test_failed_store_is_probed_before_requests_use_it(
    bench: ConnectionBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the cooldown a session is stored, read and deleted; if that fails, the connections are replaced."""
    waits: list[int | None] = []

    def retry_after(key: bytes) -> int | None:
        waits.append(CircuitBreaker.retry_after(bench.breaker, key))
        return waits[-1]

    monkeypatch.setattr(bench.breaker, "retry_after", retry_after)
    connection = await bench.ready()
    assert await connection.calls.call("get", respond) == "response"
    await connection.calls.call("get", fail)
    await eventually(lambda: waits)
    assert set(waits) == {1}
    bench.store.loses_writes = True
    bench.clock.advance(1)

    await eventually(lambda: bench.store.closed)
    assert not connection.ready
    next_call = bench.store.calls[bench.store.calls.index("delete") + 1]
    assert next_call == "aclose", "new connections may lead to another server"

    bench.store.loses_writes = False
    bench.clock.advance(1)
    await eventually(lambda: connection.ready)
    assert bench.changes[-1] == (True, "")
    assert bench.recoveries == 2
    assert bench.memory_server.entries == {}
    assert bench.store.calls.count("subscribe") == 2, "the subscription may be at another server"
    assert bench.revocations == [None, None, None]


async def test_subscription_stays_when_the_first_probe_succeeds(bench: ConnectionBench) -> None:
    """The cache is not cleared because of one slow call."""
    connection = await bench.ready()
    await connection.calls.call("get", fail)
    bench.clock.advance(1)

    await eventually(lambda: connection.ready and bench.recoveries == 2)

    assert bench.store.calls == ["subscribe", "put", "get", "delete"]
    assert bench.revocations == [None]


@pytest.mark.parametrize("loses_writes", [False, True])
async def test_idle_store_is_probed(
    bench: ConnectionBench, monkeypatch: pytest.MonkeyPatch, *, loses_writes: bool
) -> None:
    """A store that accepts no writes is noticed; the cache is cleared when a second probe fails."""
    monkeypatch.setattr("ory_guard.cache.store_connection._PROBE_INTERVAL", 0.0)
    connection = await bench.ready()
    await eventually(lambda: bench.store.calls.count("delete") >= 2)
    assert connection.ready
    assert bench.revocations == [None]

    bench.store.loses_writes = loses_writes
    if not loses_writes:
        bench.store.failing.add("put")
    await eventually(lambda: not connection.ready)
    assert (False, "probe failed" if loses_writes else "ConnectionError") in bench.changes
    for attempts in (1, 2):
        bench.clock.advance(1)
        await eventually(lambda: bench.store.closed >= attempts)  # noqa: B023 - awaited at once
    assert bench.revocations == [None, None]


async def test_subscription_that_is_lost_during_a_probe_is_renewed(
    bench: ConnectionBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await bench.ready()
    bench.store.loses_writes = True
    await connection.calls.call("get", fail)
    bench.clock.advance(1)
    await eventually(lambda: bench.store.closed)
    bench.store.loses_writes = False
    delete = bench.store.delete

    async def delete_and_disconnect(keys: Sequence[bytes]) -> None:
        await delete(keys)
        bench.memory_server.drop_subscriptions()
        await eventually(lambda: not connection.subscribed)

    monkeypatch.setattr(bench.store, "delete", delete_and_disconnect)
    bench.clock.advance(1)

    await eventually(lambda: connection.ready)
    assert bench.store.calls.count("subscribe") == 2
    assert bench.revocations == [None, None, None, None]


async def test_background_calls_are_limited(bench: ConnectionBench) -> None:
    """They are dropped before the store is ready, and if 256 of them are running."""
    done: list[int] = []
    connection = bench.connect()

    async def call(number: int) -> None:
        done.append(number)

    connection.run_in_background("put", partial(call, 0))
    await connection.remaining_budget()
    for number in range(1, 400):
        connection.run_in_background("put", partial(call, number))
    assert done == [], "the request does not wait for them"
    await eventually(lambda: len(done) == 256)

    assert done == list(range(1, 257))


async def test_aclose_ends_all_tasks_and_closes_the_store(bench: ConnectionBench) -> None:
    before = asyncio.all_tasks()
    connection = await bench.ready()

    async def call() -> None:
        await asyncio.Event().wait()

    connection.run_in_background("put", call)
    await connection.aclose()

    assert asyncio.all_tasks() == before
    assert not connection.ready
    assert bench.store.closed == 1
    assert bench.memory_server.subscribers == []
