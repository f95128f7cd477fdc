"""Credentials whose last response from Kratos was invalid, so that not each of their requests calls Kratos."""

from collections.abc import Awaitable
from typing import Final, TypeVar

from ory_guard.cache.revocations import RevocationLog
from ory_guard.cache.single_flight import CheckResult
from ory_guard.models.clock import Clock
from ory_guard.models.outcomes import Outcome, Unavailable

__all__ = ["ProtocolErrorCache"]

ResultT = TypeVar("ResultT", CheckResult, CheckResult | None)

_RETENTION: Final = 1.0
_MAX_FAILURES: Final = 4_096


class ProtocolErrorCache:
    """Remembers `Unavailable("protocol")` for one second per credential; every revocation ends that second.

    Args:
        revocations: The revocations that this process knows.
        clock: The source of the time.
    """

    def __init__(self, revocations: RevocationLog, clock: Clock) -> None:
        self._revocations = revocations
        self._monotonic = clock.monotonic
        self._failures: dict[bytes, tuple[float, float]] = {}  # the latest ones are last

    async def observe(self, key: bytes, check: Awaitable[ResultT]) -> ResultT:
        """Return the result of a session check, and record it.

        Args:
            key: The cache key of the credential.
            check: The check. If it raises an exception, that counts as `Unavailable("protocol")`.
        """
        request_time = self._revocations.next_request_time()
        try:
            result = await check
        except Exception:
            self.record(key, Unavailable("protocol"), request_time)
            raise
        if result is not None:
            self.record(key, result.outcome, result.request_time)
        return result

    def record(self, key: bytes, outcome: Outcome, request_time: float) -> None:
        """Record the outcome of a session check. An outcome of another kind replaces a remembered failure.

        Args:
            key: The cache key of the credential.
            outcome: The outcome.
            request_time: The time of the request to Kratos, on the monotonic clock.
        """
        if isinstance(outcome, Unavailable) and outcome.reason == "protocol":
            self._failures.pop(key, None)
            self._failures[key] = request_time, self._monotonic() + _RETENTION
            if len(self._failures) > _MAX_FAILURES:
                del self._failures[next(iter(self._failures))]
        elif self._failures:
            self._failures.pop(key, None)

    def is_recent(self, key: bytes) -> bool:
        """Return whether the last check of this credential failed within the last second."""
        failure = self._failures.get(key)
        if failure is None:
            return False
        request_time, end = failure
        return self._monotonic() < end and request_time > self._revocations.last_revocation
