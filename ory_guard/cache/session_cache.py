"""The session cache of one process: the outcomes of calls to Kratos, by credential.

The terms are those of RFC 9111: an entry is fresh until its lifetime ends, and revoking its session invalidates it.
Only outcomes are cached, never decisions about requests.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import ceil, inf
from typing import Final

from cachetools import Cache, LRUCache

from ory_guard.cache.revocations import RevocationLog
from ory_guard.models.clock import Clock
from ory_guard.models.outcomes import Authenticated, CacheableOutcome, SecondFactorRequired, SessionAuth

__all__ = ["CacheEntry", "SessionCache"]

_peek: Final = Cache.__getitem__
"""Read an entry without recording the use."""

_UNIT_BYTES: Final = 5_120
_MAX_ORDINARY_BYTES: Final = 2 * _UNIT_BYTES
"""The estimated memory up to which a session counts as one: about 2 KiB of JSON."""

_MAX_LARGE_WEIGHT: Final = 10_000
"""The maximum total weight of large sessions, about 50 MB."""


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A cached outcome and its lifetime.

    Attributes:
        outcome: The outcome of the request to Kratos.
        request_time: When the request was sent, on the monotonic clock.
        fresh_until: The end of the lifetime, on the monotonic clock.
        fresh_until_wall: The end of the lifetime on the wall clock, in case the monotonic clock stops during sleep.
        memory_bytes: The estimated memory of the session, in bytes.
        auth: The value of `request.auth` for this outcome, shared by all requests.
    """

    outcome: CacheableOutcome
    request_time: float
    fresh_until: float
    fresh_until_wall: float
    memory_bytes: int = 0
    auth: SessionAuth = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "auth", SessionAuth(self.outcome))


def _is_large(entry: CacheEntry) -> bool:
    return entry.memory_bytes > _MAX_ORDINARY_BYTES


class SessionCache:
    """A bounded cache of outcomes, in three parts with separate limits.

    Other outcomes are separate, so that unknown tokens evict no session. Large sessions are separate, so that they
    evict no ordinary one: users choose the size of their sessions. A large session weighs as much as the ordinary
    sessions that would fit into its memory.

    Not thread-safe: use one guard per thread.

    Args:
        max_sessions: The maximum number of ordinary sessions, and of other outcomes; also the maximum weight of
            large sessions.
        max_age: The longest time in seconds from a request to the end of the lifetime of its response.
        clock: The source of the time.

    Attributes:
        revocations: The revocations that this process knows.
        generation: A counter. A response is cached only if it has not changed since the request was sent.
        max_lifetime: Returns the longest lifetime, in seconds, of a session that is put into the cache now.
    """

    def __init__(self, max_sessions: int, max_age: float, clock: Clock) -> None:
        self._monotonic = clock.monotonic
        self._time = clock.time
        max_weight = min(max_sessions, _MAX_LARGE_WEIGHT)
        self._sessions: LRUCache[bytes, CacheEntry] = LRUCache(max_sessions)
        self._large_sessions: LRUCache[bytes, CacheEntry] = LRUCache(
            max_weight, lambda entry: min(ceil(entry.memory_bytes / _UNIT_BYTES), max_weight)
        )
        self._rejections: LRUCache[bytes, CacheEntry] = LRUCache(max_sessions)
        self._parts = self._sessions, self._large_sessions, self._rejections
        self._records_use = False
        self.revocations: RevocationLog = RevocationLog(max_age, clock)
        self.generation: int = 0
        self.max_lifetime: Callable[[], float] = lambda: inf

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __repr__(self) -> str:
        sessions, large_sessions, rejections = map(len, self._parts)
        return f"<SessionCache {sessions + large_sessions} sessions, {rejections} rejections>"

    def get(self, key: bytes, now: float | None = None) -> CacheEntry | None:
        """Return the entry under `key` if it is fresh and not revoked.

        Args:
            key: The cache key of the credential.
            now: The time on the monotonic clock, if the caller has read it.
        """
        sessions = self._sessions
        try:
            entry = sessions[key] if self._records_use else _peek(sessions, key)
        except KeyError:
            found = self._large_sessions.get(key) or self._rejections.get(key)
            if found is None:
                return None
            entry = found
        if (
            self._monotonic() if now is None else now
        ) >= entry.fresh_until or self._time() >= entry.fresh_until_wall:
            return None
        if entry.request_time <= self.revocations.last_revocation and self._is_revoked(entry):
            return None
        return entry

    def _is_revoked(self, entry: CacheEntry) -> bool:
        outcome = entry.outcome
        if isinstance(outcome, Authenticated):
            return self.revocations.is_revoked(outcome.session, entry.request_time)
        # It does not name its session, so every revocation may concern it.
        return isinstance(outcome, SecondFactorRequired)

    def put(self, key: bytes, entry: CacheEntry, generation: int) -> None:
        """Store an entry, unless the cached one has a later request time.

        If `generation` has changed since the request was sent, the cached entry is deleted instead. A revocation by
        another process does not change it: `get` checks each entry against the revocations, so that the sessions of
        other users stay cached however often sessions are revoked.

        Args:
            key: The cache key of the credential.
            entry: The entry.
            generation: The value of `generation` before the request was sent.
        """
        cached = next((part[key] for part in self._parts if key in part), None)
        if cached is not None and cached.request_time > entry.request_time:
            return
        if generation != self.generation:
            self.delete(key)
            return
        if not isinstance(entry.outcome, Authenticated):
            self._store(self._rejections, key, entry)
            return
        excess = entry.fresh_until - entry.request_time - self.max_lifetime()
        if excess > 0:
            fresh_until, fresh_until_wall = entry.fresh_until - excess, entry.fresh_until_wall - excess
            entry = replace(entry, fresh_until=fresh_until, fresh_until_wall=fresh_until_wall)
        self._store(self._large_sessions if _is_large(entry) else self._sessions, key, entry)
        # Only evictions need the order of use, and recording it costs as much as the read itself.
        self._records_use = 2 * self._sessions.currsize > self._sessions.maxsize

    def _store(self, target: LRUCache[bytes, CacheEntry], key: bytes, entry: CacheEntry) -> None:
        for part in self._parts:
            if part is not target:
                part.pop(key, None)
        target[key] = entry

    def delete(self, key: bytes) -> None:
        """Delete the entry under `key`, if there is one."""
        for part in self._parts:
            part.pop(key, None)

    def invalidate(self, *ids: str) -> None:
        """Invalidate all entries of these sessions or identities that were requested before now.

        A `SecondFactorRequired` does not name its session, so all of them are invalidated.
        """
        self.revocations.add(*ids)

    def discard_pending(self) -> None:
        """Do not cache responses to requests that were sent before now."""
        self.generation += 1

    def clear(self) -> None:
        """Delete all entries, and do not cache responses to requests that were sent before now."""
        self.discard_pending()
        for part in self._parts:
            part.clear()
