"""Metrics: counters of what the guard did, the time Kratos took, and how the guard is.

How the guard is, is counted up and down in the guard's own event loop: an exporter's thread never looks into the
guard, which is no place for other threads.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.metrics import MeterProvider, UpDownCounter, get_meter

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
from ory_guard.telemetry.attributes import (
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

__all__ = ["COUNTERS", "DURATION", "LEVELS", "GuardMetrics"]

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

LEVELS: Final[Mapping[str, tuple[str, str]]] = {
    "ory_guard.session_cache.entries": ("{answer}", "Answers that are kept."),
    "ory_guard.breaker.state": ("{guard}", "Guards whose circuit breaker is in this state."),
    "ory_guard.store.state": ("{guard}", "Guards whose shared store is up or down."),
}
"""What goes up and down: its unit and description."""

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
        levels = [meter.create_up_down_counter(name, *told) for name, told in LEVELS.items()]
        self._entries = _Level(levels[0])
        self._breaker = _State(levels[1], ("closed", "half_open", "open"), self._common)
        self._store = _State(levels[2], ("up", "down"), self._common)
        self._sampling = False
        self._watching = True
        stats = guard.stats()
        self._entries.set(stats.entries, self._common)
        self._breaker.set(stats.breaker)
        if stats.store != "none":
            self._store.set(stats.store)

    def __call__(self, event: Event) -> None:
        """Take down an event."""
        counter = self._counters.get(type(event))
        if counter is not None:
            number = event.count if isinstance(event, RevocationsHeard) else 1
            counter.add(number, {**self._common, **_attributes_of(event)})
        if isinstance(event, BreakerChanged):
            self._breaker.set(event.state)
        elif isinstance(event, StoreChanged):
            self._store.set(event.state)
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
        if self._watching:
            self._entries.set(self._guard.stats().entries, self._common)

    def close(self) -> None:
        """Take back what the guard is: it is no longer watched."""
        self._watching = False
        self._entries.set(0, self._common)
        self._breaker.set(None)
        self._store.set(None)


class _Level:
    """A counter that goes up and down, set to values."""

    def __init__(self, counter: UpDownCounter) -> None:
        self._counter = counter
        self._value = 0

    def set(self, value: int, attributes: Mapping[str, Any]) -> None:
        self._counter.add(value - self._value, attributes)
        self._value = value


class _State:
    """Counters of which one is 1: that of the state that something is in; none before the first state."""

    def __init__(self, counter: UpDownCounter, states: tuple[str, ...], common: Mapping[str, Any]) -> None:
        self._levels = {state: (_Level(counter), {**common, STATE: state}) for state in states}
        self._known = False

    def set(self, state: str | None) -> None:
        self._known = self._known or state is not None
        for one, (level, attributes) in self._levels.items():
            if self._known:
                level.set(int(one == state), attributes)


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
