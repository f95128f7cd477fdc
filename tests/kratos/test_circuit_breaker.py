"""The circuit breaker, on a clock of the test's own."""

import pytest

from ory_guard.kratos.circuit_breaker import BreakerState, CircuitBreaker

A, B, C = b"a", b"b", b"c"


class Bench:
    """A breaker with a clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.told: list[BreakerState] = []
        self.breaker = CircuitBreaker(lambda: self.now, 2.0, self.told.append)

    def fail(self, *keys: bytes) -> None:
        """Let the checks of these credentials fail, one after the other."""
        for key in keys:
            self.breaker.record_failure(key)

    def open(self) -> None:
        """Open the breaker by failures."""
        self.fail(A, B, A, B, A)
        assert self.breaker.state == "open"


@pytest.fixture
def bench() -> Bench:
    """A closed breaker."""
    return Bench()


def test_opens_after_five_failures_of_two_credentials(bench: Bench) -> None:
    """Four failures hold nobody; the fifth holds everybody."""
    bench.fail(A, B, A, B)
    assert bench.breaker.retry_after(C) is None

    bench.fail(A)
    assert bench.breaker.retry_after(C) == 1
    assert bench.told == ["open"]


def test_one_credential_closes_the_door_for_nobody_else(bench: Bench) -> None:
    """However often one credential's check fails, everybody is still asked about."""
    bench.fail(*[A] * 1_000)

    assert bench.breaker.retry_after(B) is None
    assert bench.breaker.retry_after(A) is None
    assert bench.told == []


def test_an_answer_starts_the_count_anew(bench: Bench) -> None:
    """Failures count only in a row, whoever got the answer in between."""
    bench.fail(A, B, A, B)
    bench.breaker.record_success(C)
    bench.fail(A, B, A, B)

    assert bench.breaker.retry_after(C) is None


def test_an_answer_forgets_who_failed(bench: Bench) -> None:
    """After an answer, five failures of a single credential are one credential's failures."""
    bench.fail(B)
    bench.breaker.record_success(C)
    bench.fail(A, A, A, A, A)

    assert bench.breaker.retry_after(C) is None


def test_half_open_lets_one_probe_through(bench: Bench) -> None:
    """After the cooldown one asks, and the others wait for what comes of it."""
    bench.open()
    bench.now += 0.499
    assert bench.breaker.retry_after(A) == 1

    bench.now += 0.001
    assert bench.breaker.retry_after(A) is None
    assert bench.breaker.retry_after(A) == 1
    assert bench.breaker.retry_after(B) == 1
    assert bench.told == ["open", "half_open"]


def test_a_probe_that_is_answered_closes(bench: Bench) -> None:
    """With the probe's answer everybody may ask again, and the count starts at nothing."""
    bench.open()
    bench.now += 0.5
    bench.breaker.retry_after(A)
    bench.breaker.record_success(A)

    assert bench.breaker.retry_after(B) is None
    assert bench.told == ["open", "half_open", "closed"]
    bench.fail(A, B, A, B)
    assert bench.breaker.retry_after(C) is None


def test_a_probe_that_fails_opens_again(bench: Bench) -> None:
    """Another cooldown follows, and then it is others who may probe first."""
    bench.open()
    bench.now += 0.5
    bench.breaker.retry_after(A)
    bench.fail(A)
    assert bench.told == ["open", "half_open", "open"]

    assert bench.breaker.retry_after(B) == 1
    bench.now += 0.5
    assert bench.breaker.retry_after(A) == 1
    assert bench.breaker.retry_after(B) is None


def test_the_credential_that_failed_probes_again_when_nobody_else_does(bench: Bench) -> None:
    """A lone client gets its turn, half a second later than another would."""
    bench.open()
    bench.now += 0.5
    bench.breaker.retry_after(A)
    bench.fail(A)

    bench.now += 1.0
    assert bench.breaker.retry_after(A) is None


def test_what_was_asked_before_does_not_count_for_the_probe(bench: Bench) -> None:
    """Stragglers' answers and failures change nothing while the breaker is not closed."""
    bench.open()
    bench.breaker.record_success(C)
    bench.fail(C)
    assert bench.breaker.retry_after(C) == 1

    bench.now += 0.5
    bench.breaker.retry_after(A)
    bench.breaker.record_success(C)
    bench.fail(C)
    assert bench.told == ["open", "half_open"]


def test_a_lost_probe_is_replaced(bench: Bench) -> None:
    """A probe that was cancelled reports nothing: once it could have, somebody else may probe."""
    bench.open()
    bench.now += 0.5
    bench.breaker.retry_after(A)
    bench.now += 1.999
    assert bench.breaker.retry_after(B) == 1

    bench.now += 0.001
    assert bench.breaker.retry_after(B) is None
    assert bench.breaker.retry_after(C) == 1


def test_a_429_holds_everybody_for_as_long_as_it_says(bench: Bench) -> None:
    """The hold ends with a single probe, not with a stampede."""
    bench.breaker.open_for(7)
    assert bench.breaker.retry_after(A) == 7

    bench.now += 6.5
    assert bench.breaker.retry_after(A) == 1
    bench.now += 0.5
    assert bench.breaker.retry_after(A) is None
    assert bench.breaker.retry_after(B) == 1


def test_a_shorter_429_does_not_end_a_longer_one(bench: Bench) -> None:
    """Several checks may be answered 429 at once; the longest wait counts."""
    bench.breaker.open_for(30)
    bench.breaker.open_for(1)

    assert bench.breaker.retry_after(A) == 30
    assert bench.told == ["open"]


def test_a_429_for_the_probe_holds_for_its_own_time(bench: Bench) -> None:
    """A half-open breaker that hears 429 waits that long, not the time a probe may take."""
    bench.breaker.open_for(7)
    bench.now += 7
    bench.breaker.retry_after(A)
    bench.breaker.open_for(1)

    assert bench.breaker.retry_after(B) == 1
    bench.now += 1
    assert bench.breaker.retry_after(A) is None


def test_nobody_is_told_to_wait_longer_than_a_minute() -> None:
    """The seconds stay within 1 and 60, whatever the hold."""
    bench = Bench()
    bench.breaker.open_for(3_600)

    assert bench.breaker.retry_after(A) == 60


def test_its_repr_shows_the_state(bench: Bench) -> None:
    """A breaker in a log says how it stands."""
    bench.fail(A)

    assert repr(bench.breaker) == "<CircuitBreaker closed, 1 failures>"
