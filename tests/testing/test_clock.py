"""The clocks of the fake."""

from datetime import datetime

import pytest

from ory_guard.testing import Clock, ManualClock


def test_clock_adds_the_advanced_seconds_to_the_system_time() -> None:
    clock = Clock()
    wall, monotonic = clock.time(), clock.monotonic()
    clock.advance(60)

    assert clock.time() - wall >= 60
    assert clock.monotonic() - monotonic >= 60


def test_manual_clock_only_moves_when_advanced() -> None:
    clock = ManualClock()
    clock.advance(60)

    assert (clock.monotonic(), repr(clock)) == (60, "<ManualClock 2026-01-01T00:01:00Z>")


def test_clock_cannot_be_moved_backward() -> None:
    with pytest.raises(ValueError, match="seconds must be 0 or more, not -1"):
        Clock().advance(-1)


def test_manual_clock_requires_a_time_zone() -> None:
    with pytest.raises(ValueError, match="must have a time zone"):
        ManualClock(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test
