"""Facts about sessions, kept for seconds in this process.

Kept are facts, never verdicts: what Kratos said about a credential, and when it was asked. Words are those of
RFC 9111: an entry is fresh until its ttl ends, and `invalidate` ends it early.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import inf, nextafter
from typing import Any, Final

from cachetools import Cache, TLRUCache

from ory_guard.cache.store import SessionStore, StoredSession
from ory_guard.models.clock import Clock
from ory_guard.models.outcomes import Authenticated, CacheableOutcome, SecondFactorRequired, SessionAuth
from ory_guard.models.session import Session

__all__ = ["CacheEntry", "SessionCache", "SessionStore", "StoredSession"]

_MOST_REVOCATIONS: Final = 10_000
# Only evictions need to know what was used last, and noting it takes longer than a look; who comes often is noted
# often all the same.
_NOTED: Final = 8
_NEVER: Final = -inf


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One answer of Kratos and the span in which it may be used.

    Attributes:
        outcome: What was answered.
        asked_at: When the question was sent, on the monotonic clock.
        fresh_until: The end of its ttl, on the monotonic clock.
        fresh_until_wall: The same on the wall clock, for a machine whose monotonic clock stood still.
        view: What applications see of the answer, made once for all requests.
    """

    outcome: CacheableOutcome
    asked_at: float
    fresh_until: float
    fresh_until_wall: float
    view: SessionAuth = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "view", SessionAuth(self.outcome))


def _drop(cache: TLRUCache[bytes, CacheEntry], key: bytes) -> None:
    # `key in cache` tells nothing of what has ended and is not swept away yet: that would hide a newer answer.
    if Cache.__contains__(cache, key):
        with suppress(KeyError):  # where it had ended
            del cache[key]


def _fresh_until(_key: bytes, entry: CacheEntry, _now: float) -> float:
    return entry.fresh_until


class SessionCache:
    """A bounded cache of answers, sessions apart from refusals so that unknown tokens evict nobody.

    Not thread-safe: one guard per thread.

    Args:
        max_sessions: How many sessions, and as many refusals, are kept.
        longest_ttl: The longest time, in seconds, for which an answer is under way and then kept.
        clock: Where the time comes from.

    Attributes:
        generation: How often answers under way were given up.
        last_invalidation: When anything was invalidated last, on the monotonic clock.
        max_lifetime: Returns for how many seconds a session that is kept now may be used. It is called when one is
            kept, not when one is looked up.
    """

    def __init__(self, max_sessions: int, longest_ttl: float, clock: Clock) -> None:
        self._monotonic = clock.monotonic
        self._time = clock.time
        self._longest_ttl = longest_ttl
        self._sessions: TLRUCache[bytes, CacheEntry] = TLRUCache(max_sessions, _fresh_until, clock.monotonic)
        self._refusals: TLRUCache[bytes, CacheEntry] = TLRUCache(max_sessions, _fresh_until, clock.monotonic)
        self._is_crowded = False  # until it is half full, nothing is evicted
        self._looks = 0
        self._revoked: dict[str, float] = {}
        self._cleared_at = _NEVER
        self._last_question = _NEVER
        self.last_invalidation: float = _NEVER
        self.generation: int = 0
        self.max_lifetime: Callable[[], float] = lambda: inf

    def __len__(self) -> int:
        return len(self._sessions) + len(self._refusals)

    def __repr__(self) -> str:
        return f"<SessionCache {len(self._sessions)} sessions, {len(self._refusals)} refusals>"

    def get(self, key: bytes) -> CacheEntry | None:
        """Return the entry under `key` if it is fresh and nobody revoked it since it was asked for."""
        sessions = self._sessions
        try:
            entry: CacheEntry = Cache.__getitem__(sessions, key)
            if self._is_crowded:
                self._looks += 1
                if self._looks % _NOTED == 0:
                    entry = sessions[key]
        except KeyError:
            return self._refusal(key)
        if self._monotonic() >= entry.fresh_until or self._time() >= entry.fresh_until_wall:
            return None
        if entry.asked_at <= self.last_invalidation and isinstance(entry.outcome, Authenticated):
            return None if self.is_revoked(entry.outcome.session, entry.asked_at) else entry
        return entry

    def _refusal(self, key: bytes) -> CacheEntry | None:
        try:
            entry: CacheEntry = self._refusals[key]
        except KeyError:
            return None
        if isinstance(entry.outcome, SecondFactorRequired) and entry.asked_at <= self.last_invalidation:
            return None
        return entry if self._time() < entry.fresh_until_wall else None

    def next_request_time(self) -> float:
        """Return when a question that is sent now is sent, on the monotonic clock.

        That is later than every invalidation so far, however coarse the clock is.
        """
        self._last_question = max(self._monotonic(), nextafter(self.last_invalidation, inf))
        return self._last_question

    def put(self, key: bytes, entry: CacheEntry, generation: int) -> None:
        """Keep `entry` in the place of what was there, unless that was asked for later.

        Nothing is kept where `generation` is another one by now. What other hosts invalidated meanwhile is told
        apart by `get`: many of them revoke sessions all the time, so other people's answers have to be kept.

        Args:
            key: The credential's cache key.
            entry: The answer.
            generation: `generation` as it was before the question was sent.
        """
        if self._asked_at(key) > entry.asked_at:
            return
        if generation != self.generation:
            self.discard(key)
            return
        kept, other = self._sessions, self._refusals
        if isinstance(entry.outcome, Authenticated):
            excess = entry.fresh_until - entry.asked_at - self.max_lifetime()
            if excess > 0:
                fresh_until, fresh_until_wall = entry.fresh_until - excess, entry.fresh_until_wall - excess
                entry = replace(entry, fresh_until=fresh_until, fresh_until_wall=fresh_until_wall)
        else:
            kept, other = other, kept
        _drop(other, key)
        kept[key] = entry
        self._is_crowded = 2 * Cache.__len__(self._sessions) > self._sessions.maxsize

    def _asked_at(self, key: bytes) -> float:
        for cache in (self._sessions, self._refusals):
            if Cache.__contains__(cache, key):
                entry: CacheEntry = Cache.__getitem__(cache, key)
                return entry.asked_at
        return _NEVER

    def discard(self, key: bytes) -> None:
        """Forget what is kept under `key`, if anything is."""
        for cache in (self._sessions, self._refusals):
            _drop(cache, key)

    def invalidate(self, *ids: str) -> None:
        """Let no answer about these sessions or identities count that was asked for before now.

        A kept `SecondFactorRequired` does not say whose it is, so all of them are dropped.
        """
        now = self._end_questions()
        self._revoked.update(dict.fromkeys(ids, now))
        if len(self._revoked) > _MOST_REVOCATIONS:
            oldest = now - self._longest_ttl
            self._revoked = {key: at for key, at in self._revoked.items() if at >= oldest}
        if len(self._revoked) > _MOST_REVOCATIONS:
            self.clear()

    def is_revoked(self, session: Session[Any], asked_at: float) -> bool:
        """Tell whether the session or its identity was invalidated since Kratos was asked at `asked_at`."""
        revoked = self._revoked
        return (
            self._cleared_at >= asked_at
            or revoked.get(session.id, _NEVER) >= asked_at
            or revoked.get(session.identity.id, _NEVER) >= asked_at
        )

    def revoked_at(self, *ids: str) -> float:
        """Return when the last of these ids was invalidated, on the monotonic clock; minus infinity for never."""
        return max(self._cleared_at, *(self._revoked.get(one, _NEVER) for one in ids))

    def empty(self) -> None:
        """Forget every answer, and keep none that is under way."""
        self.generation += 1
        self._sessions.clear()
        self._refusals.clear()

    def clear(self) -> None:
        """Forget every answer, and let none count that was asked for before now."""
        self._cleared_at = self._end_questions()
        self.empty()
        self._revoked.clear()

    def _end_questions(self) -> float:
        self.last_invalidation = max(self._monotonic(), self._last_question)
        return self.last_invalidation
