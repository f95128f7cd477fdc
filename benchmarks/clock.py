"""A manual clock."""

from time import time

__all__ = ["FixedClock"]


class FixedClock:
    """A wall clock and a monotonic clock that only `shift` advances."""

    def __init__(self) -> None:
        self._now = 0.0
        self._begun = time()

    def time(self) -> float:
        """Return seconds since the epoch."""
        return self._begun + self._now

    def monotonic(self) -> float:
        """Return seconds since the clock was made."""
        return self._now

    def shift(self, seconds: float) -> None:
        """Set the clock forward."""
        self._now += seconds
