"""The clock of most tests."""

from datetime import UTC, datetime

from ory_guard.testing import ManualClock

NOW = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)


class AdjustableClock(ManualClock):
    """A manual clock whose wall clock can also be adjusted alone, as by an operator."""

    def __init__(self, now: datetime = NOW) -> None:
        super().__init__(now)

    def monotonic(self) -> float:
        """Return the number of seconds since an arbitrary moment before the start."""
        return 1_000.0 + super().monotonic()

    def set_wall_clock(self, seconds: float) -> None:
        """Move only the wall clock, forward or back."""
        self._start += seconds
