"""Time as the fake sees it, so that a test can let an hour pass in no time."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Protocol

__all__ = ["SECOND", "Clock", "ManualClock", "MovableClock", "nanoseconds", "timestamp"]

SECOND: Final = 1_000_000_000


class MovableClock(Protocol):
    """What the fake asks of a clock; a guard takes the same object as its `clock`."""

    def time(self) -> float:
        """Return seconds since 1970 in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        ...

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass at once."""
        ...


class Clock:
    """The real time plus an offset that a test moves by hand."""

    def __init__(self) -> None:
        self._offset = 0.0

    def time(self) -> float:
        """Return seconds since 1970 in UTC, the passed ones included."""
        return time.time() + self._offset

    def monotonic(self) -> float:
        """Return seconds that never run backwards, the passed ones included."""
        return time.monotonic() + self._offset

    def advance(self, seconds: float) -> None:
        """
        Let `seconds` pass at once.

        Raises:
            ValueError: `seconds` is negative: time doesn't run backwards.
        """
        self._offset += _forward(seconds)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {timestamp(nanoseconds(self))}>"


class ManualClock(Clock):
    """
    A time that stands still until `advance` is called.

    Args:
        start: The first instant; a year from now on is as good as any other.

    Raises:
        ValueError: `start` has no time zone.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            raise ValueError(f"start must have a time zone, not {start!r}; try {start!r}.replace(tzinfo=UTC)")
        super().__init__()
        self._start = start.timestamp()

    def time(self) -> float:
        """Return seconds since 1970 in UTC."""
        return self._start + self._offset

    def monotonic(self) -> float:
        """Return the seconds that have passed by hand."""
        return self._offset


def _forward(seconds: float) -> float:
    if seconds < 0:
        raise ValueError(f"time can't go back by {-seconds} s: seconds must be 0 or more")
    return seconds


def nanoseconds(clock: MovableClock) -> int:
    """Return the clock's wall time as whole nanoseconds: Kratos writes up to nine fraction digits."""
    return int(clock.time() * SECOND)


@lru_cache(maxsize=4_096)
def timestamp(nanos: int) -> str:
    """Write an instant as Kratos does: RFC 3339 in UTC, without trailing zeros in the fraction."""
    seconds, fraction = divmod(nanos, SECOND)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{text}.{fraction:09d}".rstrip("0").rstrip(".") + "Z"
