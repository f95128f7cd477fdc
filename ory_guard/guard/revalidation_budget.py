"""The budget of revalidations before a refusal."""

from collections.abc import Callable
from math import nan
from typing import Final, NamedTuple

from cachetools import LRUCache

__all__ = ["RevalidationBudget"]

_BURST: Final = 4
_REFILL_PER_SECOND: Final = 1.0
_MAX_CREDENTIALS: Final = 4_096


class _Bucket(NamedTuple):
    tokens: float
    updated_at: float
    last_check: float


class RevalidationBudget:
    """A token bucket for each credential: four calls at once, and one more each second.

    A user who returns from a step-up with the same token is accepted at the first try, and a client that repeats a
    refused request causes few calls.

    Args:
        monotonic: The monotonic clock, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._buckets: LRUCache[bytes, _Bucket] = LRUCache(_MAX_CREDENTIALS)

    def take(self, key: bytes) -> bool:
        """Return whether a refused request may call Kratos again, and count the call.

        Args:
            key: The cache key of the credential.
        """
        bucket = self._refilled(key)
        if bucket.tokens < 1:
            return False
        self._buckets[key] = bucket._replace(tokens=bucket.tokens - 1)
        return True

    def charge(self, key: bytes, request_time: float) -> None:
        """Count the check that a refused request has waited for; several requests may have waited for the same.

        Args:
            key: The cache key of the credential.
            request_time: The time of the request to Kratos, on the monotonic clock.
        """
        bucket = self._refilled(key)
        if request_time != bucket.last_check:
            self._buckets[key] = bucket._replace(tokens=max(bucket.tokens - 1, 0.0), last_check=request_time)

    def _refilled(self, key: bytes) -> _Bucket:
        now = self._monotonic()
        bucket = self._buckets.get(key)
        if bucket is None:
            return _Bucket(_BURST, now, nan)
        tokens = min(bucket.tokens + (now - bucket.updated_at) * _REFILL_PER_SECOND, _BURST)
        return bucket._replace(tokens=tokens, updated_at=now)
