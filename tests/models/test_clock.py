"""The system clock."""

from ory_guard.models import SystemClock


def test_system_clock_returns_the_time_of_the_operating_system() -> None:
    """The wall clock counts from the epoch; the monotonic clock never runs backward."""
    clock = SystemClock()

    assert clock.time() > 1_700_000_000
    assert clock.monotonic() <= clock.monotonic()
