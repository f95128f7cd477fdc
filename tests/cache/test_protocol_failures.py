"""Invalid responses are remembered for one second per credential."""

import pytest
from support.clock import AdjustableClock

from ory_guard import Anonymous, Unavailable
from ory_guard.cache.protocol_failures import ProtocolFailures
from ory_guard.cache.revocations import RevocationLog
from ory_guard.models.outcomes import Outcome

FAILURE = Unavailable("protocol")


class Bench:
    """Failures, revocations and their clock."""

    def __init__(self) -> None:
        self.clock = AdjustableClock()
        self.revocations = RevocationLog(30.0, self.clock)
        self.failures = ProtocolFailures(self.revocations, self.clock)

    def record(self, key: bytes, outcome: Outcome = FAILURE) -> None:
        """Record the outcome of a request that is sent now."""
        self.failures.record(key, outcome, self.revocations.next_request_time())


def test_failure_is_remembered_for_a_second() -> None:
    """For its own credential only."""
    bench = Bench()
    bench.record(b"k")

    bench.clock.advance(0.999)
    assert bench.failures.is_recent(b"k")
    assert not bench.failures.is_recent(b"other")
    bench.clock.advance(0.001)
    assert not bench.failures.is_recent(b"k")


@pytest.mark.parametrize("outcome", [Anonymous(), Unavailable("timeout"), Unavailable("unreachable")])
def test_other_outcome_replaces_the_failure(outcome: Outcome) -> None:
    bench = Bench()
    bench.record(b"k")

    bench.record(b"k", outcome)

    assert not bench.failures.is_recent(b"k")


def test_revocation_ends_the_failure() -> None:
    """Even within the same tick of the clock; a later failure is remembered."""
    bench = Bench()
    bench.record(b"k")

    bench.revocations.add()
    assert not bench.failures.is_recent(b"k")
    bench.record(b"k")
    assert bench.failures.is_recent(b"k")


def test_memory_is_bounded() -> None:
    bench = Bench()
    for number in range(5_000):
        bench.record(b"%d" % number)

    assert sum(bench.failures.is_recent(b"%d" % number) for number in range(5_000)) == 4_096
