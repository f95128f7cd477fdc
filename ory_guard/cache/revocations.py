"""Times at which sessions and identities were revoked, as far as this process knows."""

from collections.abc import Callable
from itertools import islice
from math import inf, nextafter
from typing import TYPE_CHECKING, Any, Final

from ory_guard.cache.revocation_buckets import RevocationBuckets
from ory_guard.models.clock import Clock
from ory_guard.models.deferred_session import DeferredSession, ids_of

if TYPE_CHECKING:
    from ory_guard.models.session import Session

__all__ = ["RevocationLog"]

_CAPACITY: Final = 1_000_000
_MAX_RECENT: Final = 4_096
"""The number of the latest revocations that are kept in a dict: the fastest lookup, but 200 bytes for each."""
_MOVED_AT_ONCE: Final = 256
_MAX_CREDENTIALS: Final = 10_000


class RevocationLog:
    """Records revocations and decides whether a response was requested before one of them.

    All times are on the monotonic clock. `next_request_time` returns a time that is later than every revocation so
    far, however coarse the clock is.

    The log holds a million revocations. If there are more within `max_age`, it removes the oldest ones, and `floor`
    is the time until which it is incomplete. A response that was requested earlier is requested again.

    Args:
        max_age: The longest time in seconds from a request to the end of the lifetime of its response. Revocations
            are kept for that long.
        clock: The source of the time.

    Attributes:
        last_revocation: The time of the latest revocation of an id; initially minus infinity.
        last_invalidation: The time of the latest revocation of an id or a credential.
        floor: The time until which the log may lack revocations; initially minus infinity.
        on_full: Called after revocations were removed early, with their number and the seconds from `floor` to now.
    """

    def __init__(self, max_age: float, clock: Clock) -> None:
        self._monotonic = clock.monotonic
        self._max_age = max_age
        self._recent: dict[str, float] = {}
        self._older = RevocationBuckets(max_age, _CAPACITY)
        self._older_until = -inf
        self._credentials: dict[bytes, float] = {}
        self._credentials_floor = -inf
        self._last_request = -inf
        self.last_revocation: float = -inf
        self.last_invalidation: float = -inf
        self.floor: float = -inf
        self.on_full: Callable[[int, float], None] = lambda _count, _seconds: None

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)

    def __repr__(self) -> str:
        return f"<RevocationLog {len(self)} ids>"

    def next_request_time(self) -> float:
        """Return the time of a request that is sent now."""
        self._last_request = max(self._monotonic(), nextafter(self.last_invalidation, inf))
        return self._last_request

    def add(self, *ids: str) -> None:
        """Record that these sessions or identities are revoked now."""
        now = self.last_revocation = self._revocation_time()
        recent = self._recent
        for name in ids:
            recent.pop(name, None)  # so that the order is that of the times
            recent[name] = now
        removed = 0
        while len(recent) > _MAX_RECENT:
            removed += self._move_oldest(now)
        if removed:
            self.on_full(removed, now - self.floor)

    def _revocation_time(self) -> float:
        # Not before any request so far, and before every later one.
        self.last_invalidation = max(self._monotonic(), self._last_request)
        return self.last_invalidation

    def _move_oldest(self, now: float) -> int:
        removed = 0
        for name in list(islice(self._recent, _MOVED_AT_ONCE)):
            at = self._recent.pop(name)
            if at >= now - self._max_age:
                removed += self._older.add(name, at, now)
        self._older_until, self.floor = self._older.newest, self._older.floor
        return removed

    def add_credential(self, key: bytes) -> None:
        """Record that a credential whose session is unknown is revoked now; `key` is its cache key."""
        self._credentials.pop(key, None)
        self._credentials[key] = self._revocation_time()
        if len(self._credentials) > _MAX_CREDENTIALS:
            self._credentials_floor = self._credentials.pop(next(iter(self._credentials)))

    def is_revoked(self, session: "Session[Any]", request_time: float) -> bool:
        """Return whether the session or its identity was, or may have been, revoked at `request_time` or later."""
        if type(session) is DeferredSession:
            session_id, identity_id = ids_of(session)
        else:  # without a call
            session_id, identity_id = session.id, session.identity.id
        recent = self._recent
        if recent.get(session_id, -inf) >= request_time or recent.get(identity_id, -inf) >= request_time:
            return True
        if request_time > self._older_until:
            return False
        return (
            request_time <= self.floor
            or self._older.find(session_id, request_time) >= request_time
            or self._older.find(identity_id, request_time) >= request_time
        )

    def is_credential_revoked(self, key: bytes, request_time: float) -> bool:
        """Return whether the credential was, or may have been, revoked at `request_time` or later.

        The log holds the last 10,000 credentials. If there were more, every request before them counts as revoked.
        """
        return self._credentials_floor >= request_time or self._credentials.get(key, -inf) >= request_time

    def revoked_at(self, *ids: str, since: float = -inf) -> float:
        """Return the time of the latest known revocation of these ids at `since` or later, or minus infinity."""
        times = [self._recent.get(name, -inf) for name in ids]
        if since <= self._older_until:
            times += [self._older.find(name, since) for name in ids]
        return max(times)
