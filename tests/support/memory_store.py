"""A session store in memory, whose methods can be made to fail."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from ory_guard.cache import ALL_IDS, StoredSession

SOON = 30.0
"""Seconds until a test that waits for an event fails; no slow machine needs that long."""


async def eventually(condition: Callable[[], object], seconds: float = SOON) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition did not hold within {seconds} s"
        await asyncio.sleep(0.002)


@dataclass
class MemoryServer:
    """The data that several `MemoryStore`s share.

    Attributes:
        entries: Sessions by key.
        revoked: The time of the revocation of each id.
        revocation_ttls: The `ttl` of the revocation of each id.
        subscribers: The queues of the subscribers.
        aging: Seconds that pass on the clock of the server between a `put` and a `get`.
        leases: The token and the age of the lease of each key. They do not expire.
    """

    entries: dict[bytes, StoredSession] = field(default_factory=dict)
    revoked: dict[str, float] = field(default_factory=dict)
    revocation_ttls: dict[str, float] = field(default_factory=dict)
    subscribers: list[asyncio.Queue[tuple[str, ...] | Exception | None]] = field(default_factory=list)
    aging: float = 0.0
    leases: dict[bytes, tuple[bytes, float]] = field(default_factory=dict)

    def drop_subscriptions(self) -> None:
        """Disconnect all subscribers."""
        for queue in self.subscribers:
            queue.put_nowait(ConnectionError())


class MemoryStore:
    """A session store in a `MemoryServer`.

    Attributes:
        memory_server: The data.
        calls: The names of the methods that were called.
        failing: The methods that raise an exception.
        hanging: The methods that do not return.
        held: Methods that wait for an event first.
        loses_writes: Whether `put` has no effect.
        closed: The number of calls of `aclose`.
        on_call: Called by each method.
    """

    hashing_keys = (b"k" * 32,)

    def __init__(self, memory_server: MemoryServer) -> None:
        self.memory_server = memory_server
        self.calls: list[str] = []
        self.failing: set[str] = set()
        self.hanging: set[str] = set()
        self.held: dict[str, asyncio.Event] = {}
        self.loses_writes = False
        self.closed = 0
        self.on_call: Callable[[], None] = lambda: None

    async def _record(self, name: str) -> None:
        self.calls.append(name)
        self.on_call()
        if name in self.hanging:
            await asyncio.Event().wait()
        if name in self.held:
            await self.held[name].wait()
        if name in self.failing:
            raise ConnectionError("a text that must not be shown: redis://:password@host")

    async def get(self, keys: Sequence[bytes]) -> StoredSession | None:
        """Return the session under the first of these keys that has one."""
        await self._record("get")
        entries, aging = self.memory_server.entries, self.memory_server.aging
        stored = next((entries[key] for key in keys if key in entries), None)
        return None if stored is None else replace(stored, age=stored.age + aging, ttl=stored.ttl - aging)

    async def put(self, key: bytes, stored: StoredSession, *, unless_revoked_since: float) -> None:
        """Store a session unless it was revoked."""
        await self._record("put")
        revoked, ids = self.memory_server.revoked, (stored.session_id, stored.identity_id, ALL_IDS)
        is_revoked = any(revoked.get(id_, -inf) >= unless_revoked_since for id_ in ids)
        if not self.loses_writes and not is_revoked:
            self.memory_server.entries[key] = stored

    async def delete(self, keys: Sequence[bytes]) -> None:
        """Delete the sessions under these keys."""
        await self._record("delete")
        for key in keys:
            self.memory_server.entries.pop(key, None)

    async def revoke(self, ids: Sequence[str], at: float, ttl: float) -> None:
        """Delete the sessions of these ids, and publish the revocation."""
        await self._record("revoke")
        assert ttl > 0
        for key, stored in list(self.memory_server.entries.items()):
            if {stored.session_id, stored.identity_id} & set(ids):
                del self.memory_server.entries[key]
        self.memory_server.revoked |= dict.fromkeys(ids, at)
        self.memory_server.revocation_ttls |= dict.fromkeys(ids, ttl)
        for queue in self.memory_server.subscribers:
            if queue is not getattr(self, "_own_queue", None):
                queue.put_nowait(tuple(ids))

    async def revoked_at(self, ids: Sequence[str]) -> float | None:
        """Return the time of the latest revocation of any of these ids."""
        await self._record("revoked_at")
        revoked = self.memory_server.revoked
        return max((revoked[id_] for id_ in ids if id_ in revoked), default=None)

    async def subscribe(self) -> AsyncGenerator[tuple[str, ...] | None, None]:
        """Yield the ids that other stores revoke."""
        await self._record("subscribe")
        self._own_queue: asyncio.Queue[tuple[str, ...] | Exception | None] = asyncio.Queue()
        self.memory_server.subscribers.append(self._own_queue)
        try:
            yield ()
            while True:
                message = await self._own_queue.get()
                if isinstance(message, Exception):
                    raise message
                yield message
        finally:
            self.memory_server.subscribers.remove(self._own_queue)

    async def aclose(self) -> None:
        """Count the call."""
        self.closed += 1
        await self._record("aclose")
