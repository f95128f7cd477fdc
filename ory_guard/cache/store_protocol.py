"""The protocol of a session store that processes share.

A store is an optimization. The guard limits the time of each call and treats any exception as a miss, so that it
works with its own cache and Kratos when the store fails.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import field
from math import inf
from typing import Any, Final, Protocol, Self, TypeAlias, runtime_checkable

from ory_guard._dataclass import dataclass

__all__ = [
    "ALL_IDS",
    "LimitedSessionStore",
    "OnLookUp",
    "ResumableSessionStore",
    "RevocationPosition",
    "RevokedIds",
    "SessionStore",
    "StoredSession",
]

ALL_IDS: Final = "*"
"""The id under which all sessions are revoked, if a process can't name the revoked ones."""


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session in a shared store.

    `age` and `ttl` are relative to the call of `put` or `get`; the store measures the time in between with its own
    clock. `asked_at` and `fresh_until` are absolute times on the wall clock of the process that called Kratos. A
    reader uses the shorter lifetime of both, so that a wrong clock can't prolong it.

    Attributes:
        body: The session as JSON, as Kratos sent it.
        session_id: The id of the session.
        identity_id: The id of the identity.
        age: Seconds since the request to Kratos.
        ttl: Seconds until the session becomes stale.
        asked_at: When the request to Kratos was sent, in seconds since the epoch.
        fresh_until: When the session becomes stale, in seconds since the epoch.
        revoked_at: The time of the latest revocation of the session or its identity that the store knew when it
            read the session, or of `ALL_IDS`, in seconds since the epoch; minus infinity if there was none. None if
            the store did not look; the guard then calls `SessionStore.revoked_at` if it needs to know. `put`
            ignores it.
        memory_bytes: The estimated memory of the parsed session in bytes, as the guard has passed it to `put`. With
            0 the guard examines the body again.
        checksum: A checksum of the body, the ids, `fresh_until` and the version of the guard, as the guard has
            passed it to `put` after it has validated the body. The guard validates the body again, and whether the
            session has ended, if the checksum differs, such as 0.
    """

    body: bytes = field(repr=False)
    session_id: str
    identity_id: str
    age: float
    ttl: float
    asked_at: float
    fresh_until: float
    revoked_at: float | None = None
    memory_bytes: int = 0
    checksum: int = 0


class RevokedIds(tuple[str, ...]):  # noqa: SLOT001 - a tuple with attributes can't have slots
    """The ids in a revocation message, and the time of their revocation.

    Args:
        ids: The ids.
        at: The time in seconds since the epoch, or None if the message does not contain it.

    Attributes:
        at: The time in seconds since the epoch, or None. The guard measures the delay of revocations with it.
    """

    at: float | None

    def __new__(cls, ids: Iterable[str], at: float | None) -> Self:
        """Create the tuple with its time."""
        self = super().__new__(cls, ids)
        self.at = at
        return self


class SessionStore(Protocol):
    """A store that processes share, such as `ory_guard.redis.RedisSessionStore`.

    Methods may raise any exception.
    """

    @property
    def hashing_keys(self) -> tuple[bytes, ...]:
        """The secret keys, 16 to 64 bytes each, for the hashes of credentials.

        The first one is used to write, the others to read. All processes that share the store have the same keys.
        """
        ...

    async def get(self, keys: Sequence[bytes]) -> StoredSession | None:
        """Return the session under the first of `keys` that has one, or None.

        Args:
            keys: The hashes of a credential, one for each of `hashing_keys`.
        """
        ...

    async def put(self, key: bytes, stored: StoredSession, *, unless_revoked_since: float) -> None:
        """Store a session for its `ttl`, unless it was revoked.

        The store checks for revocations and writes in one atomic step: a delayed call must not restore a session
        that `revoke` has deleted.

        Args:
            key: The hash of the credential with the first of `hashing_keys`.
            stored: The session.
            unless_revoked_since: A time in seconds since the epoch. Nothing is stored if the session, its identity
                or `ALL_IDS` was revoked at this time or later.
        """
        ...

    async def delete(self, keys: Sequence[bytes]) -> None:
        """Delete the sessions under these keys."""
        ...

    async def revoke(self, ids: Sequence[str], at: float, ttl: float) -> None:
        """Delete all sessions of these ids, record the revocation, and publish it to all other processes.

        A store that can't record the revocation still publishes it, and then raises an exception. The guard repeats
        the call when the store has recovered. A record of a later revocation of the same id remains.

        Args:
            ids: Ids of sessions or identities, at most 1,000. `ALL_IDS` may be one of them; the store does not need
                to delete sessions for it.
            at: The time of the revocation, in seconds since the epoch.
            ttl: Seconds for which `revoked_at` and `put` must know the revocation.
        """
        ...

    async def revoked_at(self, ids: Sequence[str]) -> float | None:
        """Return the time of the latest revocation of any of these ids, in seconds since the epoch, or None."""
        ...

    def subscribe(self) -> AsyncGenerator[tuple[str, ...] | None, None]:
        """Yield the ids that other processes revoke.

        The first value is an empty tuple, as soon as the subscription is confirmed. A `RevokedIds` also has the
        time of the revocation. None means an invalid message: any id may have been revoked. When the connection is
        lost, the iterator raises an exception immediately, before any slow cleanup, because the guard depends on it
        to notice that it receives no revocations.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        ...


class RevocationPosition:
    """The last revocation message that a subscriber has received from a store.

    Attributes:
        value: The position in the messages, for the store only. None before the first message, and after messages
            may have been missed.
        heard_at: The time on the clock of the event loop until which no message was missed.
    """

    __slots__ = ("heard_at", "value")

    def __init__(self) -> None:
        self.value: Any = None
        self.heard_at: float = -inf


@runtime_checkable
class ResumableSessionStore(SessionStore, Protocol):
    """A session store that knows the revocations that a subscriber missed while it was disconnected."""

    def resume(self, position: RevocationPosition) -> AsyncGenerator[tuple[str, ...] | None, None]:
        """Yield the ids that other processes revoke; see `subscribe`.

        If the store knows everything that was revoked after `position`, the first value is a `RevokedIds` with
        these ids, which may be empty. Otherwise it is an empty tuple.

        Args:
            position: That of an earlier subscription of this event loop, or a new one. The store updates it.
        """
        ...


OnLookUp: TypeAlias = Callable[["StoredSession | Exception | None", float], None]


@runtime_checkable
class LimitedSessionStore(SessionStore, Protocol):
    """A session store whose lookups need neither a task nor a timer of the guard.

    Attributes:
        timeout: The longest time that a request waits for the store, in seconds. The guard uses a shorter limit if
            the store is fast.
    """

    timeout: float

    def look_up(self, keys: Sequence[bytes], seconds: float, on_result: OnLookUp) -> None:
        """Find the session under the first of `keys` that has one, and pass it to `on_result`.

        The result is the session, None, `TimeoutError` if the store does not respond within the limit, or another
        exception. `StoredSession.revoked_at` is not None.

        Args:
            keys: The hashes of a credential, one for each of `hashing_keys`.
            seconds: The limit of the time. The time in which the event loop is busy does not count.
            on_result: Called exactly once, later and by the event loop, with the result and the latency in seconds.
                It does not raise.
        """
        ...
