"""The memory for invalid responses of Kratos."""

from support.clock import AdjustableClock

from ory_guard import Unavailable
from ory_guard.cache.protocol_error_cache import ProtocolErrorCache
from ory_guard.cache.revocations import RevocationLog
from ory_guard.models.outcomes import Outcome

FAILURE = Unavailable("protocol")


class Bench:
    """Failures and revocations."""

    def __init__(self) -> None:
        clock = AdjustableClock()
        self.revocations = RevocationLog(30.0, clock)
        self.failures = ProtocolErrorCache(self.revocations, clock)

    def record(self, key: bytes, outcome: Outcome = FAILURE) -> None:
        """Record the outcome of a request that is sent now."""
        self.failures.record(key, outcome, self.revocations.next_request_time())


def test_failure_is_remembered_until_another_outcome_or_a_revocation() -> None:
    """Even within the same tick of the clock."""
    bench = Bench()
    bench.record(b"k")
    assert bench.failures.is_recent(b"k")
    bench.record(b"k", Unavailable("timeout"))
    assert not bench.failures.is_recent(b"k")

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
