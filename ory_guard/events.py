"""Events that a guard emits to its listeners, and its counters.

An event identifies a credential by eight hexadecimal digits of its cache key, never by its value. A listener takes
an event. It is called in the event loop, so it must return quickly; its exceptions are only logged.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import ClassVar, Literal

from ory_guard._dataclass import dataclass, dataclass_base

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
    "SessionCacheHit",
    "SessionCacheMiss",
    "SessionsInvalidated",
    "StoreChanged",
    "StoreHit",
    "TokenVerified",
    "WebhookReceived",
    "WhoamiAnswered",
    "log_event",
    "notify",
]

_log = logging.getLogger("ory_guard")


@dataclass_base(frozen=True)
class Event:
    """The base class of all events; `name` is stable."""

    __slots__ = ()

    name: ClassVar[str] = "event"


@dataclass(frozen=True, slots=True)
class SessionCacheHit(Event):
    """The session cache had a fresh entry; Kratos was called `age` seconds ago."""

    name: ClassVar[str] = "session_cache.hit"
    credential_id: str
    age: float


@dataclass(frozen=True, slots=True)
class SessionCacheMiss(Event):
    """The session cache had no fresh entry."""

    name: ClassVar[str] = "session_cache.miss"
    credential_id: str


@dataclass(frozen=True, slots=True)
class CheckShared(Event):
    """A request waits for the session check of another request with the same credential."""

    name: ClassVar[str] = "check.shared"
    credential_id: str


@dataclass(frozen=True, slots=True)
class WhoamiAnswered(Event):
    """Kratos sent a valid response.

    Attributes:
        outcome: The class name of the outcome.
        seconds: The duration of the call, including the time until a connection was free.
        status: The HTTP status.
    """

    name: ClassVar[str] = "whoami.answered"
    credential_id: str
    outcome: str
    seconds: float
    status: int | None = None


@dataclass(frozen=True, slots=True)
class CheckFailed(Event):
    """A session check failed.

    Attributes:
        reason: The reason of the `Unavailable` outcome.
        seconds: The time until the check failed.
        status: The HTTP status, or None without a response.
        detail: `certificate not trusted` if that is why Kratos is unreachable, else None.
        sent: Whether Kratos was called.
        known: Whether the credential was good within the last hour.
    """

    name: ClassVar[str] = "check.failed"
    credential_id: str
    reason: str
    seconds: float
    status: int | None = None
    detail: str | None = None
    sent: bool = True
    known: bool = False


@dataclass(frozen=True, slots=True)
class BreakerChanged(Event):
    """The circuit breaker is now `open` (no calls of Kratos), `half_open` (one call), or `closed` (all calls)."""

    name: ClassVar[str] = "breaker.changed"
    state: str


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """A dependency refused a request.

    Attributes:
        code: The code of the refusal.
        reason: The reason, as in `details.reason` of the response.
    """

    name: ClassVar[str] = "request.refused"
    code: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SessionsInvalidated(Event):
    """The application called `OryGuard.invalidate`."""

    name: ClassVar[str] = "sessions.invalidated"
    session_id: str | None
    identity_id: str | None


@dataclass(frozen=True, slots=True)
class RevocationsHeard(Event):
    """Another process revoked `count` sessions or identities."""

    name: ClassVar[str] = "revocations.heard"
    count: int


@dataclass(frozen=True, slots=True)
class RevocationsSent(Event):
    """The store confirmed `count` revocations of this process."""

    name: ClassVar[str] = "revocations.sent"
    count: int


@dataclass(frozen=True, slots=True)
class RevocationsDropped(Event):
    """Too many revocations were pending, so the `count` oldest ones were dropped without being sent."""

    name: ClassVar[str] = "revocations.dropped"
    count: int


@dataclass(frozen=True, slots=True)
class RevocationLogFull(Event):
    """This process knew a million recent revocations, and removed the `count` oldest ones early.

    Sessions and JWTs from before `seconds` ago are checked again before they are accepted.
    """

    name: ClassVar[str] = "revocations.log_full"
    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StoreHit(Event):
    """The shared store had a fresh session; another process called Kratos `age` seconds ago."""

    name: ClassVar[str] = "store.hit"
    credential_id: str
    age: float


@dataclass(frozen=True, slots=True)
class TokenVerified(Event):
    """A JWT was verified locally; `outcome` is the class name of the outcome."""

    name: ClassVar[str] = "token.verified"
    credential_id: str
    outcome: str


@dataclass(frozen=True, slots=True)
class StoreChanged(Event):
    """The shared store is available (`up`) or not (`down`); `reason` is the reason for `down`."""

    name: ClassVar[str] = "store.changed"
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class WebhookReceived(Event):
    """`WebhookReceiver` handled a request; `status` is the status of its response, 401 for a wrong key."""

    name: ClassVar[str] = "webhook.received"
    status: int


Listener = Callable[[Event], None]


class Listeners(list[Listener]):
    """The listeners of a guard. A list, so that the test for any listener costs next to nothing."""

    def add(self, listener: Listener) -> Callable[[], None]:
        """Add a listener, and return a function that removes it."""
        self.append(listener)

        def remove() -> None:
            self[:] = [other for other in self if other is not listener]

        return remove


def notify(listeners: Iterable[Listener], event: Event) -> None:
    """Call every listener with `event`. Exceptions of listeners are logged."""
    for listener in tuple(listeners):  # a listener may add or remove one
        try:
            listener(event)
        except Exception as error:  # noqa: BLE001 - a listener must not affect the request
            _log.warning("listener.failed event=%s error=%s", event.name, type(error).__name__)


def log_event(event: BreakerChanged | RevocationLogFull | RevocationsDropped | StoreChanged) -> None:
    """Log an event of interest to operators to the logger `ory_guard`, even if the guard has no listeners."""
    match event:
        case RevocationsDropped():
            level = logging.ERROR
        case BreakerChanged(state="closed") | StoreChanged(state="up"):
            level = logging.INFO
        case _:
            level = logging.WARNING
    values = " ".join(f"{field.name}={getattr(event, field.name)}" for field in fields(event))
    _log.log(level, "%s %s", event.name, values)


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
