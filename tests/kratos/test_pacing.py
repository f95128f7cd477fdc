"""The pace of calls for unknown credentials."""

from itertools import pairwise

import pytest

from ory_guard.kratos.pacing import Pace


def record(pace: Pace, now: float, *, limited: int = 0, answered: int = 0) -> None:
    for number in range(answered + limited):
        pace.record_end(now, is_limited=number >= answered)


@pytest.mark.parametrize(
    ("limited", "answered", "rate"),
    [(0, 1_000, None), (9, 0, None), (10, 0, 20), (10, 60, 30), (50, 140, 70), (10, 210, None), (11, 210, 105)],
    ids=["none", "few", "only 429", "some", "many", "less than a twentieth", "a twentieth"],
)
def test_pace_is_learned_from_429_responses(limited: int, answered: int, rate: float | None) -> None:
    """A few of them are those of single sessions."""
    pace = Pace()

    record(pace, 10.0, limited=limited, answered=answered)

    assert pace.rate == (None if rate is None else pytest.approx(rate))


def test_calls_are_spread() -> None:
    pace = Pace()
    record(pace, 10.0, limited=50, answered=100)
    times = []
    now = 10.0
    for _ in range(50):
        now += pace.seconds_until_due(now)
        pace.record_start(now)
        times.append(now)

    assert times[-1] == pytest.approx(11.0)
    assert min(later - earlier for earlier, later in pairwise(times)) > 0.01


def test_small_burst_is_allowed_after_a_pause() -> None:
    pace = Pace()
    record(pace, 10.0, limited=50, answered=100)
    burst = 0
    while pace.seconds_until_due(20.0) == 0:
        pace.record_start(20.0)
        burst += 1

    assert 1 < burst <= 6


def test_rate_grows_each_second_and_is_unlimited_after_a_minute() -> None:
    pace = Pace()
    record(pace, 10.0, limited=50, answered=100)
    rates = []
    for second in range(11, 70):
        record(pace, float(second), answered=1)
        rates.append(pace.rate)

    assert rates[1] == pytest.approx(51)
    assert rates == sorted(rates, key=lambda rate: rate or 0)
    assert repr(pace).endswith(" calls a second>")
    record(pace, 70.0, answered=1)
    assert repr(pace) == "<Pace unlimited>"
    assert pace.seconds_until_due(70.0) == 0


def test_rate_is_reduced_at_most_once_a_second() -> None:
    """By a single 429, because the calls for users get them as often."""
    pace = Pace()
    record(pace, 10.0, limited=50, answered=100)
    record(pace, 10.5, limited=50)
    assert pace.rate == pytest.approx(50)

    record(pace, 11.5, limited=1, answered=40)
    assert pace.rate == pytest.approx(25)
    record(pace, 12.5, limited=1)
    assert pace.rate == pytest.approx(20)
