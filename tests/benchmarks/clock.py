"""A clock that runs on, and can be set forward."""

from time import monotonic, time

__all__ = ["ShiftedClock"]


class ShiftedClock:
    """The system's clocks and as many seconds as somebody shifted them by."""

    def __init__(self) -> None:
        self._shift = 0.0

    def time(self) -> float:
        """Return seconds since the epoch."""
        return time() + self._shift

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return monotonic() + self._shift

    def shift(self, seconds: float) -> None:
        """Set the clock forward."""
        self._shift += seconds
