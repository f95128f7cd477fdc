"""A clock that stands until it is set forward."""

from time import time

__all__ = ["StandingClock"]


class StandingClock:
    """Both clocks of the guard; a run takes no time on them, however slow the machine is."""

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
