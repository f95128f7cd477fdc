"""Revocations and lifetimes during any sequence of outages."""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from support.guard_bench import Bench
from support.memory_store import MemoryServer, MemoryStore, eventually
from support.minting import token_of
from support.scripted_kratos import IDENTITY_ID, SESSION_ID, refused, signed_in
from support.token_bench import KEY, TokenBench
from support.worker_bench import Worker

from ory_guard.events import RevocationsHeard, RevocationsSent

pytestmark = pytest.mark.anyio


async def _yield_randomly(rng: random.Random) -> None:
    for _ in range(rng.randrange(6)):
        await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(60))
async def test_every_revocation_arrives(
    memory_server: MemoryServer, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Subscriptions and calls fail at random times; afterwards no revocation is pending."""
    monkeypatch.setattr("ory_guard.cache.store_connection._INITIAL_BACKOFF", 0.0)
    monkeypatch.setattr("ory_guard.cache.store_connection._COOLDOWN", 0.0)
    rng = random.Random(seed)
    worker = Worker(memory_server)
    subscribe, revoke = worker.store.subscribe, worker.store.revoke
    faults = True

    async def subscribe_unreliably() -> AsyncGenerator[tuple[str, ...] | None, None]:
        await _yield_randomly(rng)
        messages = subscribe()
        try:
            async for message in messages:
                yield message
        finally:
            await messages.aclose()

    async def revoke_unreliably(ids: Sequence[str], at: float, ttl: float) -> None:
        await _yield_randomly(rng)
        if faults and rng.random() < 0.4:
            raise ConnectionError
        await revoke(ids, at, ttl)
        await _yield_randomly(rng)
        if faults and rng.random() < 0.2:
            memory_server.drop_subscriptions()

    monkeypatch.setattr(worker.store, "subscribe", subscribe_unreliably)
    monkeypatch.setattr(worker.store, "revoke", revoke_unreliably)
    calls = []
    for number in range(20):
        calls.append(asyncio.create_task(worker.shared_cache.revoke(f"session-{number}")))
        await _yield_randomly(rng)
        if rng.random() < 0.2:
            memory_server.drop_subscriptions()
    await asyncio.gather(*calls)
    faults = False

    await eventually(lambda: not worker.guard.stats().pending_revocations)
    assert set(memory_server.revoked) == {f"session-{number}" for number in range(20)}
    await worker.guard.aclose()


async def test_revocation_during_the_flush_after_a_reconnect_is_sent(
    workers: tuple[Worker, Worker], memory_server: MemoryServer
) -> None:
    """It is not in the current batch. The store is reported as up when both batches were sent."""
    first, second = workers
    first.store.failing.add("subscribe")
    await second.ask()
    await first.shared_cache.revoke("before")
    first.store.held["revoke"] = released = asyncio.Event()
    first.store.failing.clear()
    await eventually(lambda: "revoke" in first.store.calls)
    concurrent = asyncio.create_task(first.shared_cache.revoke("concurrent"))
    await asyncio.sleep(0)
    assert first.guard.stats().store == "down"
    released.set()
    await concurrent

    await eventually(lambda: first.guard.stats().store == "up")
    assert set(memory_server.revoked) == {"before", "concurrent"}
    assert first.emitted(RevocationsSent) == [RevocationsSent(1)] * 2
    await eventually(lambda: second.emitted(RevocationsHeard) == [RevocationsHeard(1)] * 2)


async def test_closing_a_guard_keeps_the_pending_revocations(
    workers: tuple[Worker, Worker], memory_server: MemoryServer
) -> None:
    """They are sent when the guard is used again. The caller of `revoke` does not wait for that."""
    first, _ = workers
    await first.ask()
    first.store.hanging.add("revoke")
    revoking = asyncio.create_task(first.shared_cache.revoke("session"))
    await eventually(lambda: "revoke" in first.store.calls)

    await first.guard.aclose()
    await revoking
    assert first.guard.stats().pending_revocations == 1
    first.store.hanging.clear()
    await first.ask(b"another")

    await eventually(lambda: "session" in memory_server.revoked)


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [({}, 5), ({"disconnected_ttl": 0}, 0), ({"disconnected_ttl": 20}, 20), ({"disconnected_ttl": 600}, 30)],
    ids=str,
)
async def test_session_is_cached_for_disconnected_ttl_without_a_subscription(
    memory_server: MemoryServer, settings: dict[str, Any], seconds: int
) -> None:
    """But at most for `cache_ttl`. A reconnect clears the cache; later entries have their usual lifetime."""
    worker = Worker(memory_server, **settings)
    await worker.ask()
    worker.store.failing.add("subscribe")
    memory_server.drop_subscriptions()
    await eventually(lambda: worker.guard.stats().degraded)

    assert await worker.source() == "upstream"
    if seconds:
        worker.clock.advance(seconds - 1.6)
        assert await worker.source() == "cache"
        worker.clock.advance(1.6)
    assert await worker.source() == "upstream"

    memory_server.entries.clear()
    worker.store.failing.clear()
    await eventually(lambda: not worker.guard.stats().degraded)
    assert worker.guard.stats().entries == 0
    assert await worker.source() == "upstream"
    worker.clock.advance(10)
    assert await worker.source() == "cache"
    await worker.guard.aclose()


async def test_disconnected_ttl_does_not_apply_to_refusals(memory_server: MemoryServer) -> None:
    """Unknown tokens must not cause a call of Kratos for each request."""
    worker = Worker(memory_server, refused(), disconnected_ttl=0)
    worker.store.failing.add("subscribe")

    for _ in range(3):
        assert await worker.source() == "Rejected"

    assert len(worker.kratos.requests) == 1
    await worker.guard.aclose()


async def test_disconnected_ttl_has_no_effect_without_a_store() -> None:
    bench = Bench(signed_in(), disconnected_ttl=0)

    for _ in range(3):
        await bench.outcome()

    assert len(bench.kratos.requests) == 1


async def test_jwt_is_checked_again_after_disconnected_ttl_if_the_store_did_not_respond(
    memory_server: MemoryServer,
) -> None:
    store = MemoryStore(memory_server)
    bench = TokenBench(store=store)
    store.failing.add("revoked_at")
    token = token_of(KEY)
    assert type(await bench.ask(token)).__name__ == "Authenticated"
    memory_server.revoked[SESSION_ID] = bench.clock.time()

    store.failing.clear()
    bench.clock.advance(5)
    await eventually(lambda: not bench.guard.stats().degraded)

    assert type(await bench.ask(token)).__name__ == "Rejected"
    await bench.guard.aclose()


@pytest.mark.parametrize(
    ("by", "left"),
    [({"session_id": SESSION_ID}, 0), ({"identity_id": IDENTITY_ID}, 0), ({"identity_id": "another"}, 1)],
    ids=str,
)
async def test_revocation_by_another_process_makes_credentials_unknown(
    workers: tuple[Worker, Worker], by: dict[str, str], left: int
) -> None:
    first, second = workers
    await first.ask()
    assert first.guard.stats().known_credentials == 1

    await second.guard.invalidate(**by)
    await eventually(lambda: first.guard.authentication.cache.revocations.revoked_at(*by.values()) > 0)

    assert first.guard.stats().known_credentials == left


async def test_concurrent_revocations_share_batches(workers: tuple[Worker, Worker]) -> None:
    """2,000 callers wait for a few calls of the store."""
    first, second = workers
    await first.ask()
    await second.ask()

    await asyncio.gather(*(first.shared_cache.revoke(f"session-{number}") for number in range(2_000)))

    assert first.guard.stats().pending_revocations == 0
    assert first.store.calls.count("revoke") <= 5
    assert not first.guard.stats().degraded
    await eventually(lambda: second.guard.authentication.cache.revocations.revoked_at("session-1999") > 0)


async def test_closing_a_guard_clears_its_cache(workers: tuple[Worker, Worker]) -> None:
    """It receives no revocations while it is closed."""
    first, second = workers
    await first.ask()
    await first.guard.aclose()
    await second.guard.invalidate(session_id=SESSION_ID)

    assert await first.source() == "upstream"
