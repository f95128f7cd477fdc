"""Kratos' responses to JWTs that it does not accept, so that not each of their requests calls Kratos.

They say nothing about the claims of a JWT, so they are remembered apart from its session.
"""

from typing import Final

from cachetools import LRUCache

from ory_guard.cache.revocations import RevocationLog
from ory_guard.models.clock import Clock
from ory_guard.models.outcomes import Authenticated, Outcome, Rejected, Unavailable

__all__ = ["JWTRejectionCache"]

_MAX_RESPONSES: Final = 4_096
_FAILURE_TTL: Final = 1.0


class JWTRejectionCache:
    """Remembers refusals and unreadable responses; the revocation of the session or identity ends a memory.

    Args:
        revocations: The revocations that this process knows.
        clock: The source of the time.
    """

    def __init__(self, revocations: RevocationLog, clock: Clock) -> None:
        self._revocations = revocations
        self._monotonic = clock.monotonic
        self._responses: LRUCache[bytes, tuple[Outcome, float, float]] = LRUCache(_MAX_RESPONSES)

    def record(self, key: bytes, outcome: Outcome, ttl: float, request_time: float) -> None:
        """Record Kratos' response to a JWT. A call without a response does not change the memory.

        Args:
            key: The cache key of the JWT.
            outcome: The outcome of the call.
            ttl: The lifetime of a refusal, in seconds.
            request_time: The time of the request to Kratos, on the monotonic clock.
        """
        match outcome:
            case Rejected():
                self._responses[key] = outcome, request_time, request_time + ttl
            case Unavailable(reason="protocol"):
                self._responses[key] = outcome, request_time, self._monotonic() + _FAILURE_TTL
            case Unavailable():
                pass
            case _:
                self._responses.pop(key, None)

    def recent(self, key: bytes | None, verified: Outcome | None) -> Outcome | None:
        """Return the outcome of Kratos' last response to this JWT, if it is still remembered.

        Args:
            key: The cache key of the JWT.
            verified: The outcome of its verification.
        """
        response = None if key is None else self._responses.get(key)
        if response is None or not isinstance(verified, Authenticated):
            return None
        outcome, request_time, end = response
        is_fresh = self._monotonic() < end and not self._revocations.is_revoked(verified.session, request_time)
        return outcome if is_fresh else None
