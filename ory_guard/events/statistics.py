"""The counters and the state of a guard."""

from typing import Literal

from ory_guard._dataclass import dataclass

__all__ = [
    "ClassStats",
    "GuardStats",
]


@dataclass(frozen=True, slots=True)
class ClassStats:
    """The calls for one class of credentials; each class has a reserved share of `max_upstream_concurrency`.

    Attributes:
        calls: The number of calls in progress.
        waiting: The number of calls that wait for a slot.
        shed: The number of calls so far that got no slot.
    """

    calls: int = 0
    waiting: int = 0
    shed: int = 0


@dataclass(frozen=True, slots=True)
class GuardStats:
    """The counters and the state of a guard in this process.

    Attributes:
        entries: The number of entries in the session cache, fresh or stale.
        hits: The number of requests with a fresh entry in the session cache.
        misses: The number of requests without one.
        shared: The number of requests that waited for the session check of another request.
        upstream_calls: The number of calls of Kratos.
        store_hits: The number of sessions from the shared store.
        degraded: Whether the circuit breaker is not closed, the shared store is down, or `rate_limited` is True.
        breaker: The state of the circuit breaker; while it is `open`, Kratos is not called.
        store: `up`, `down`, or `none` if the guard has no shared store. Before the first request it is `up`.
        pending_revocations: The number of revocations of this process that the shared store has not confirmed yet.
        known: The calls for credentials that were good within the last hour.
        unknown: The calls for all other credentials.
        known_credentials: The number of credentials that were good within the last hour.
        rate_limited: Whether Kratos limits most sessions, so that most calls are not sent.
        refusals: The number of refused requests.
        anonymous_refusals: The number of refused requests without a credential.
        evictions: The number of entries that a full session cache evicted while they were fresh.
    """

    entries: int
    hits: int
    misses: int
    shared: int
    upstream_calls: int
    store_hits: int
    degraded: bool
    breaker: Literal["closed", "open", "half_open"]
    store: Literal["none", "up", "down"]
    pending_revocations: int = 0
    known: ClassStats = ClassStats()
    unknown: ClassStats = ClassStats()
    known_credentials: int = 0
    rate_limited: bool = False
    refusals: int = 0
    anonymous_refusals: int = 0
    evictions: int = 0
