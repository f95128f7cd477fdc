"""Rate limits of Kratos: a 429 holds its credential, and many of them hold all credentials.

Ory Network limits the calls of one session. So a 429 says nothing about other sessions, unless those of several
identities get it at the same time.
"""

import logging
from collections import deque
from collections.abc import Callable, Hashable
from math import ceil, inf
from typing import Final, NamedTuple

__all__ = ["RateLimits"]

_log = logging.getLogger("ory_guard")

_MAX_HELD: Final = 10_000
_WINDOW: Final = 1.0
_MAX_ANSWERS: Final = 256
_MIN_IDENTITIES: Final = 3
_PROBE_INTERVAL: Final = 0.1
_PROBE_SHARE: Final = 8
"""While all credentials are held, every eighth call is a probe, too."""


class _Answer(NamedTuple):
    time: float
    group: Hashable
    identity: int
    is_limited: bool


class RateLimits:
    """Decides whether a credential may be sent, from the 429 responses of Kratos.

    All credentials are held if, within the last second, credentials of at least three identities got a 429, and
    these are most of the known credentials, and most of the identities, that Kratos answered. Probes go on, and the
    first one with another answer ends it.

    Args:
        monotonic: The monotonic clock, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._held_until: dict[Hashable, float] = {}
        self._answers: deque[_Answer] = deque(maxlen=_MAX_ANSWERS)
        self._all_held_until = -inf
        self._limited_identities: set[int] = set()
        self._last_probe = -inf
        self._refused = 0

    @property
    def holds_all(self) -> bool:
        """Whether all credentials are held."""
        return self._monotonic() < self._all_held_until

    def retry_after(self, key: bytes, identity: int | None, group: Hashable) -> int | None:
        """Return None if a call is allowed now, otherwise the seconds to wait.

        Args:
            key: The cache key of the credential.
            identity: The hash of the identity of a known credential, or None.
            group: The same for all credentials of a request: a 429 for one of them holds all.
        """
        if not self._held_until:
            return None
        now = self._monotonic()
        until = max(self._held_until.get(key, -inf), self._held_until.get(group, -inf))
        if now >= until:
            until = self._all_held_until
            if now >= until or self._is_probe(identity, now):
                return None
        return ceil(until - now)

    def record_answer(self, key: bytes, identity: int | None, group: Hashable) -> None:
        """Record a response other than a 429.

        Args:
            key: The cache key of the credential.
            identity: The hash of the identity of a known credential, or None.
            group: The same for all credentials of a request: they count as one.
        """
        if identity is not None:
            self._answers.append(_Answer(self._monotonic(), group, identity, is_limited=False))
        if self._held_until:
            self._held_until.pop(key, None)
            self._all_held_until = -inf

    def record_limited(self, key: bytes, identity: int | None, group: Hashable, seconds: int) -> None:
        """Record a 429.

        Args:
            key: The cache key of the credential.
            identity: The hash of the identity of a known credential, or None.
            group: The same for all credentials of a request: they count as one.
            seconds: The seconds in `Retry-After`.
        """
        now = self._monotonic()
        self._held_until[key] = self._held_until[group] = now + seconds
        while len(self._held_until) > _MAX_HELD:
            del self._held_until[next(iter(self._held_until))]
        if identity is None:
            return
        self._answers.append(_Answer(now, group, identity, is_limited=True))
        if now < self._all_held_until:
            self._limited_identities.add(identity)
        else:
            self._hold_all_if_most_are_limited(now, seconds)

    def _hold_all_if_most_are_limited(self, now: float, seconds: int) -> None:
        latest = {answer.group: answer for answer in self._answers if now - answer.time <= _WINDOW}
        limited = [answer for answer in latest.values() if answer.is_limited]
        identities = {answer.identity for answer in limited}
        others = {answer.identity for answer in latest.values()} - identities
        if len(identities) < max(_MIN_IDENTITIES, len(others) + 1) or 2 * len(limited) <= len(latest):
            return
        self._all_held_until, self._limited_identities = now + seconds, identities
        self._last_probe, self._refused = -inf, 0
        _log.warning("whoami.rate_limited: Kratos limits most sessions, so most calls wait for %d s", seconds)

    def _is_probe(self, identity: int | None, now: float) -> bool:
        is_due = now - self._last_probe >= _PROBE_INTERVAL
        if is_due and identity is not None and identity not in self._limited_identities:
            self._last_probe = now
            return True
        self._refused += 1
        return self._refused % _PROBE_SHARE == 0
