"""The protocol of a session store with leases: of the processes that miss a session, one calls Kratos.

A lease saves calls, and no decision depends on it: a process that waits in vain calls Kratos itself, and a session
from the store is checked as any other one.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias, runtime_checkable

from ory_guard.cache.store_protocol import LimitedSessionStore, StoredSession

__all__ = ["LEASE_SECONDS", "Lease", "LeasingSessionStore", "OnLookUpOrLease"]

LEASE_SECONDS: Final = 0.2
"""The lifetime of a lease. Its holder extends it while the call is in progress."""


class Lease(NamedTuple):
    """The lease of a session that is not in the store.

    Attributes:
        is_own: Whether it was granted to this lookup.
        age: Seconds since it was granted, at least; infinity if that is unknown.
    """

    is_own: bool
    age: float


OnLookUpOrLease: TypeAlias = Callable[["StoredSession | Lease | Exception | None", float], None]


@runtime_checkable
class LeasingSessionStore(LimitedSessionStore, Protocol):
    """A session store with leases. `put` ends the lease of its key, whether or not it stores the session."""

    def look_up_or_lease(
        self, keys: Sequence[bytes], token: bytes | None, seconds: float, on_result: OnLookUpOrLease
    ) -> None:
        """Find the session under the first of `keys` that has one, or the lease, in one round trip.

        The result is that of `look_up`, or the lease if there is no session. None means that there is no lease
        either, or that the store does not accept writes.

        Args:
            keys: The hashes of a credential, one for each of `hashing_keys`. The lease belongs to the first one.
            token: Identifies the holder if this lookup gets the lease. None for a lookup that must not get it.
            seconds: The limit of the time; see `look_up`.
            on_result: See `look_up`.
        """
        ...

    def extend_lease(self, key: bytes, token: bytes, age: float) -> None:
        """Extend a lease by `LEASE_SECONDS` from now, without waiting for the result. It must not raise.

        Args:
            key: The hash of the credential.
            token: The token of the holder.
            age: Seconds since the lease was granted.
        """
        ...

    def release_lease(self, key: bytes) -> None:
        """End a lease, without waiting for the result. It must not raise."""
        ...
