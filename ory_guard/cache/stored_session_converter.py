"""Conversion between the sessions in the shared store and the entries of the session cache.

The clocks of two hosts may disagree, so the age of a session is measured both with the clock of the store and with
the wall clock, and the greater age is used.
"""

from math import inf
from typing import Any, Final, NamedTuple

from ory_guard.cache.entries import CacheEntry
from ory_guard.cache.revocations import RevocationLog
from ory_guard.cache.store_protocol import StoredSession
from ory_guard.kratos.session_parser import SessionParser
from ory_guard.models.clock import Clock
from ory_guard.models.credential import Credential
from ory_guard.models.deferred_session import defer_session
from ory_guard.models.outcomes import Authenticated
from ory_guard.models.session import Session

__all__ = ["Lookup", "StoredSessionConverter"]

_REFRESH_AHEAD_FRACTION: Final = 0.05


class Lookup(NamedTuple):
    """A lookup in the store.

    Attributes:
        key: The cache key of the credential.
        credential: The credential.
        now: The time before the call, on the monotonic clock. So the age of the session includes the time of the
            call: a revocation during the call must look later than the session.
        now_wall: The same time on the wall clock.
    """

    key: bytes
    credential: Credential
    now: float
    now_wall: float


_new: Final = tuple.__new__  # half the time of the constructor of a named tuple


class StoredSessionConverter:
    """Converts sessions.

    Args:
        parser: Parses stored sessions.
        revocations: The revocations that this process knows.
        cache_ttl: The longest lifetime of a session, in seconds.
        clock_skew: The largest difference between the clocks of two hosts, in seconds.
        clock: The source of the time.
    """

    def __init__(
        self,
        parser: SessionParser,
        revocations: RevocationLog,
        *,
        cache_ttl: float,
        clock_skew: float,
        clock: Clock,
    ) -> None:
        self._parser = parser
        self._revocations = revocations
        self._cache_ttl = cache_ttl
        self._clock_skew = clock_skew
        self._monotonic = clock.monotonic
        self._time = clock.time

    def begin(self, key: bytes, credential: Credential) -> Lookup:
        """Return a lookup that starts now."""
        return _new(Lookup, (key, credential, self._monotonic(), self._time()))

    def load(self, lookup: Lookup, stored: StoredSession) -> CacheEntry | None:
        """Return the entry for a stored session, unless it is invalid, has ended, or is known to be revoked."""
        key, credential, now, now_wall = lookup
        age = max(stored.age, now_wall - stored.asked_at)
        ttl = min(stored.ttl, stored.fresh_until - now_wall, self._cache_ttl - age)
        if not ttl > _REFRESH_AHEAD_FRACTION * (age + ttl):  # also if one of them is not a number
            # One process calls Kratos shortly before the session becomes stale, instead of all processes
            # afterwards.
            return None
        request_time, at = now - age, stored.revoked_at
        if at is not None and at != -inf and self.is_revoked(request_time, at):
            return None
        body, memory_bytes = stored.body, stored.memory_bytes
        session_id, identity_id, checksum = stored.session_id, stored.identity_id, stored.checksum
        valid = body, session_id, identity_id, stored.fresh_until
        if memory_bytes and checksum and checksum == self._parser.checksum(*valid):
            # The session has not ended, because `fresh_until` is not after its end.
            session = defer_session(self._parser.parse_again, body, session_id, identity_id)
        else:
            parsed = self._parser.parse_stored(body, now_wall, memory_bytes)
            if parsed is None:
                return None
            session, body, memory_bytes = parsed
            ttl = min(ttl, session.expires_at.timestamp() - now_wall)
            if ttl <= 0:
                return None
        revocations = self._revocations
        if request_time <= revocations.last_invalidation and (
            revocations.is_revoked(session, request_time) or revocations.is_credential_revoked(key, request_time)
        ):
            return None
        outcome = _new(Authenticated, (session, credential[0], "store", age))
        ttl = self._parser.lifetimes.with_jitter(ttl)
        return CacheEntry(outcome, request_time, now + ttl, now_wall + ttl, body, memory_bytes)

    def is_revoked(self, request_time: float, at: float) -> bool:
        """Return whether a session was, or may have been, revoked by a revocation on another host.

        Args:
            request_time: The request time of the session, on the monotonic clock.
            at: The time of the revocation, in seconds since the epoch; minus infinity for none.
        """
        if at == -inf:
            return False
        request_time_wall = self._time() - (self._monotonic() - request_time)
        return request_time_wall <= at + self._clock_skew

    def dump(self, session: "Session[Any]", entry: CacheEntry) -> StoredSession:
        """Return the session of a cache entry for the store."""
        now, now_wall = self._monotonic(), self._time()
        ids = session.id, session.identity.id
        return StoredSession(
            entry.body,
            *ids,
            age=now - entry.request_time,
            ttl=entry.fresh_until - now,
            asked_at=now_wall - (now - entry.request_time),
            fresh_until=entry.fresh_until_wall,
            memory_bytes=entry.memory_bytes,
            checksum=self._parser.checksum(entry.body, *ids, entry.fresh_until_wall),
        )
