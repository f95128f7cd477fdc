"""The events that a guard emits to its listeners."""

from typing import ClassVar

from ory_guard._dataclass import dataclass, dataclass_base

__all__ = [
    "BreakerChanged",
    "CheckFailed",
    "CheckShared",
    "Event",
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
]


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
class SessionCacheCleared(Event):
    """The session cache was cleared, because revocations by other processes may have been missed.

    Attributes:
        count: The number of entries that were deleted.
    """

    name: ClassVar[str] = "session_cache.cleared"
    count: int


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
    """Another process revoked `count` sessions or identities.

    Attributes:
        count: The number of ids.
        seconds: The time from the revocation until this process received it, on the wall clocks of both processes;
            None if the message does not contain the time.
    """

    name: ClassVar[str] = "revocations.heard"
    count: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RevocationsSent(Event):
    """The store confirmed `count` revocations of this process."""

    name: ClassVar[str] = "revocations.sent"
    count: int


@dataclass(frozen=True, slots=True)
class RevocationsDropped(Event):
    """Too many revocations were pending, so the `count` oldest ones were replaced by one of all sessions."""

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
class StoreWaited(Event):
    """A session check waited for `seconds` for another process to store the session; `found` is whether it did."""

    name: ClassVar[str] = "store.waited"
    credential_id: str
    seconds: float
    found: bool


@dataclass(frozen=True, slots=True)
class StoreCalled(Event):
    """A call of the shared store ended.

    Attributes:
        operation: The method of `SessionStore`: `get`, `put`, `delete`, `revoke` or `revoked_at`; `probe` for the
            test of an available store, or `close`.
        seconds: The duration of the call.
        error: The class name of the exception, `TimeoutError` after the time limit, or None.
    """

    name: ClassVar[str] = "store.called"
    operation: str
    seconds: float
    error: str | None = None


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
