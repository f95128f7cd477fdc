"""Wall-clock and monotonic time; tests use a clock of their own."""

from time import monotonic, time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Source of the time, in seconds."""

    def time(self) -> float:
        """Return the wall-clock time, in seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return the time of a clock that never goes backward."""
        ...


class SystemClock:
    """The operating system's clocks."""

    time: "staticmethod[[], float]" = staticmethod(time)
    monotonic: "staticmethod[[], float]" = staticmethod(monotonic)
