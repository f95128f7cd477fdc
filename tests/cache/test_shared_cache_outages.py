"""The shared session cache when the store becomes unavailable and available again."""

import asyncio

import pytest
from support.memory_store import MemoryServer, eventually
from support.scripted_kratos import SESSION_ID, signed_in
from support.worker_bench import Worker

from ory_guard.cache import ALL_IDS
from ory_guard.events import RevocationsDropped, RevocationsHeard

pytestmark = pytest.mark.anyio


async def test_pending_revocations_are_limited_in_number_and_age(
    memory_server: MemoryServer, workers: tuple[Worker, Worker], caplog: pytest.LogCaptureFixture
) -> None:
    """At most 10,000, and none that is older than every cached session and every JWT."""
    first, _ = workers
    first.store.failing.add("subscribe")
    await first.shared_cache.revoke(*(f"session-{number}" for number in range(10_001)))
    assert first.guard.stats().pending_revocations == 10_000
    assert "revocations.dropped count=2" in caplog.messages
    assert not first.shared_cache.pending.are_unsent(["session-0"], first.clock.time())

    first.clock.advance(60)
    await first.shared_cache.revoke("session-1")
    first.clock.advance(841)
    await first.shared_cache.revoke("session-new")
    first.store.failing.clear()

    await eventually(lambda: not first.guard.stats().degraded)
    assert set(memory_server.revoked) == {"session-1", "session-new"}
    assert memory_server.revocation_ttls == {"session-1": 59.0, "session-new": 900.0}
    assert first.guard.stats().pending_revocations == 0


async def test_revocation_is_repeated_soon_after_a_new_subscription(
    workers: tuple[Worker, Worker], memory_server: MemoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the store has rejected it: another server may be the primary now."""
    monkeypatch.setattr("ory_guard.cache.store_connection._COOLDOWN", 0.0)
    first, _ = workers
    time = asyncio.get_running_loop().time
    await first.ask()
    first.store.failing.add("revoke")
    await first.shared_cache.revoke("session")
    await asyncio.sleep(100.0)
    rejected = first.store.calls.count("revoke")
    memory_server.drop_subscriptions()
    await eventually(lambda: first.store.calls.count("revoke") > rejected)

    first.store.failing.clear()
    started = time()
    await eventually(lambda: "session" in memory_server.revoked)

    assert time() - started < 1.0


async def test_sessions_of_dropped_revocations_are_not_used_by_other_processes(
    workers: tuple[Worker, Worker], memory_server: MemoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither from the cache of a connected process, nor from the store by a new one."""
    monkeypatch.setattr("ory_guard.cache.pending_revocations._MAX_PENDING", 2)
    first, second = workers
    await second.share()
    first.store.failing.add("subscribe")
    await first.shared_cache.revoke(SESSION_ID)
    await first.shared_cache.revoke("other", "another", "third")
    assert first.emitted(RevocationsDropped) == [RevocationsDropped(3)]

    first.store.failing.clear()
    await eventually(lambda: ALL_IDS in memory_server.revoked)
    await eventually(lambda: second.emitted(RevocationsHeard))

    assert SESSION_ID not in memory_server.revoked
    assert memory_server.entries, "the store can't find the session by its id"
    for worker in (second, Worker(memory_server, signed_in())):
        assert await worker.source() == "upstream"
        await worker.guard.aclose()
