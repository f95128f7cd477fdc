"""No order of outages leaves a revocation behind, and no session is cached for long while none can be heard."""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence

import pytest
from support.guard_bench import Bench
from support.memory_store import MemoryStore, Shelf, eventually
from support.minting import token_of
from support.scripted_kratos import SESSION_ID, refused, signed_in
from support.token_bench import KEY, TokenBench
from support.worker_bench import Worker

from ory_guard.events import RevocationsDropped, RevocationsHeard, RevocationsSent

pytestmark = pytest.mark.anyio


async def _hops(chance: random.Random) -> None:
    for _ in range(chance.randrange(6)):
        await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(60))
async def test_every_revocation_arrives(shelf: Shelf, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Subscriptions break and calls fail at random turns; once that ends, nothing is pending."""
    monkeypatch.setattr("ory_guard.cache.store_connection._INITIAL_BACKOFF", 0.0)
    monkeypatch.setattr("ory_guard.cache.store_connection._COOLDOWN", 0.0)
    chance = random.Random(seed)
    worker = Worker(shelf)
    subscribe, revoke = worker.store.subscribe, worker.store.revoke
    faults = True

    async def subscribe_unreliably() -> AsyncGenerator[tuple[str, ...] | None, None]:
        await _hops(chance)
        messages = subscribe()
        try:
            async for message in messages:
                yield message
        finally:
            await messages.aclose()

    async def revoke_unreliably(ids: Sequence[str], at: float, ttl: float) -> None:
        await _hops(chance)
        if faults and chance.random() < 0.4:
            raise ConnectionError
        await revoke(ids, at, ttl)
        await _hops(chance)
        if faults and chance.random() < 0.2:
            shelf.drop_subscriptions()

    monkeypatch.setattr(worker.store, "subscribe", subscribe_unreliably)
    monkeypatch.setattr(worker.store, "revoke", revoke_unreliably)
    revoking = []
    for number in range(20):
        revoking.append(asyncio.create_task(worker.second.revoke(f"session-{number}")))
        await _hops(chance)
        if chance.random() < 0.2:
            shelf.drop_subscriptions()
    await asyncio.gather(*revoking)
    faults = False

    await eventually(lambda: not worker.guard.stats().pending_revocations)
    assert set(shelf.revoked) == {f"session-{number}" for number in range(20)}
    await worker.guard.aclose()


async def test_revocation_during_the_flush_after_a_reconnect_is_sent(
    workers: tuple[Worker, Worker], shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not in the batch that is under way; the store is not reported as up before it was sent."""
    first, second = workers
    first.store.failing.add("subscribe")
    await second.ask()
    await first.second.revoke("before")
    revoke, door, begun = first.store.revoke, asyncio.Event(), asyncio.Event()

    async def revoke_slowly(ids: Sequence[str], at: float, ttl: float) -> None:
        begun.set()
        await door.wait()
        await revoke(ids, at, ttl)

    monkeypatch.setattr(first.store, "revoke", revoke_slowly)
    first.store.failing.clear()
    await begun.wait()
    meanwhile = asyncio.create_task(first.second.revoke("meanwhile"))
    await asyncio.sleep(0)
    assert first.guard.stats().store == "down"
    door.set()
    await meanwhile

    await eventually(lambda: first.guard.stats().store == "up")
    assert set(shelf.revoked) == {"before", "meanwhile"}
    assert first.told(RevocationsSent) == [RevocationsSent(1)] * 2
    await eventually(lambda: second.told(RevocationsHeard) == [RevocationsHeard(1)] * 2)


async def test_refused_revocation_stops_no_later_one(
    workers: tuple[Worker, Worker], shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is sent once, and the refused one again when the store has recovered."""
    first, _ = workers
    await first.ask()
    revoke, sent, is_full = first.store.revoke, [], True

    async def publish_and_refuse(ids: Sequence[str], at: float, ttl: float) -> None:
        sent.append(tuple(ids))
        if is_full:
            raise ConnectionError
        await revoke(ids, at, ttl)

    monkeypatch.setattr(first.store, "revoke", publish_and_refuse)
    for number in range(3):
        await first.second.revoke(f"session-{number}")

    assert sent == [("session-0",), ("session-1",), ("session-2",)]
    assert first.guard.stats().pending_revocations == 3
    is_full = False
    first.clock.advance(1)
    await eventually(lambda: not first.guard.stats().pending_revocations)
    assert sent[3:] == [("session-0", "session-1", "session-2")]
    assert len(shelf.revoked) == 3


async def test_many_revocations_at_once_share_batches(workers: tuple[Worker, Worker]) -> None:
    """Two thousand callers wait for a few calls of the store."""
    first, second = workers
    await first.ask()
    await second.ask()

    await asyncio.gather(*(first.second.revoke(f"session-{number}") for number in range(2_000)))

    assert first.guard.stats().pending_revocations == 0
    assert first.store.calls.count("revoke") <= 5
    assert not first.guard.stats().degraded
    await eventually(lambda: second.guard.authentication.cache.revocations.revoked_at("session-1999") > 0)


async def test_dropped_revocation_is_reported(workers: tuple[Worker, Worker]) -> None:
    """By an event, and to guards without listeners by the log alone."""
    first, second = workers
    for worker in workers:
        worker.store.failing.add("subscribe")
    second.guard.listeners.clear()

    for worker in workers:
        await worker.second.revoke(*(f"session-{number}" for number in range(10_002)))

    assert first.told(RevocationsDropped) == [RevocationsDropped(2)]
    assert [worker.guard.stats().pending_revocations for worker in workers] == [10_000] * 2


async def test_guard_that_is_closed_while_it_revokes_keeps_the_revocation(
    workers: tuple[Worker, Worker], shelf: Shelf
) -> None:
    """It is sent when the guard is used again, and the caller does not wait for that."""
    first, _ = workers
    await first.ask()
    first.store.slow.add("revoke")
    revoking = asyncio.create_task(first.second.revoke("session"))
    await eventually(lambda: "revoke" in first.store.calls)

    await first.guard.aclose()
    await revoking
    assert first.guard.stats().pending_revocations == 1
    first.store.slow.clear()
    await first.ask(b"another")

    await eventually(lambda: "session" in shelf.revoked)


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [({}, 5), ({"disconnected_ttl": 0}, 0), ({"disconnected_ttl": 20}, 20), ({"disconnected_ttl": 600}, 30)],
    ids=str,
)
async def test_session_is_cached_for_disconnected_ttl_while_nothing_is_heard(
    shelf: Shelf, settings: dict[str, float], seconds: int
) -> None:
    """Never longer than `cache_ttl`; after the reconnect nothing from before counts, and later entries live on."""
    worker = Worker(shelf, **settings)
    await worker.ask()
    worker.store.failing.add("subscribe")
    shelf.drop_subscriptions()
    await eventually(lambda: worker.guard.stats().degraded)

    assert await worker.source() == "upstream"
    if seconds:
        worker.clock.advance(seconds - 1.6)
        assert await worker.source() == "cache"
        worker.clock.advance(1.6)
    assert await worker.source() == "upstream"

    shelf.entries.clear()
    worker.store.failing.clear()
    await eventually(lambda: not worker.guard.stats().degraded)
    assert worker.guard.stats().entries == 0
    assert await worker.source() == "upstream"
    worker.clock.advance(10)
    assert await worker.source() == "cache"
    await worker.guard.aclose()


async def test_refusal_is_cached_as_long_as_ever(shelf: Shelf) -> None:
    """It lets nobody in, and an unknown token must not cost a call of Kratos for each request."""
    worker = Worker(shelf, refused(), disconnected_ttl=0)
    worker.store.failing.add("subscribe")

    for _ in range(3):
        assert await worker.source() == "Rejected"

    assert len(worker.kratos.requests) == 1
    await worker.guard.aclose()


async def test_setting_has_no_effect_without_a_store() -> None:
    """Nothing is shared, so nothing can be missed."""
    bench = Bench(signed_in(), disconnected_ttl=0)

    for _ in range(3):
        await bench.outcome()

    assert len(bench.kratos.requests) == 1


async def test_closed_guard_serves_nothing_from_before(workers: tuple[Worker, Worker]) -> None:
    """It heard nothing meanwhile."""
    first, second = workers
    await first.ask()
    await first.guard.aclose()
    await second.guard.invalidate(session_id=SESSION_ID)

    assert await first.source() == "upstream"


async def test_token_whose_revocation_is_unknown_is_verified_again_soon(shelf: Shelf) -> None:
    """While the store does not answer, a token counts for `disconnected_ttl`, then its revocation is looked up."""
    store = MemoryStore(shelf)
    bench = TokenBench(store=store)
    store.failing.add("revoked_at")
    token = token_of(KEY)
    assert type(await bench.ask(token)).__name__ == "Authenticated"
    shelf.revoked[SESSION_ID] = bench.clock.time()

    store.failing.clear()
    bench.clock.advance(5)
    await eventually(lambda: not bench.guard.stats().degraded)

    assert type(await bench.ask(token)).__name__ == "Rejected"
    await bench.guard.aclose()
