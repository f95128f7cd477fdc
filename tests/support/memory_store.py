"""A session store in this process, which guards of one test share, and which fails as it is told."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from ory_guard.cache import StoredSession

SOON = 30.0
"""Seconds after which a test fails that waits for an event: no bound that a slow machine could exceed."""


async def eventually(condition: Callable[[], object], seconds: float = SOON) -> None:
    """Wait until the condition holds; what never does is a failure."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        await asyncio.sleep(0.002)


@dataclass
class Shelf:
    """What several stores share.

    Attributes:
        entries: Sessions by key.
        revoked: When ids were revoked.
        known_for: For how many seconds that has to be known.
        listeners: The queues of those who are subscribed.
        aging: Seconds by which every session that is got is older than when it was put, by the store's clock.
    """

    entries: dict[bytes, StoredSession] = field(default_factory=dict)
    revoked: dict[str, float] = field(default_factory=dict)
    known_for: dict[str, float] = field(default_factory=dict)
    listeners: list[asyncio.Queue[tuple[str, ...] | Exception | None]] = field(default_factory=list)
    aging: float = 0.0

    def drop_subscriptions(self) -> None:
        """Cut every subscriber off."""
        for queue in self.listeners:
            queue.put_nowait(ConnectionError())


class MemoryStore:
    """A store on a shelf.

    Attributes:
        shelf: What it shares.
        calls: The names of the methods that were called.
        failing: The methods that raise.
        slow: The methods that never answer.
        garbled: Whether a put is lost.
        closed: How often it was closed.
        on_call: Is called by every method.
    """

    def __init__(self, shelf: Shelf, *, hashing_keys: tuple[bytes, ...] = (b"k" * 32,)) -> None:
        self.shelf = shelf
        self.hashing_keys = hashing_keys
        self.calls: list[str] = []
        self.failing: set[str] = set()
        self.slow: set[str] = set()
        self.garbled = False
        self.closed = 0
        self.on_call: Callable[[], None] = lambda: None

    async def _called(self, name: str) -> None:
        self.calls.append(name)
        self.on_call()
        if name in self.slow:
            await asyncio.Event().wait()
        if name in self.failing:
            raise ConnectionError("a text that must not be shown: redis://:password@host")

    async def get(self, keys: Sequence[bytes]) -> StoredSession | None:
        """Return the first session under one of these keys, aged."""
        await self._called("get")
        found = next((self.shelf.entries[key] for key in keys if key in self.shelf.entries), None)
        if found is None:
            return None
        aging = self.shelf.aging
        return replace(found, age=found.age + aging, ttl=found.ttl - aging)

    async def put(self, key: bytes, stored: StoredSession, *, unless_revoked_since: float) -> None:
        """Keep a session, unless it was revoked meanwhile."""
        await self._called("put")
        ids = (stored.session_id, stored.identity_id)
        revoked = any(self.shelf.revoked.get(one, -inf) >= unless_revoked_since for one in ids)
        if not self.garbled and not revoked:
            self.shelf.entries[key] = stored

    async def delete(self, keys: Sequence[bytes]) -> None:
        """Forget sessions."""
        await self._called("delete")
        for key in keys:
            self.shelf.entries.pop(key, None)

    async def revoke(self, ids: Sequence[str], at: float, ttl: float) -> None:
        """Forget the sessions of these ids, and tell the others."""
        await self._called("revoke")
        assert ttl > 0
        for key, stored in list(self.shelf.entries.items()):
            if {stored.session_id, stored.identity_id} & set(ids):
                del self.shelf.entries[key]
        self.shelf.revoked |= dict.fromkeys(ids, at)
        self.shelf.known_for |= dict.fromkeys(ids, ttl)
        for queue in self.shelf.listeners:
            if queue is not getattr(self, "_own", None):
                queue.put_nowait(tuple(ids))

    async def revoked_at(self, ids: Sequence[str]) -> float | None:
        """Return when the last of them was revoked."""
        await self._called("revoked_at")
        return max((self.shelf.revoked[one] for one in ids if one in self.shelf.revoked), default=None)

    async def subscribe(self) -> AsyncGenerator[tuple[str, ...] | None, None]:
        """Yield what the others revoke."""
        await self._called("subscribe")
        self._own: asyncio.Queue[tuple[str, ...] | Exception | None] = asyncio.Queue()
        self.shelf.listeners.append(self._own)
        try:
            yield ()
            while True:
                message = await self._own.get()
                if isinstance(message, Exception):
                    raise message
                yield message
        finally:
            self.shelf.listeners.remove(self._own)

    async def aclose(self) -> None:
        """Note it."""
        self.closed += 1
        await self._called("aclose")
