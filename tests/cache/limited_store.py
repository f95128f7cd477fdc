"""Session stores in memory that limit their lookups themselves."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from math import inf

from support.memory_store import SOON, MemoryServer, MemoryStore

from ory_guard.cache import StoredSession
from ory_guard.cache.leasing_store_protocol import Lease, OnLookUpOrLease
from ory_guard.cache.store_protocol import OnLookUp


class LimitedMemoryStore(MemoryStore):
    """A store in memory whose lookups need neither a task nor a timer.

    Attributes:
        timeout: The longest time that a request waits for the store.
        error: The result of the next lookups, or None.
        looks_for_revocations: Whether a lookup returns the time of the latest revocation.
    """

    def __init__(self, memory_server: MemoryServer) -> None:
        super().__init__(memory_server)
        self.timeout = SOON
        self.error: Exception | None = None
        self.looks_for_revocations = True

    def look_up(self, keys: Sequence[bytes], seconds: float, on_result: OnLookUp) -> None:
        """Find the session under the first of these keys that has one."""
        asyncio.get_running_loop().call_soon(on_result, self._find(keys, seconds), 0.001)

    def _find(self, keys: Sequence[bytes], seconds: float) -> StoredSession | Exception | None:
        self.calls.append("look_up")
        assert seconds > 0
        stored = next((self.memory_server.entries[key] for key in keys if key in self.memory_server.entries), None)
        if self.error is not None or stored is None or not self.looks_for_revocations:
            return self.error or stored
        revoked = self.memory_server.revoked
        at = max(revoked.get(stored.session_id, -inf), revoked.get(stored.identity_id, -inf))
        return replace(stored, revoked_at=at)


class LeasingMemoryStore(LimitedMemoryStore):
    """A store in memory with leases."""

    async def put(self, key: bytes, stored: StoredSession, *, unless_revoked_since: float) -> None:
        """Store a session unless it was revoked, and end its lease."""
        await super().put(key, stored, unless_revoked_since=unless_revoked_since)
        self.memory_server.leases.pop(key, None)

    def look_up_or_lease(
        self, keys: Sequence[bytes], token: bytes | None, seconds: float, on_result: OnLookUpOrLease
    ) -> None:
        """Find a session or its lease, both at the same moment, as in Redis."""
        found = self._find(keys, seconds)
        result = self._lease(keys[0], token) if found is None else found
        asyncio.get_running_loop().call_soon(on_result, result, 0.001)

    def _lease(self, key: bytes, token: bytes | None) -> Lease | None:
        leases = self.memory_server.leases
        if token is not None:
            leases.setdefault(key, (token, 0.0))
        return Lease(leases[key][0] == token, leases[key][1]) if key in leases else None

    def extend_lease(self, key: bytes, token: bytes, age: float) -> None:
        """Set the age of a lease."""
        self.calls.append("extend_lease")
        self.memory_server.leases[key] = token, age

    def release_lease(self, key: bytes) -> None:
        """End a lease."""
        self.calls.append("release_lease")
        self.memory_server.leases.pop(key, None)
