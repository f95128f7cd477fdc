"""Events that a guard emits to its listeners, and its counters.

An event identifies a credential by eight hexadecimal digits of its cache key, never by its value. A listener takes
an event. It is called in the event loop, so it must return quickly; its exceptions are only logged.
"""

from ory_guard.events.event_types import (
    BreakerChanged,
    CheckFailed,
    CheckShared,
    Event,
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
from ory_guard.events.listeners import (
    Listener,
    Listeners,
    log_event,
    notify,
)
from ory_guard.events.statistics import (
    ClassStats,
    GuardStats,
)

__all__ = [
    "BreakerChanged",
    "CheckFailed",
    "CheckShared",
    "ClassStats",
    "Event",
    "GuardStats",
    "Listener",
    "Listeners",
    "Refused",
    "RevocationLogFull",
    "RevocationsDropped",
    "RevocationsHeard",
    "RevocationsSent",
    "SessionCacheCleared",
    "SessionCacheHit",
    "SessionCacheMiss",
    "SessionsInvalidated",
    "StoreCalled",
    "StoreChanged",
    "StoreHit",
    "StoreWaited",
    "TokenVerified",
    "WebhookReceived",
    "WhoamiAnswered",
    "log_event",
    "notify",
]
