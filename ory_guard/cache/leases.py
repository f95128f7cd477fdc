"""The leases of one event loop: those that it holds, and the waits for those of other processes.

Of the processes that miss a session at the same time, one calls Kratos, and the others wait for its result in the
store. A holder extends its lease while the call is in progress, so the lease of a process that ends expires soon.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context
from itertools import count, islice
from secrets import token_bytes
from typing import Final, Protocol

from ory_guard.cache.leasing_store_protocol import LEASE_SECONDS, LeasingSessionStore

__all__ = ["HeldLease", "Leases"]

_TOKEN_BYTES: Final = 12
_EXTEND_INTERVAL: Final = LEASE_SECONDS / 4
_MAX_EXTENDED: Final = 256
_MAX_WAITS: Final = 256
"""The maximum number of waits. Beyond it, checks call Kratos without waiting."""
_MIN_DELAY: Final = 0.004
_DELAY_FACTOR: Final = 1.5
_DELAY_PER_WAIT: Final = 0.000_15
"""Limits the lookups of all waits to about 7,000 a second."""
_MAX_DELAY: Final = LEASE_SECONDS / 5
"""A lease expires at most this time before the waiting processes look again."""


class Timer(Protocol):
    """A pending call."""

    def cancel(self) -> object:
        """Cancel the call."""
        ...


CallLater = Callable[[float, Callable[[], None]], Timer]


class HeldLease:
    """A lease that this process holds, until one of the methods is called.

    Args:
        leases: The leases of the event loop.
        key: The hash of the credential.
        token: The token of the lookup.
        granted_at: The time of the lookup, on the monotonic clock.

    Attributes:
        extended_at: The time of the last extension.
    """

    __slots__ = ("_leases", "extended_at", "granted_at", "key", "token")

    def __init__(self, leases: "Leases", key: bytes, token: bytes, granted_at: float) -> None:
        self._leases = leases
        self.key: bytes = key
        self.token: bytes = token
        self.granted_at: float = granted_at
        self.extended_at: float = granted_at

    def release(self) -> None:
        """End the lease, unless it has ended: the waiting processes call Kratos."""
        self._leases.release(self)

    def leave_to_put(self) -> None:
        """Stop extending the lease, because `put` of the store, which was called, ends it."""
        self._leases.forget(self)


class Leases:
    """The leases of one event loop.

    Args:
        store: The store.
        monotonic: Returns the time.
        call_later: Calls a function after some seconds; by default the method of the running event loop.
    """

    def __init__(
        self, store: LeasingSessionStore, monotonic: Callable[[], float], call_later: CallLater | None = None
    ) -> None:
        self._store = store
        self._monotonic = monotonic
        self._call_later: CallLater = call_later or _call_later
        self._prefix = token_bytes(_TOKEN_BYTES).hex().encode()
        self._numbers = count(1)
        self._held: dict[HeldLease, None] = {}
        self._timer: Timer | None = None
        self._waits: dict[Callable[[], None], Timer] = {}
        self.is_closed: bool = False

    def new_token(self) -> bytes:
        """Return a token for a lookup."""
        return b"%b.%d" % (self._prefix, next(self._numbers))

    def hold(self, key: bytes, token: bytes, granted_at: float) -> HeldLease:
        """Return a lease that was granted, and extend it until it ends; see `HeldLease`."""
        lease = HeldLease(self, key, token, granted_at)
        if not self.is_closed:
            self._held[lease] = None
            if self._timer is None:
                self._timer = self._call_later(_EXTEND_INTERVAL, self._extend)
        return lease

    def release(self, lease: HeldLease) -> None:
        """End a lease in the store, if it is held."""
        if self.forget(lease) and not self._is_expired(lease):
            self._store.release_lease(lease.key)

    def forget(self, lease: HeldLease) -> bool:
        """Stop extending a lease, and return whether it was held."""
        return lease in self._held and self._held.pop(lease) is None

    def _is_expired(self, lease: HeldLease) -> bool:
        return self._monotonic() - lease.extended_at >= LEASE_SECONDS

    def _extend(self) -> None:
        self._timer = None
        for lease in list(islice(self._held, _MAX_EXTENDED)):
            now = self._monotonic()
            if self._is_expired(lease):  # the event loop was busy, and another process may hold it
                self.forget(lease)
            elif now - lease.extended_at >= _EXTEND_INTERVAL / 2:
                lease.extended_at = now
                self._store.extend_lease(lease.key, lease.token, now - lease.granted_at)
        if self._held:
            self._timer = self._call_later(_EXTEND_INTERVAL, self._extend)

    def wait(self, attempt: int, look_again: Callable[[], None]) -> bool:
        """Call `look_again` later, or at once when the event loop closes its connection to the store.

        Args:
            attempt: The number of earlier waits of this lookup.
            look_again: Looks into the store again. It must not raise.

        Returns:
            Whether `look_again` will be called. Otherwise there are too many waits.
        """
        if self.is_closed or len(self._waits) >= _MAX_WAITS:
            return False
        delay = max(_MIN_DELAY * _DELAY_FACTOR ** min(attempt, 10), _DELAY_PER_WAIT * len(self._waits))

        def run() -> None:
            del self._waits[run]
            look_again()

        self._waits[run] = self._call_later(min(delay, _MAX_DELAY), run)
        return True

    def close(self) -> None:
        """Release all leases, and end all waits."""
        self.is_closed = True
        for lease in list(self._held):
            self.release(lease)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for run, timer in list(self._waits.items()):
            timer.cancel()
            run()


def _call_later(seconds: float, callback: Callable[[], None]) -> Timer:
    # An empty context: the timer must not keep the variables of a request.
    return asyncio.get_running_loop().call_later(seconds, callback, context=Context())
