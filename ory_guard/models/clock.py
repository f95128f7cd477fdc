"""Wall-clock and monotonic time, injectable for tests."""

from time import monotonic, time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Where the time comes from: `time()` is the wall clock's, `monotonic()` only runs forward; seconds."""

    def time(self) -> float:
        """Return seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        ...


class SystemClock:
    """The operating system's clocks."""

    time = staticmethod(time)
    monotonic = staticmethod(monotonic)
