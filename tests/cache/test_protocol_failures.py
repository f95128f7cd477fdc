"""The memory for invalid responses of Kratos."""

from support.clock import AdjustableClock

from ory_guard import Unavailable
from ory_guard.cache.protocol_failures import ProtocolFailures
from ory_guard.cache.revocations import RevocationLog


def test_memory_is_bounded() -> None:
    clock = AdjustableClock()
    revocations = RevocationLog(30.0, clock)
    failures = ProtocolFailures(revocations, clock)
    for number in range(5_000):
        failures.record(b"%d" % number, Unavailable("protocol"), revocations.next_request_time())

    assert sum(failures.is_recent(b"%d" % number) for number in range(5_000)) == 4_096
