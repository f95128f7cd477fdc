"""Gaps between the subscriptions to a store: for how long cached sessions are used, and which are discarded."""

import asyncio
from collections.abc import AsyncGenerator
from math import inf

import pytest
from support.memory_store import MemoryServer, MemoryStore

from ory_guard.cache.revocation_gap import RevocationGap
from ory_guard.cache.store_protocol import RevocationPosition, RevokedIds

pytestmark = pytest.mark.anyio


class ResumableMemoryStore(MemoryStore):
    """A store that knows the revocations that were missed since `position`."""

    position: RevocationPosition

    async def resume(self, position: RevocationPosition) -> AsyncGenerator[tuple[str, ...] | None, None]:
        """Keep the position."""
        self.position = position
        yield ()


class Gap(RevocationGap):
    """A gap that records the revocations."""

    def __init__(self, store: MemoryStore, disconnected_ttl: float = 0.02) -> None:
        self.revoked: list[tuple[str, ...] | None] = []
        super().__init__(store, disconnected_ttl, self.revoked.append)
        self.now = asyncio.get_running_loop().time()


async def connected(disconnected_ttl: float = 0.02) -> Gap:
    """Return a gap of a store that has received a message."""
    store = ResumableMemoryStore(MemoryServer())
    gap = Gap(store, disconnected_ttl)
    assert await anext(gap.subscribe()) == ()
    store.position.value, store.position.heard_at = "message 1", gap.now
    assert gap.heard_at == gap.now
    return gap


async def wait_for_timer(gap: Gap) -> None:
    """Wait until the timer has run, or would have."""
    passed = asyncio.Event()
    gap._loop.call_at(gap.now + 0.03, passed.set)
    await passed.wait()


@pytest.mark.parametrize(
    ("missed", "revoked"),
    [(RevokedIds([], None), []), (RevokedIds(["a"], None), [("a",)]), ((), [None]), (None, [None])],
    ids=str,
)
async def test_gap_that_ends_in_time(missed: tuple[str, ...] | None, revoked: list[tuple[str, ...] | None]) -> None:
    """Only revoked sessions are discarded if they are known; no timer remains."""
    gap = await connected()

    gap.open(gap.now)
    gap.open(gap.now)
    assert gap.revoked == []
    assert gap.close(missed) is isinstance(missed, RevokedIds)
    assert gap.revoked == revoked

    await wait_for_timer(gap)
    assert gap.revoked == revoked


async def test_sessions_are_discarded_after_disconnected_ttl() -> None:
    """Then the next subscription does not resume."""
    gap = await connected()

    gap.open(gap.now)
    await wait_for_timer(gap)

    assert gap.revoked == [None]
    assert gap._position.value is None


@pytest.mark.parametrize(("disconnected_ttl", "silence"), [(0.0, 0.0), (5.0, 5.0), (5.0, inf)])
async def test_gap_that_is_noticed_too_late_discards_sessions(disconnected_ttl: float, silence: float) -> None:
    """It began when the last message was received."""
    gap = await connected(disconnected_ttl)

    gap.open(gap.now - silence)

    assert gap.revoked == [None]


async def test_gap_of_a_store_that_does_not_resume_discards_sessions() -> None:
    """When it begins, and when it ends."""
    gap = Gap(MemoryStore(MemoryServer()), 5.0)
    assert await anext(gap.subscribe()) == ()

    gap.open(gap.now)
    assert not gap.close(())

    assert gap.revoked == [None, None]
