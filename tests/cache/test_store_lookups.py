"""Two workers with a store that grants leases: one calls Kratos, and the other one waits for its result."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from contextvars import ContextVar
from math import inf
from typing import Any

import pytest
from support.guard_bench import request
from support.memory_store import SOON, MemoryServer, eventually
from support.scripted_kratos import TOKEN, ScriptedReply, aal2_session, refused, signed_in
from support.worker_bench import Worker

from ory_guard import Rejected
from ory_guard.events import StoreChanged, StoreWaited
from ory_guard.exceptions import ReauthenticationRequired, Refusal
from ory_guard.models.credential import Credential

from .limited_store import LeasingMemoryStore

pytestmark = pytest.mark.anyio

USER: ContextVar[str] = ContextVar("USER", default="none")


class LeasingWorker(Worker):
    """A worker whose store is a `LeasingMemoryStore`."""

    store: LeasingMemoryStore

    def __init__(self, memory_server: MemoryServer, *responses: ScriptedReply, **options: Any) -> None:
        super().__init__(memory_server, *responses, store_type=LeasingMemoryStore, **options)

    async def connect(self) -> None:
        """Connect the worker to the store, and wait for its subscription, which counts as an invalidation."""
        responses, self.kratos.responses = self.kratos.responses, [refused()]
        assert await self.ask(b"unknown-to-all") == Rejected("inactive", "x_session_token")
        await eventually(lambda: self.emitted(StoreChanged))
        self.kratos.responses = responses
        self.kratos.requests.clear()
        self.store.calls.clear()

    async def waiting(self) -> "asyncio.Task[str]":
        """Start a request, and return it when it has looked into the store twice."""
        asking = asyncio.ensure_future(self.source())
        await eventually(lambda: self.store.calls.count("look_up") >= 2)
        return asking


Workers = tuple[LeasingWorker, LeasingWorker]


@pytest.fixture
async def leasing(memory_server: MemoryServer) -> AsyncIterator[Workers]:
    """Two workers that are connected."""
    both = LeasingWorker(memory_server), LeasingWorker(memory_server)
    for worker in both:
        await worker.connect()
    yield both
    for worker in both:
        worker.kratos.release()
        await worker.guard.aclose()


async def hold(holder: LeasingWorker, *responses: ScriptedReply) -> "asyncio.Task[str]":
    """Start a request that waits for Kratos and holds the lease."""
    holder.kratos.responses = [*responses, signed_in()]
    holder.kratos.hold()
    asking = asyncio.ensure_future(holder.source())
    await eventually(lambda: holder.calls)
    assert len(holder.memory_server.leases) == 1
    return asking


async def test_other_worker_waits_for_the_session(leasing: Workers) -> None:
    holder, other = leasing
    first = await hold(holder)
    second = await other.waiting()
    other.clock.advance(0.5)
    holder.kratos.release()

    assert (await first, await second) == ("upstream", "store")
    assert (holder.calls, other.calls) == (1, 0)
    ((key, _),) = holder.memory_server.entries.items()
    assert other.emitted(StoreWaited) == [StoreWaited(key.hex()[:8], 0.5, found=True)]
    assert holder.emitted(StoreWaited) == []
    assert holder.memory_server.leases == {}
    assert await other.source() == "cache"


@pytest.mark.parametrize(
    "reply",
    [
        refused(),
        refused(403, "session_aal2_required"),
        refused(429),
        refused(503),
        ConnectionError(),
        signed_in(ory_session_cache_for="0s"),
    ],
    ids=["401", "403", "429", "503", "no response", "not stored"],
)
async def test_result_that_is_not_stored_ends_the_lease(leasing: Workers, reply: ScriptedReply) -> None:
    """The other worker calls Kratos at once, without a lease."""
    holder, other = leasing
    first = await hold(holder, reply)
    second = await other.waiting()
    other.kratos.hold()
    holder.kratos.release()
    await eventually(lambda: other.calls == 1)
    assert holder.memory_server.leases == {}
    other.kratos.release()

    assert await second == "upstream"
    assert "release_lease" in holder.store.calls
    assert [event.found for event in other.emitted(StoreWaited) if isinstance(event, StoreWaited)] == [False]
    await first


async def test_refusal_without_a_call_ends_the_lease(leasing: Workers, memory_server: MemoryServer) -> None:
    holder, _ = leasing
    holder.kratos.responses = [refused(503)]
    while holder.guard.stats().breaker == "closed":
        await holder.ask(b"unknown-%d" % holder.calls)
    calls = holder.calls

    assert await holder.source() == "Unavailable"
    assert holder.calls == calls
    assert memory_server.leases == {}


async def test_session_that_is_not_put_into_the_store_ends_the_lease(leasing: Workers) -> None:
    holder, other = leasing
    first = await hold(holder)
    holder.store.error = ConnectionError()
    await holder.shared_cache.get(b"key", Credential("x_session_token", b"x-session-token", b"another"))
    holder.kratos.release()

    assert await first == "upstream"
    assert holder.memory_server.leases == {}
    assert not holder.memory_server.entries
    assert await other.source() == "upstream"


async def revoke(worker: LeasingWorker) -> None:
    """Revoke any session in this process."""
    worker.guard.authentication.invalidate("another-session")


async def log_out(worker: LeasingWorker) -> None:
    worker.guard.authentication.cache.invalidate_credential(b"another")


@pytest.mark.parametrize("invalidate", [revoke, log_out])
@pytest.mark.parametrize("is_waiting", [False, True], ids=["before", "while waiting"])
async def test_lease_that_is_older_than_a_revocation_is_not_awaited(
    leasing: Workers, invalidate: Callable[[LeasingWorker], Awaitable[None]], *, is_waiting: bool
) -> None:
    """The response that its holder waits for may be older, too."""
    holder, other = leasing
    first = await hold(holder)
    second = await other.waiting() if is_waiting else None
    await invalidate(other)

    assert await (second or other.source()) == "upstream"
    assert not first.done()
    holder.kratos.release()
    await first


@pytest.mark.parametrize(("age", "calls"), [(0.5, 0), (1.5, 1), (inf, 1)], ids=["younger", "older", "unknown"])
async def test_age_of_the_lease_is_compared_with_the_last_revocation(
    leasing: Workers, memory_server: MemoryServer, age: float, calls: int
) -> None:
    holder, other = leasing
    await revoke(other)
    other.clock.advance(1)
    first = await hold(holder)
    ((key, (token, _)),) = memory_server.leases.items()
    memory_server.leases[key] = token, age
    second = asyncio.ensure_future(other.source())
    await eventually(lambda: other.calls or other.store.calls.count("look_up") >= 3)
    holder.kratos.release()
    await asyncio.gather(first, second)

    assert other.calls == calls


async def test_wait_ends_before_the_timeout(leasing: Workers) -> None:
    """After half of it, so that there is time for a call."""
    holder, other = leasing
    first = await hold(holder)
    second = await other.waiting()
    other.clock.advance(other.guard.settings.timeout / 2)

    assert await second == "upstream"
    assert not first.done()
    holder.kratos.release()
    await first


@pytest.mark.parametrize("is_cold", [False, True], ids=["connected", "first check"])
async def test_wait_and_call_end_at_the_deadline(
    leasing: Workers, memory_server: MemoryServer, monkeypatch: pytest.MonkeyPatch, *, is_cold: bool
) -> None:
    monkeypatch.setattr("ory_guard.cache.store_timeout._INITIAL_LIMIT", SOON)
    holder, other = leasing[0], LeasingWorker(memory_server) if is_cold else leasing[1]
    first = await hold(holder)
    other.kratos.hold()
    loop, timeout = asyncio.get_running_loop(), other.guard.settings.timeout
    second = await other.waiting()
    started = loop.time()
    other.clock.advance(timeout / 2)

    assert await second == "Unavailable"
    assert loop.time() - started == pytest.approx(timeout / 2, abs=1)
    assert other.guard.stats().breaker == "closed"
    other.kratos.release()
    await eventually(lambda: memory_server.entries)
    assert await other.source() == "cache"
    holder.kratos.release()
    await first
    await other.guard.aclose()


@pytest.mark.parametrize("error", [ConnectionError(), TimeoutError()], ids=["error", "slow"])
async def test_failing_store_ends_the_wait(leasing: Workers, error: Exception) -> None:
    holder, other = leasing
    first = await hold(holder)
    second = await other.waiting()
    other.store.error = error

    assert await second == "upstream"
    holder.kratos.release()
    await first


async def test_store_that_becomes_unavailable_ends_the_wait(
    leasing: Workers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    holder, other = leasing
    first = await hold(holder)
    (key,) = other.memory_server.leases
    second = await other.waiting()
    other.memory_server.drop_subscriptions()
    assert await second == "upstream"
    await eventually(lambda: not other.guard.stats().degraded)
    other.guard.authentication.cache.clear()
    other.memory_server.entries.clear()
    other.store.calls.clear()
    other.memory_server.leases = {key: (b"another", 0.0)}
    third = await other.waiting()
    monkeypatch.setattr(other.store, "look_up_or_lease", lambda *_: dict[str, int]()["secret"])

    assert await third == "upstream"
    assert "check.internal_error error=KeyError" in caplog.text
    assert "secret" not in caplog.text
    holder.kratos.release()
    await first


@pytest.mark.parametrize(
    ("condition", "refusal"),
    [({"revalidate": True}, None), ({"max_age": 60}, ReauthenticationRequired)],
    ids=["route", "step-up"],
)
async def test_revalidation_neither_waits_nor_gets_a_lease(
    leasing: Workers, memory_server: MemoryServer, condition: Any, refusal: type[Refusal] | None
) -> None:
    holder, other = leasing
    other.kratos.responses = [signed_in(aal2_session(-3_600, -3_600))]
    assert await other.source() == "upstream"
    await eventually(lambda: memory_server.entries)
    memory_server.entries.clear()
    first = await hold(holder)
    other.store.calls.clear()
    with pytest.raises(refusal) if refusal else nullcontext():
        await other.guard.require(request(), **condition)

    assert other.calls == 2
    assert "look_up" not in other.store.calls
    holder.kratos.release()
    await first


async def test_first_check_of_a_process_gets_the_lease_or_waits(
    memory_server: MemoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the connection to the store is open, which the check awaits for longer here."""
    monkeypatch.setattr("ory_guard.cache.store_timeout._INITIAL_LIMIT", SOON)
    workers = [LeasingWorker(memory_server) for _ in range(3)]
    holder, other, closed = workers
    first = await hold(holder)
    second, third = await other.waiting(), await closed.waiting()
    await closed.guard.aclose()
    assert await third == "Unavailable"
    holder.kratos.release()

    assert (await first, await second) == ("upstream", "store")
    for worker in workers:
        await worker.guard.aclose()


async def test_closing_the_guard_ends_its_leases_and_waits(leasing: Workers, memory_server: MemoryServer) -> None:
    holder, other = leasing
    first = await hold(holder)
    second = await other.waiting()
    await other.guard.aclose()
    assert await second == "Unavailable"
    await holder.guard.aclose()

    assert await first == "Unavailable"
    assert memory_server.leases == {}


async def test_lookup_without_a_call_to_kratos_neither_waits_nor_gets_a_lease(
    leasing: Workers, memory_server: MemoryServer
) -> None:
    holder, other = leasing
    first = await hold(holder)
    for value in (TOKEN, b"another"):
        found = await other.shared_cache.get(
            b"key", Credential("x_session_token", b"x-session-token", value), is_leased=False
        )
        assert found == (None, None)

    assert len(memory_server.leases) == 1
    holder.kratos.release()
    await first


async def test_wait_does_not_keep_the_variables_of_the_request(leasing: Workers) -> None:
    """Listeners are called by a timer, whose context is that of no request."""
    holder, other = leasing
    first = await hold(holder)
    seen: list[str] = []
    other.guard.listeners.add(lambda event: seen.append(USER.get()) if isinstance(event, StoreWaited) else None)
    USER.set("the user of the request")
    second = await other.waiting()
    holder.kratos.release()
    await asyncio.gather(first, second)

    assert seen == ["none"]
