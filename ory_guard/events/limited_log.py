"""Log records that clients cause: in limited numbers, so that a client can't fill the log."""

import logging
from collections.abc import Callable, Hashable
from typing import Final

__all__ = ["LimitedLog"]

_log = logging.getLogger("ory_guard")

_BURST: Final = 10
"""The number of records of one kind that are logged without a pause."""

_INTERVAL: Final = 10.0
"""Seconds between two records of one kind after a burst."""


class LimitedLog:
    """Limits the records of each kind: ten at once, and then one in ten seconds.

    Args:
        monotonic: The monotonic clock, in seconds.
        server: The origin of the server that the records are about, which follows each message in parentheses.
    """

    def __init__(self, monotonic: Callable[[], float], server: str = "") -> None:
        self._monotonic = monotonic
        self._at_server = f" ({server})" if server else ""
        self._limits: dict[Hashable, _TokenBucket] = {}

    def take(self, level: int, kind: Hashable) -> int:
        """Return the number of events since the last record, or 0 if this event must not be logged.

        Args:
            level: The level of the record.
            kind: The kind of the event, one of few.
        """
        if not _log.isEnabledFor(level):
            return 0
        limit = self._limits.get(kind)
        if limit is None:
            limit = self._limits[kind] = _TokenBucket(self._monotonic())
        return limit.take(self._monotonic())

    def write(self, level: int, kind: Hashable, message: str, *values: object) -> None:
        """Write a record to the logger `ory_guard` if the limit allows it.

        Args:
            level: The level of the record.
            kind: The kind of the event, one of few.
            message: The message. The number of events follows if it is not one.
            *values: The values for the message.
        """
        count = self.take(level, kind)
        if count == 1:
            _log.log(level, f"{message}%s", *values, self._at_server)
        elif count > 1:
            _log.log(level, f"{message}%s (count=%d)", *values, self._at_server, count)


class _TokenBucket:
    __slots__ = ("_count", "_tokens", "_updated")

    def __init__(self, now: float) -> None:
        self._tokens = float(_BURST)
        self._updated = now
        self._count = 0

    def take(self, now: float) -> int:
        self._tokens = min(_BURST, self._tokens + (now - self._updated) / _INTERVAL)
        self._updated = now
        self._count += 1
        if self._tokens < 1:
            return 0
        self._tokens -= 1
        count, self._count = self._count, 0
        return count
