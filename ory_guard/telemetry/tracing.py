"""Spans: one per request to Kratos, as a child of the first request that waits for it.

Several requests share one check, which runs outside of their contexts. Its span is therefore created when the check
ends: the parent is the span of the request with the first cache miss, and the other waiting requests are linked.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TracerProvider,
    get_current_span,
    get_tracer,
    set_span_in_context,
)

from ory_guard import __version__
from ory_guard.events import (
    CheckFailed,
    Event,
    Refused,
    SessionCacheHit,
    SessionCacheMiss,
    StoreHit,
    TokenVerified,
    WhoamiAnswered,
)
from ory_guard.guard.guard import OryGuard
from ory_guard.telemetry.attributes import (
    CACHE_RESULT,
    CREDENTIAL_ID,
    ERROR_TYPE,
    METHOD,
    OUTCOME,
    PATH,
    REFUSAL,
    REFUSAL_REASON,
    SCOPE,
    STATUS_CODE,
    URL_TEMPLATE,
    server_attributes,
)

__all__ = ["GuardSpans"]

_MAX_CHECKS: Final = 1_000
_MAX_LINKS: Final = 32
_MARGIN_SECONDS: Final = 1.0


class _Waiting(NamedTuple):
    """The requests that wait for the check of one credential.

    Attributes:
        since: The time of the first cache miss, on the monotonic clock.
        spans: The spans of the requests, in order of arrival.
    """

    since: float
    spans: list[SpanContext]


class GuardSpans:
    """A listener that creates spans.

    Args:
        guard: The guard.
        provider: The provider for the spans; None for the global provider.
        attributes: The attributes of every span, in addition to Kratos' address.
    """

    def __init__(self, guard: OryGuard, provider: TracerProvider | None, attributes: Mapping[str, str]) -> None:
        self._tracer = get_tracer(SCOPE, __version__, provider)
        self._common: dict[str, Any] = {
            **server_attributes(guard.settings, attributes),
            METHOD: "GET",
            "url.full": guard.settings.kratos_public_url + PATH,
            URL_TEMPLATE: PATH,
        }
        self._max_wait = guard.settings.timeout + _MARGIN_SECONDS
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()

    def __call__(self, event: Event) -> None:
        """Handle an event."""
        match event:
            case SessionCacheHit():
                get_current_span().set_attribute(CACHE_RESULT, "hit")
            case SessionCacheMiss(credential_id=credential_id):
                self._wait(credential_id)
            case Refused(code=code, reason=reason):
                get_current_span().set_attributes({REFUSAL: code, REFUSAL_REASON: reason})
            case WhoamiAnswered() | CheckFailed():
                self._end(event)
            case StoreHit(credential_id=credential_id) | TokenVerified(credential_id=credential_id):
                self._waiting.pop(credential_id, None)

    def _wait(self, credential_id: str) -> None:
        span = get_current_span()
        span.set_attribute(CACHE_RESULT, "miss")
        if not span.is_recording():
            return
        now = time.monotonic()
        waiting = self._waiting.get(credential_id)
        if waiting is None or now - waiting.since > self._max_wait:
            # Older entries belong to a check that ended without an event.
            self._waiting[credential_id] = waiting = _Waiting(now, [])
            self._waiting.move_to_end(credential_id)
            if len(self._waiting) > _MAX_CHECKS:
                self._waiting.popitem(last=False)
        if len(waiting.spans) <= _MAX_LINKS:
            waiting.spans.append(span.get_span_context())

    def _end(self, event: WhoamiAnswered | CheckFailed) -> None:
        waiting = self._waiting.pop(event.credential_id, None)
        if isinstance(event, CheckFailed) and not event.sent:
            return
        parent, *others = waiting.spans if waiting is not None else [None]
        ended = time.time_ns()
        attributes = {**self._common, CREDENTIAL_ID: event.credential_id}
        if event.status is not None:
            attributes[STATUS_CODE] = event.status
        span = self._tracer.start_span(
            f"GET {PATH}",
            Context() if parent is None else set_span_in_context(NonRecordingSpan(parent), Context()),
            SpanKind.CLIENT,
            attributes,
            [Link(other) for other in others if other is not None],
            ended - int(event.seconds * 1e9),
        )
        if isinstance(event, CheckFailed):
            span.set_attribute(ERROR_TYPE, event.reason)
            span.set_status(StatusCode.ERROR)
        else:
            span.set_attribute(OUTCOME, event.outcome)
        span.end(ended)
