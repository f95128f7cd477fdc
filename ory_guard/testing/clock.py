"""Clocks that tests can move forward without waiting."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Protocol

__all__ = ["SECOND", "Clock", "ManualClock", "MovableClock", "nanoseconds", "timestamp"]

SECOND: Final = 1_000_000_000


class MovableClock(Protocol):
    """The clock interface of the fake. A guard accepts the same object as its `clock`."""

    def time(self) -> float:
        """Return the number of seconds since 1970 in UTC."""
        ...

    def monotonic(self) -> float:
        """Return a number of seconds that never decreases."""
        ...

    def advance(self, seconds: float) -> None:
        """Move the clock forward by `seconds`."""
        ...


class Clock:
    """The system clock plus an offset."""

    def __init__(self) -> None:
        self._offset = 0.0

    def time(self) -> float:
        """Return the number of seconds since 1970 in UTC, including the offset."""
        return time.time() + self._offset

    def monotonic(self) -> float:
        """Return a number of seconds that never decreases, including the offset."""
        return time.monotonic() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward by `seconds`.

        Raises:
            ValueError: If `seconds` is negative.
        """
        self._offset += _require_forward(seconds)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {timestamp(nanoseconds(self))}>"


class ManualClock(Clock):
    """A clock that only moves when `advance` is called.

    Args:
        start: The initial time. It must have a time zone.

    Raises:
        ValueError: If `start` has no time zone.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            raise ValueError(f"start must have a time zone, not {start!r}; try {start!r}.replace(tzinfo=UTC)")
        super().__init__()
        self._start = start.timestamp()

    def time(self) -> float:
        """Return the number of seconds since 1970 in UTC."""
        return self._start + self._offset

    def monotonic(self) -> float:
        """Return the number of seconds that the clock was advanced."""
        return self._offset


def _require_forward(seconds: float) -> float:
    if seconds < 0:
        raise ValueError(f"seconds must be 0 or more, not {seconds}")
    return seconds


def nanoseconds(clock: MovableClock) -> int:
    """Return the wall time in nanoseconds: Kratos writes timestamps with up to nine fractional digits."""
    return int(clock.time() * SECOND)


@lru_cache(maxsize=4_096)
def timestamp(nanos: int) -> str:
    """Format a time as Kratos does: RFC 3339 in UTC, without trailing zeros in the fraction."""
    seconds, fraction = divmod(nanos, SECOND)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{text}.{fraction:09d}".rstrip("0").rstrip(".") + "Z"
