"""What the guard tells its listeners: one typed event for each step worth watching.

Events name a credential by eight hex digits of its cache key, never by its value. A listener is any callable
that takes an event; it is called in the event loop, so it has to be quick. What it raises is logged and
otherwise ignored: watching a check can't change it.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

__all__ = [
    "BreakerChanged",
    "CheckFailed",
    "CheckShared",
    "Event",
    "GuardStats",
    "Listener",
    "Listeners",
    "Refused",
    "RevocationsDropped",
    "RevocationsHeard",
    "RevocationsSent",
    "SessionCacheHit",
    "SessionCacheMiss",
    "SessionsInvalidated",
    "StoreChanged",
    "StoreHit",
    "TokenVerified",
    "WhoamiAnswered",
    "notify",
]

_log = logging.getLogger("ory_guard")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the guard did; `name` is stable."""

    name: ClassVar[str] = "event"


@dataclass(frozen=True, slots=True)
class SessionCacheHit(Event):
    """A fact was fresh, and Kratos was not asked."""

    name: ClassVar[str] = "session_cache.hit"
    credential_id: str
    age: float


@dataclass(frozen=True, slots=True)
class SessionCacheMiss(Event):
    """Nothing fresh was there, so Kratos is asked."""

    name: ClassVar[str] = "session_cache.miss"
    credential_id: str


@dataclass(frozen=True, slots=True)
class CheckShared(Event):
    """A request waits for a check that another one of the same credential started."""

    name: ClassVar[str] = "check.shared"
    credential_id: str


@dataclass(frozen=True, slots=True)
class WhoamiAnswered(Event):
    """Kratos gave an answer that means something; `outcome` is its class name, `status` the HTTP status.

    `seconds` is how long it took, waiting for a free connection included.
    """

    name: ClassVar[str] = "whoami.answered"
    credential_id: str
    outcome: str
    seconds: float
    status: int | None = None


@dataclass(frozen=True, slots=True)
class CheckFailed(Event):
    """Kratos gave no answer that means something; `reason` is that of `Unavailable`.

    `status` is the HTTP status where there was an answer at all, `seconds` how long it took to fail.
    """

    name: ClassVar[str] = "check.failed"
    credential_id: str
    reason: str
    seconds: float
    status: int | None = None


@dataclass(frozen=True, slots=True)
class BreakerChanged(Event):
    """The circuit breaker turned `open` (nobody asks Kratos), `half_open` (one does) or `closed` (all may)."""

    name: ClassVar[str] = "breaker.changed"
    state: str


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """A gate refused a request; `code` is the refusal's."""

    name: ClassVar[str] = "request.refused"
    code: str


@dataclass(frozen=True, slots=True)
class SessionsInvalidated(Event):
    """Kept facts were dropped on request."""

    name: ClassVar[str] = "sessions.invalidated"
    session_id: str | None
    identity_id: str | None


@dataclass(frozen=True, slots=True)
class RevocationsHeard(Event):
    """Another process revoked so many sessions or identities."""

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
class StoreHit(Event):
    """Another process had asked Kratos `age` seconds ago, and the store had the answer."""

    name: ClassVar[str] = "store.hit"
    credential_id: str
    age: float


@dataclass(frozen=True, slots=True)
class TokenVerified(Event):
    """A bearer token was verified, or refused, here; `outcome` is its class name."""

    name: ClassVar[str] = "token.verified"
    credential_id: str
    outcome: str


@dataclass(frozen=True, slots=True)
class StoreChanged(Event):
    """The store can be used (`up`), or the guard goes on without it (`down`); `reason` says why."""

    name: ClassVar[str] = "store.changed"
    state: str
    reason: str


Listener = Callable[[Event], None]


class Listeners(list[Listener]):
    """Who is told what a guard does: a list, so that asking whether there is anybody costs next to nothing."""

    def add(self, listener: Listener) -> Callable[[], None]:
        """Tell `listener` too, from now on; calling what is returned ends that."""
        self.append(listener)

        def remove() -> None:
            self[:] = [other for other in self if other is not listener]

        return remove


def notify(listeners: Iterable[Listener], event: Event) -> None:
    """Hand `event` to every listener; never raises what a listener raises."""
    for listener in tuple(listeners):  # one of them may add or remove another
        try:
            listener(event)
        except Exception as error:  # noqa: BLE001 - whatever a listener does, the check goes on
            _log.warning("listener.failed event=%s error=%s", event.name, type(error).__name__)


@dataclass(frozen=True, slots=True)
class GuardStats:
    """What one guard did in this process since it was made, and how it is.

    Attributes:
        entries: How many answers are kept now, sessions and refusals.
        hits: How many requests found a fresh answer here.
        misses: How many did not.
        shared: How many of those waited for a check that another request had started.
        upstream_calls: How often Kratos was asked.
        store_hits: How many answers came from the shared store.
        degraded: Whether something is missing that the guard is set up with: the store, or Kratos.
        breaker: The state of the circuit breaker: `open` while Kratos is not asked.
        store: `up` where the shared store is used, or will be tried by the first request; `down` where it can't be;
            `none` where there is none.
        pending_revocations: How many revocations of this process the shared store has not confirmed yet.
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
