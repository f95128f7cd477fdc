"""A store that goes away and comes back: what was revoked meanwhile, and what is forgotten."""

import pytest
from support.memory_store import Shelf, eventually
from support.scripted_kratos import SESSION_ID
from support.worker_bench import Worker

from ory_guard.events import RevocationsHeard

pytestmark = pytest.mark.anyio


async def test_a_store_that_comes_back_is_told_what_was_revoked_meanwhile(
    shelf: Shelf, workers: tuple[Worker, Worker]
) -> None:
    """Revocations wait for it, and only the last of each."""
    first, second = workers
    await first.share()
    await second.ask()
    first.store.failing |= {"subscribe", "revoke"}
    shelf.drop_subscriptions()
    await eventually(lambda: first.guard.stats().degraded)
    await eventually(lambda: not second.guard.stats().degraded)

    await first.guard.invalidate(session_id=SESSION_ID)
    await first.guard.invalidate(session_id=SESSION_ID)
    assert SESSION_ID not in shelf.revoked
    first.store.failing.clear()

    await eventually(lambda: SESSION_ID in shelf.revoked)
    await eventually(lambda: not first.guard.stats().degraded)
    await eventually(lambda: second.told(RevocationsHeard))
    assert first.store.calls.count("revoke") == 1
    assert shelf.entries == {}


async def test_a_revocation_that_the_store_did_not_take_is_sent_again(workers: tuple[Worker, Worker]) -> None:
    """As soon as the store is found to work again."""
    first, second = workers
    await first.ask()
    await second.ask()
    first.store.failing.add("revoke")
    await first.guard.invalidate(session_id=SESSION_ID)
    assert first.guard.stats().degraded

    first.store.failing.clear()
    first.clock.advance(1)

    await eventually(lambda: second.told(RevocationsHeard))
    await eventually(lambda: not first.guard.stats().degraded)


async def test_what_waits_for_the_store_is_bounded_and_ends(shelf: Shelf, workers: tuple[Worker, Worker]) -> None:
    """Ten thousand at most, and none of which every entry, and every token, has ended."""
    first, _ = workers
    first.store.failing.add("subscribe")
    await first.second.revoke(*(f"session-{number}" for number in range(10_001)))
    assert len(first.second.pending) == 10_000
    assert not first.second.pending.are_unsent(["session-0"], first.clock.time())

    first.clock.advance(60)
    await first.second.revoke("session-1")
    first.clock.advance(841)
    await first.second.revoke("session-new")
    first.store.failing.clear()

    await eventually(lambda: not first.guard.stats().degraded)
    assert set(shelf.revoked) == {"session-1", "session-new"}
    assert shelf.known_for == {"session-1": 59.0, "session-new": 900.0}
    assert len(first.second.pending) == 0


async def test_a_lost_subscription_empties_the_first_level(shelf: Shelf, workers: tuple[Worker, Worker]) -> None:
    """And so does the new one: what was revoked in between was not heard."""
    first, _ = workers
    await first.ask()
    first.store.failing.add("subscribe")
    shelf.drop_subscriptions()
    await eventually(lambda: first.guard.stats().degraded)
    assert first.guard.stats().entries == 0

    await first.ask()
    assert first.guard.stats().entries == 1
    first.store.failing.clear()
    await eventually(lambda: not first.guard.stats().degraded)
    assert first.guard.stats().entries == 0
