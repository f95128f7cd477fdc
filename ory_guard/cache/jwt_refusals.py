"""JWTs that Kratos does not accept as a credential, so that not each of their requests calls Kratos.

Kratos' 401 says nothing about the claims of a JWT, so it is remembered apart from the session of the JWT.
"""

from typing import Final

from cachetools import LRUCache

from ory_guard.cache.revocations import RevocationLog
from ory_guard.models.clock import Clock
from ory_guard.models.outcomes import Authenticated, Outcome, Rejected, Unavailable

__all__ = ["JWTRefusals"]

_MAX_REFUSALS: Final = 4_096


class JWTRefusals:
    """Remembers Kratos' refusals of JWTs; the revocation of the session or identity ends a memory.

    Args:
        revocations: The revocations that this process knows.
        clock: The source of the time.
    """

    def __init__(self, revocations: RevocationLog, clock: Clock) -> None:
        self._revocations = revocations
        self._monotonic = clock.monotonic
        self._refusals: LRUCache[bytes, tuple[float, float]] = LRUCache(_MAX_REFUSALS)

    def record(self, key: bytes, outcome: Outcome, ttl: float, request_time: float) -> None:
        """Record Kratos' response to a JWT. A failed call does not change the memory.

        Args:
            key: The cache key of the JWT.
            outcome: The outcome of the call.
            ttl: The lifetime of the outcome, in seconds.
            request_time: The time of the request to Kratos, on the monotonic clock.
        """
        if isinstance(outcome, Rejected):
            self._refusals[key] = request_time, request_time + ttl
        elif not isinstance(outcome, Unavailable):
            self._refusals.pop(key, None)

    def is_recent(self, key: bytes | None, outcome: Outcome | None) -> bool:
        """Return whether Kratos' last response to this JWT was a refusal that is still remembered.

        Args:
            key: The cache key of the JWT.
            outcome: The outcome of its verification.
        """
        refusal = None if key is None else self._refusals.get(key)
        if refusal is None or not isinstance(outcome, Authenticated):
            return False
        request_time, end = refusal
        return self._monotonic() < end and not self._revocations.is_revoked(outcome.session, request_time)
