"""Metrics: counters of events, durations, and the state of the guard.

The state is updated in the event loop of the guard, with up-down counters. Observable gauges would read it from the
thread of an exporter, and a guard is not thread-safe.
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
    GuardStats,
    Refused,
    RevocationLogFull,
    RevocationsDropped,
    RevocationsHeard,
    RevocationsSent,
    SessionCacheCleared,
    SessionCacheHit,
    SessionCacheMiss,
    SessionsInvalidated,
    StoreCalled,
    StoreChanged,
    StoreHit,
    StoreWaited,
    TokenVerified,
    WebhookReceived,
    WhoamiAnswered,
)
from ory_guard.guard.guard import OryGuard
from ory_guard.telemetry.attributes import (
    CACHE_RESULT,
    CREDENTIAL_CLASS,
    ERROR_TYPE,
    METHOD,
    OUTCOME,
    PATH,
    REFUSAL,
    REFUSAL_REASON,
    SCOPE,
    STATUS_CODE,
    STORE_OPERATION,
    URL_TEMPLATE,
    server_attributes,
)
from ory_guard.telemetry.gauges import ClassGauge, Gauge, StateGauge

__all__ = ["COUNTERS", "EVICTIONS", "GAUGES", "HISTOGRAMS", "GuardMetrics"]

COUNTERS: Final[Mapping[type[Event], tuple[str, str, str]]] = {
    SessionCacheHit: ("ory_guard.session_cache.lookups", "{lookup}", "Lookups in the session cache."),
    SessionCacheMiss: ("ory_guard.session_cache.lookups", "{lookup}", "Lookups in the session cache."),
    SessionCacheCleared: (
        "ory_guard.session_cache.cleared",
        "{call}",
        "Times that the session cache was emptied because revocations may have been missed.",
    ),
    CheckShared: ("ory_guard.checks.shared", "{request}", "Requests that joined the check of another request."),
    CheckFailed: ("ory_guard.checks.failed", "{check}", "Session checks without a result."),
    Refused: ("ory_guard.requests.refused", "{request}", "Requests that did not meet a requirement."),
    SessionsInvalidated: ("ory_guard.sessions.invalidated", "{call}", "Calls of invalidate()."),
    RevocationsHeard: ("ory_guard.revocations.heard", "{id}", "IDs revoked by other processes."),
    RevocationsSent: (
        "ory_guard.revocations.sent",
        "{id}",
        "IDs revoked by this process and confirmed by the store.",
    ),
    RevocationsDropped: (
        "ory_guard.revocations.dropped",
        "{id}",
        "IDs revoked by this process, but not sent one by one.",
    ),
    RevocationLogFull: (
        "ory_guard.revocations.removed",
        "{id}",
        "Revocations that this process removed while they could still matter.",
    ),
    StoreHit: ("ory_guard.store.hits", "{hit}", "Sessions found in the shared store."),
    WebhookReceived: ("ory_guard.webhooks.received", "{request}", "Webhooks from Kratos, by response status."),
    TokenVerified: ("ory_guard.tokens.verified", "{token}", "JWTs verified or rejected by the guard."),
}
"""The counter of an event: its name, unit and description."""

EVICTIONS: Final = (
    "ory_guard.session_cache.evictions",
    "{entry}",
    "Entries that a full session cache evicted while they were fresh.",
)
"""The counter of evictions, which have no event."""

HISTOGRAMS: Final[Mapping[type[Event], tuple[str, str]]] = {
    WhoamiAnswered: ("http.client.request.duration", "Duration of requests to Kratos."),
    StoreCalled: ("ory_guard.store.operation.duration", "Duration of calls of the shared store."),
    RevocationsHeard: (
        "ory_guard.revocations.delay",
        "Time from a revocation by another process until this process received it.",
    ),
    StoreWaited: (
        "ory_guard.store.wait.duration",
        "Time that a session check waited for another process to store the session.",
    ),
}
"""The histogram of an event, in seconds: its name and description."""

GAUGES: Final[Mapping[str, tuple[str, str]]] = {
    "ory_guard.session_cache.entries": ("{entry}", "Entries in the session cache."),
    "ory_guard.breaker.state": ("{guard}", "Guards with the circuit breaker in this state."),
    "ory_guard.store.state": ("{guard}", "Guards with the shared store in this state."),
    "ory_guard.revocations.pending": ("{id}", "IDs revoked by this process that the store has not confirmed."),
    "ory_guard.calls.active": ("{call}", "Calls of Kratos in progress, by class of the credential."),
    "ory_guard.calls.waiting": ("{call}", "Calls of Kratos that wait for a slot, by class of the credential."),
    "ory_guard.credentials.known": ("{credential}", "Credentials that were good within the last hour."),
    "ory_guard.rate_limited": ("{guard}", "Guards that hold most calls because Kratos limits most sessions."),
}
"""The up-down counters: unit and description."""

_BUCKETS: Final = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
_WITH_ATTRIBUTES: Final = (SessionCacheHit, SessionCacheMiss, CheckFailed, Refused, WebhookReceived, TokenVerified)
_REVOCATIONS: Final = (RevocationsHeard, RevocationsSent, RevocationsDropped)
_CHANGES_GAUGES: Final = (
    WhoamiAnswered,
    CheckFailed,
    TokenVerified,
    StoreHit,
    SessionsInvalidated,
    SessionCacheCleared,
    *_REVOCATIONS,
)


class GuardMetrics:
    """A listener that records metrics.

    Args:
        guard: The guard.
        provider: The provider for the metrics; None for the global provider.
        attributes: The attributes of every data point, in addition to Kratos' address.
    """

    def __init__(self, guard: OryGuard, provider: MeterProvider | None, attributes: Mapping[str, str]) -> None:
        meter = get_meter(SCOPE, __version__, provider)
        self._guard = guard
        self._common = server_attributes(guard.settings, attributes)
        self._counters = {event: meter.create_counter(*arguments) for event, arguments in COUNTERS.items()}
        self._evictions = meter.create_counter(*EVICTIONS)
        self._whoami, self._store_calls, self._delay, self._store_waits = (
            meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=_BUCKETS)
            for name, description in HISTOGRAMS.values()
        )
        gauges = [meter.create_up_down_counter(name, *arguments) for name, arguments in GAUGES.items()]
        self._entries = Gauge(gauges[0])
        self._breaker = StateGauge(gauges[1], ("closed", "half_open", "open"), self._common)
        self._store = StateGauge(gauges[2], ("up", "down"), self._common)
        self._pending = Gauge(gauges[3])
        self._active = ClassGauge(gauges[4], self._common)
        self._waiting = ClassGauge(gauges[5], self._common)
        self._known_credentials, self._rate_limited = Gauge(gauges[6]), Gauge(gauges[7])
        self._sampling = False
        self._open = True
        for event, counter in self._counters.items():
            if event not in _WITH_ATTRIBUTES:
                # Prometheus calculates no increase from a series that begins with its first event.
                counter.add(0, self._common)
        self._evictions.add(0, self._common)
        stats = guard.stats()
        self._evicted = stats.evictions
        self._set(stats)
        self._breaker.set(stats.breaker)
        if stats.store != "none":
            self._store.set(stats.store)

    def __call__(self, event: Event) -> None:
        """Record an event."""
        counter = self._counters.get(type(event))
        if counter is not None:
            count = event.count if isinstance(event, (*_REVOCATIONS, RevocationLogFull)) else 1
            counter.add(count, {**self._common, **_event_attributes(event)})
        if isinstance(event, BreakerChanged):
            self._breaker.set(event.state)
        elif isinstance(event, StoreChanged):
            self._store.set(event.state)
        elif isinstance(event, WhoamiAnswered | CheckFailed):
            self._measure(event)
        elif isinstance(event, StoreCalled):
            failed = {} if event.error is None else {ERROR_TYPE: event.error}
            self._store_calls.record(event.seconds, {**self._common, STORE_OPERATION: event.operation, **failed})
        elif isinstance(event, StoreWaited):
            result = "hit" if event.found else "miss"
            self._store_waits.record(event.seconds, {**self._common, CACHE_RESULT: result})
        elif isinstance(event, RevocationsHeard) and event.seconds is not None:
            self._delay.record(event.seconds, self._common)
        if isinstance(event, _CHANGES_GAUGES) and not self._sampling:
            # The cache and the pending revocations change right after the event.
            self._sampling = True
            asyncio.get_running_loop().call_soon(self._sample)

    def _measure(self, event: WhoamiAnswered | CheckFailed) -> None:
        attributes: dict[str, Any] = {**self._common, METHOD: "GET", URL_TEMPLATE: PATH}
        if event.status is not None:
            attributes[STATUS_CODE] = event.status
        if isinstance(event, CheckFailed):
            if not event.sent:
                return
            attributes[ERROR_TYPE] = event.reason
        else:
            attributes[OUTCOME] = event.outcome
        self._whoami.record(event.seconds, attributes)

    def _sample(self) -> None:
        self._sampling = False
        if self._open:
            self._set(self._guard.stats())

    def _set(self, stats: GuardStats) -> None:
        if stats.evictions > self._evicted:
            self._evictions.add(stats.evictions - self._evicted, self._common)
            self._evicted = stats.evictions
        self._entries.set(stats.entries, self._common)
        self._pending.set(stats.pending_revocations, self._common)
        self._active.set(stats.known.calls, stats.unknown.calls)
        self._waiting.set(stats.known.waiting, stats.unknown.waiting)
        self._known_credentials.set(stats.known_credentials, self._common)
        self._rate_limited.set(int(stats.rate_limited), self._common)

    def close(self) -> None:
        """Remove the state of the guard from the metrics."""
        self._open = False
        for gauge in (self._entries, self._pending, self._known_credentials, self._rate_limited):
            gauge.set(0, self._common)
        self._active.set(0, 0)
        self._waiting.set(0, 0)
        self._breaker.set(None)
        self._store.set(None)


def _event_attributes(event: Event) -> dict[str, str | int]:
    match event:
        case SessionCacheHit():
            return {CACHE_RESULT: "hit"}
        case SessionCacheMiss():
            return {CACHE_RESULT: "miss"}
        case CheckFailed(reason=reason):
            return {ERROR_TYPE: reason, CREDENTIAL_CLASS: "known" if event.known else "unknown"}
        case Refused(code=code, reason=reason):
            return {REFUSAL: code, REFUSAL_REASON: reason}
        case WebhookReceived(status=status):
            return {STATUS_CODE: status}
        case TokenVerified(outcome=outcome):
            return {OUTCOME: outcome}
        case _:
            return {}
