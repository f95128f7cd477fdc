"""What processes share about sessions: the second level behind each process' cache.

A store is an optimisation. Whatever goes wrong in it, the guard goes on with its first level and Kratos; it
bounds the time of every call, and takes any exception for "nothing found".
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["SessionStore", "StoredSession"]


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as one process hands it to another.

    `age` and `ttl` hold for the moment in which the value is put or got, and a store counts on with a clock of its
    own; `asked_at` and `fresh_until` are the same moments on the wall clock of the process that asked. A reader
    takes the worse of the two, so that no clock which is wrong can lengthen a life.

    Attributes:
        body: Kratos' own JSON.
        session_id: Whose entries `revoke` has to find.
        identity_id: As above.
        age: Seconds since Kratos was asked.
        ttl: Seconds for which it may be used.
        asked_at: When Kratos was asked, in seconds since the epoch.
        fresh_until: When it ends, in seconds since the epoch.
    """

    body: bytes = field(repr=False)
    session_id: str
    identity_id: str
    age: float
    ttl: float
    asked_at: float
    fresh_until: float


class SessionStore(Protocol):
    """A place that processes share, such as `ory_guard.redis.RedisSessionStore`.

    Any method may raise anything.
    """

    @property
    def hashing_keys(self) -> tuple[bytes, ...]:
        """The keys, 16 to 64 bytes, that credentials are hashed with: first that to write under, then older ones.

        They are the same in all processes that share the store, and nobody else knows them.
        """
        ...

    async def get(self, keys: Sequence[bytes]) -> StoredSession | None:
        """Return what is kept under the first of `keys` under which something is, or None.

        Args:
            keys: One credential's hashes, one for each of `hashing_keys`.
        """
        ...

    async def put(self, key: bytes, stored: StoredSession, *, unless_revoked_since: float) -> None:
        """Keep `stored` for its `ttl`, unless one of its ids was revoked meanwhile.

        Whether it was is found out in one step with the writing: a call that arrives late, however late, must not
        bring back what `revoke` has deleted.

        Args:
            key: The credential's hash under the first of `hashing_keys`.
            stored: The session.
            unless_revoked_since: Nothing is kept where one of its ids was revoked at this moment or later, in
                seconds since the epoch.
        """
        ...

    async def delete(self, keys: Sequence[bytes]) -> None:
        """Forget what is kept under these keys."""
        ...

    async def revoke(self, ids: Sequence[str], at: float, ttl: float) -> None:
        """Delete everything about these sessions and identities, and tell every other process.

        A store that can't record the revocation tells the other processes nevertheless, and then raises. A guard
        calls this again with the same ids once the store has recovered.

        Args:
            ids: Ids of sessions or identities, 1,000 at most.
            at: When they were revoked, in seconds since the epoch.
            ttl: Seconds for which `revoked_at` and `put` have to know it.
        """
        ...

    async def revoked_at(self, ids: Sequence[str]) -> float | None:
        """Return when the last of these ids was revoked, in seconds since the epoch, or None."""
        ...

    def subscribe(self) -> AsyncGenerator[tuple[str, ...] | None, None]:
        """Yield the ids that other processes revoke; it raises when the connection is lost.

        It does so at once, for nobody else tells that nothing is heard any more: what it cleans up may not wait.

        The first value, an empty tuple, comes when the subscription stands. None stands for a message that can't be
        read: anything may have been revoked.
        """
        ...

    async def aclose(self) -> None:
        """Close the running loop's connections."""
        ...
