"""Metrics: counters of what the guard did, the time Kratos took, and how the guard is.

A gauge is set when what it shows changes, in the guard's own event loop: an exporter's thread never looks into the
guard, which is no place for other threads.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.metrics import MeterProvider, get_meter

from ory_guard import __version__
from ory_guard.events import (
    BreakerChanged,
    CheckFailed,
    CheckShared,
    Event,
    Refused,
    RevocationsHeard,
    SessionCacheHit,
    SessionCacheMiss,
    SessionsInvalidated,
    StoreChanged,
    StoreHit,
    TokenVerified,
    WhoamiAnswered,
)
from ory_guard.guard import OryGuard
from ory_guard.telemetry.conventions import (
    CACHE_RESULT,
    ERROR_TYPE,
    METHOD,
    NEVER_SENT,
    OUTCOME,
    REFUSAL,
    SCOPE,
    STATE,
    STATUS_CODE,
    server_of,
)

__all__ = ["COUNTERS", "DURATION", "GAUGES", "GuardMetrics"]

DURATION: Final = "http.client.request.duration"

COUNTERS: Final[Mapping[type[Event], tuple[str, str, str]]] = {
    SessionCacheHit: ("ory_guard.session_cache.lookups", "{lookup}", "Looks at what is kept of a credential."),
    SessionCacheMiss: ("ory_guard.session_cache.lookups", "{lookup}", "Looks at what is kept of a credential."),
    CheckShared: ("ory_guard.checks.shared", "{request}", "Requests that waited for another one's check."),
    CheckFailed: ("ory_guard.checks.failed", "{check}", "Checks without an answer that means something."),
    Refused: ("ory_guard.requests.refused", "{request}", "Requests that a gate refused."),
    SessionsInvalidated: ("ory_guard.sessions.invalidated", "{call}", "Calls of invalidate()."),
    RevocationsHeard: ("ory_guard.revocations.heard", "{id}", "Ids that other processes revoked."),
    StoreHit: ("ory_guard.store.hits", "{hit}", "Sessions that the shared store had."),
    TokenVerified: ("ory_guard.tokens.verified", "{token}", "JWTs that were verified or refused here."),
}
"""Which counter an event counts: its name, unit and description."""

GAUGES: Final[Mapping[str, str]] = {
    "ory_guard.session_cache.entries": "Answers that are kept.",
    "ory_guard.breaker.state": "1 for the state that the circuit breaker is in, 0 for the others.",
    "ory_guard.store.state": "1 for whether the shared store is up or down, 0 for the other.",
}

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_CHANGES_ENTRIES: Final = (WhoamiAnswered, TokenVerified, StoreHit, SessionsInvalidated, RevocationsHeard)


class GuardMetrics:
    """A listener that counts and measures.

    Args:
        guard: The guard it listens to.
        provider: Where the metrics go, or None for the global provider.
        attributes: What every data point gets besides Kratos' address.
    """

    def __init__(self, guard: OryGuard, provider: MeterProvider | None, attributes: Mapping[str, str]) -> None:
        meter = get_meter(SCOPE, __version__, provider)
        self._guard = guard
        self._common = server_of(guard.settings, attributes)
        self._counters = {event: meter.create_counter(*named) for event, named in COUNTERS.items()}
        self._duration = meter.create_histogram(
            DURATION, "s", "How long Kratos took.", explicit_bucket_boundaries_advisory=_BUCKETS
        )
        entries, breaker, store = (meter.create_gauge(name, "1", told) for name, told in GAUGES.items())
        self._entries, self._breaker, self._store = entries, breaker, store
        self._sampling = False
        stats = guard.stats()
        self._set_state(breaker, ("closed", "half_open", "open"), stats.breaker)
        if stats.store != "none":
            self._set_state(store, ("up", "down"), stats.store)
        entries.set(stats.entries, self._common)

    def __call__(self, event: Event) -> None:
        """Take down an event."""
        counter = self._counters.get(type(event))
        if counter is not None:
            number = event.count if isinstance(event, RevocationsHeard) else 1
            counter.add(number, {**self._common, **_attributes_of(event)})
        if isinstance(event, BreakerChanged):
            self._set_state(self._breaker, ("closed", "half_open", "open"), event.state)
        elif isinstance(event, StoreChanged):
            self._set_state(self._store, ("up", "down"), event.state)
        elif isinstance(event, WhoamiAnswered | CheckFailed):
            self._measure(event)
        if isinstance(event, _CHANGES_ENTRIES) and not self._sampling:
            # An answer is kept just after it was told of.
            self._sampling = True
            asyncio.get_running_loop().call_soon(self._sample)

    def _measure(self, event: WhoamiAnswered | CheckFailed) -> None:
        told: dict[str, Any] = {**self._common, METHOD: "GET"}
        if event.status is not None:
            told[STATUS_CODE] = event.status
        if isinstance(event, CheckFailed):
            if event.reason in NEVER_SENT:
                return
            told[ERROR_TYPE] = event.reason
        else:
            told[OUTCOME] = event.outcome
        self._duration.record(event.seconds, told)

    def _sample(self) -> None:
        self._sampling = False
        self._entries.set(self._guard.stats().entries, self._common)

    def _set_state(self, gauge: Any, states: tuple[str, ...], state: str) -> None:
        for one in states:
            gauge.set(int(one == state), {**self._common, STATE: one})


def _attributes_of(event: Event) -> dict[str, str]:
    match event:
        case SessionCacheHit():
            return {CACHE_RESULT: "hit"}
        case SessionCacheMiss():
            return {CACHE_RESULT: "miss"}
        case CheckFailed(reason=reason):
            return {ERROR_TYPE: reason}
        case Refused(code=code):
            return {REFUSAL: code}
        case TokenVerified(outcome=outcome):
            return {OUTCOME: outcome}
        case _:
            return {}
