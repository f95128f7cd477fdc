"""The session cache of one process: the outcomes of calls to Kratos, by credential.

The terms are those of RFC 9111: an entry is fresh until its lifetime ends, and revoking its session invalidates it.
Only outcomes are cached, never decisions about requests.
"""

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Final

from ory_guard.cache.entries import CacheEntry, CompactLRU, ParseAgain, is_large, large_sessions
from ory_guard.cache.revocations import RevocationLog
from ory_guard.models.clock import Clock
from ory_guard.models.outcomes import Authenticated, SecondFactorRequired

__all__ = ["SessionCache"]

_RECENT_FRACTION: Final = 20
_MIN_RECENT: Final = 256
_MAX_RECENT: Final = 2_048
"""The number of entries that are objects: one of 20 takes a sixth of the memory of all entries."""


class SessionCache:
    """A bounded cache of outcomes, in three parts with separate limits.

    Other outcomes are separate, so that unknown tokens evict no session. Large sessions are separate, so that they
    evict no ordinary one: users choose the size of their sessions.

    The recently used entries are objects, the others JSON (`ory_guard.cache.entries`).

    Not thread-safe: use one guard per thread.

    Args:
        max_sessions: The maximum number of ordinary sessions, and of other outcomes; also the maximum weight of
            large sessions.
        max_age: The longest time in seconds from a request to the end of the lifetime of its response.
        clock: The source of the time.
        parse: Parses the JSON of a cached session that was not used recently.

    Attributes:
        revocations: The revocations that this process knows.
        generation: The number of calls of `clear`. A response is cached only if it is the same as when the request
            was sent.
        max_lifetime: Returns the longest lifetime, in seconds, of a session that is put into the cache now.
    """

    def __init__(self, max_sessions: int, max_age: float, clock: Clock, parse: ParseAgain) -> None:
        self._monotonic = clock.monotonic
        self._time = clock.time
        max_recent = min(max(max_sessions // _RECENT_FRACTION, _MIN_RECENT), _MAX_RECENT, max_sessions)
        self._sessions = CompactLRU(parse, max_recent, max_sessions - max_recent)
        self._large_sessions = large_sessions(parse, max_sessions)
        self._rejections = CompactLRU(parse, max_recent, max_sessions - max_recent)
        self._parts = self._sessions, self._large_sessions, self._rejections
        self._recent = self._sessions.recent
        self.revocations: RevocationLog = RevocationLog(max_age, clock)
        self.generation: int = 0
        self.max_lifetime: Callable[[], float] = lambda: inf

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __repr__(self) -> str:
        sessions, large_sessions, rejections = map(len, self._parts)
        return f"<SessionCache {sessions + large_sessions} sessions, {rejections} rejections>"

    @property
    def evictions(self) -> int:
        """The number of entries that were evicted while they were fresh."""
        return sum(part.evictions for part in self._parts)

    def get(self, key: bytes, now: float | None = None) -> CacheEntry | None:
        """Return the entry under `key` if it is fresh and not revoked.

        Args:
            key: The cache key of the credential.
            now: The time on the monotonic clock, if the caller has read it.
        """
        if now is None:
            now = self._monotonic()
        entry = self._recent.get(key)
        if entry is not None:
            self._recent.move_to_end(key)
        else:
            entry = self._find(key, now)
            if entry is None:
                return None
        if now >= entry.fresh_until or self._time() >= entry.fresh_until_wall:
            return None
        if entry.request_time <= self.revocations.last_revocation and self._is_revoked(entry):
            return None
        return entry

    def _find(self, key: bytes, now: float) -> CacheEntry | None:
        for part in self._parts:
            if key in part.recent or key in part.compact:
                entry = part.get(key, now)
                if entry is not None:
                    return entry
        return None

    def _is_revoked(self, entry: CacheEntry) -> bool:
        outcome = entry.outcome
        if isinstance(outcome, Authenticated):
            return self.revocations.is_revoked(outcome.session, entry.request_time)
        # It does not name its session, so every revocation may concern it.
        return isinstance(outcome, SecondFactorRequired)

    def put(self, key: bytes, entry: CacheEntry, generation: int) -> None:
        """Store an entry, unless the cached one has a later request time.

        The entry is not stored if its credential was revoked, or the cache was cleared, since the request was sent.
        The revocation of a session does not prevent that: `get` checks each entry against the revocations, so that
        the sessions of other users stay cached however often sessions are revoked.

        Args:
            key: The cache key of the credential.
            entry: The entry.
            generation: The value of `generation` before the request was sent.
        """
        revocations, request_time = self.revocations, entry.request_time
        if generation != self.generation or (
            request_time <= revocations.last_invalidation and revocations.is_credential_revoked(key, request_time)
        ):
            return
        for part in self._parts:
            if key in part.recent or key in part.compact:
                if part.request_time(key) > request_time:
                    return
                part.delete(key)
        if not isinstance(entry.outcome, Authenticated):
            self._rejections.put(key, entry)
            return
        excess = entry.fresh_until - entry.request_time - self.max_lifetime()
        if excess > 0:
            fresh_until, fresh_until_wall = entry.fresh_until - excess, entry.fresh_until_wall - excess
            entry = replace(entry, fresh_until=fresh_until, fresh_until_wall=fresh_until_wall)
        (self._large_sessions if is_large(entry) else self._sessions).put(key, entry)

    def delete(self, key: bytes) -> None:
        """Delete the entry under `key`, if there is one."""
        for part in self._parts:
            part.delete(key)

    def invalidate(self, *ids: str) -> None:
        """Invalidate all entries of these sessions or identities that were requested before now.

        A `SecondFactorRequired` does not name its session, so all of them are invalidated.
        """
        self.revocations.add(*ids)

    def invalidate_credential(self, key: bytes) -> None:
        """Delete the entry under `key`, and do not cache responses to requests sent with it before now."""
        self.revocations.add_credential(key)
        self.delete(key)

    def clear(self) -> int:
        """Delete all entries, and do not cache responses to requests that were sent before now.

        Returns:
            The number of deleted entries.
        """
        count = len(self)
        self.generation += 1
        for part in self._parts:
            part.clear()
        return count
