"""Lookups in the shared store after a miss in the cache of this process, and the waits for other processes.

A lookup that finds no session gets the lease of it, or waits until the holder of the lease has stored the session.
It does not wait if the lease was granted before the latest revocation: the response of Kratos may be older, too.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from typing import Final, NamedTuple, TypeAlias

from ory_guard._event_loop import set_result_if_pending
from ory_guard.cache.entries import CacheEntry
from ory_guard.cache.leases import HeldLease
from ory_guard.cache.leasing_store_protocol import Lease
from ory_guard.cache.session_cache import SessionCache
from ory_guard.cache.store_connection import StoreConnection
from ory_guard.cache.store_protocol import StoredSession
from ory_guard.cache.stored_session_converter import StoredSessionConverter
from ory_guard.events import Listeners, StoreHit, StoreWaited, notify
from ory_guard.kratos.call_failures import internal_error
from ory_guard.models.clock import Clock
from ory_guard.models.credential import Credential

__all__ = ["OnLookUpResult", "StoreLookups", "StoreResult"]


class StoreResult(NamedTuple):
    """The result of a lookup.

    Attributes:
        entry: The entry, or None.
        lease: The lease, which the caller must end, or None. There is no entry then.
    """

    entry: CacheEntry | None
    lease: HeldLease | None = None


OnLookUpResult: TypeAlias = Callable[[StoreResult], None]

_NOT_FOUND: Final = StoreResult(None)
_new: Final = tuple.__new__  # half the time of the constructor of a named tuple


class StoreLookups:
    """Finds sessions in the store, and puts them into the cache of this process.

    Args:
        cache: The cache of this process.
        converter: Converts stored sessions.
        cache_keys: Functions that return a hash of a credential, one for each of the `hashing_keys` of the store.
            The first one returns the cache key.
        max_wait: The longest time that a lookup waits for other processes, in seconds.
        clock: The source of the time.
        listeners: The listeners of the guard.

    Attributes:
        hits: The number of sessions that were found.
    """

    def __init__(
        self,
        cache: SessionCache,
        converter: StoredSessionConverter,
        *,
        cache_keys: Sequence[Callable[[Credential], bytes]],
        max_wait: float,
        clock: Clock,
        listeners: Listeners,
    ) -> None:
        self.cache: SessionCache = cache
        self.converter: StoredSessionConverter = converter
        self.further_keys: Sequence[Callable[[Credential], bytes]] = cache_keys[1:]
        self.max_wait: float = max_wait
        self._clock = clock
        self._listeners = listeners
        self.hits: int = 0

    def start(
        self,
        connection: StoreConnection,
        key: bytes,
        credential: Credential,
        on_result: OnLookUpResult,
        *,
        seconds: float = inf,
        is_leased: bool = True,
    ) -> bool:
        """Start a lookup without a task, if the store supports it.

        Args:
            connection: The connection to the store.
            key: The cache key of the credential.
            credential: The credential.
            on_result: Called by the event loop, later and exactly once. It must not raise.
            seconds: The limit of the call, if it is less than that of the connection.
            is_leased: Whether the lookup may get a lease, or wait for another process.

        Returns:
            Whether the lookup has started.
        """
        pending = _PendingLookup(self, connection, key, credential, on_result, is_leased=is_leased)
        return connection.calls.look_up(pending.keys, pending.on_stored, token=pending.token, seconds=seconds)

    async def run(
        self, connection: StoreConnection, key: bytes, credential: Credential, *, seconds: float, is_leased: bool
    ) -> StoreResult | None:
        """Return the result of a lookup, or None if the store does not support it; see `start`."""
        future: asyncio.Future[StoreResult] = asyncio.get_running_loop().create_future()
        on_result = partial(set_result_if_pending, future)
        is_started = self.start(connection, key, credential, on_result, seconds=seconds, is_leased=is_leased)
        return await future if is_started else None

    def keep(self, key: bytes, entry: CacheEntry, generation: int) -> None:
        """Put an entry into the cache of this process.

        Args:
            key: The cache key of the credential.
            entry: The entry.
            generation: See `SessionCache.put`.
        """
        self.hits += 1
        self.cache.put(key, entry, generation)
        if self._listeners:
            notify(self._listeners, StoreHit(key.hex()[:8], self._clock.monotonic() - entry.request_time))

    def report_wait(self, key: bytes, started_at: float, *, found: bool) -> None:
        """Emit the end of a wait for another process, which started at this time on the monotonic clock."""
        if self._listeners:
            seconds = self._clock.monotonic() - started_at
            notify(self._listeners, StoreWaited(key.hex()[:8], seconds, found))


class _PendingLookup:
    """A lookup, which looks again while it waits for another process.

    Attributes:
        keys: The hashes of the credential, one for each of the `hashing_keys` of the store.
        token: Identifies the holder if the lookup gets the lease. None if it must not get it.
    """

    __slots__ = (
        "_attempt",
        "_connection",
        "_generation",
        "_lookup",
        "_lookups",
        "_max_wait",
        "_on_result",
        "_started_at",
        "keys",
        "token",
    )

    def __init__(
        self,
        lookups: StoreLookups,
        connection: StoreConnection,
        key: bytes,
        credential: Credential,
        on_result: OnLookUpResult,
        *,
        is_leased: bool,
    ) -> None:
        self._lookups = lookups
        self._connection = connection
        self._on_result = on_result
        self.keys = [key]
        if lookups.further_keys:
            self.keys += [cache_key(credential) for cache_key in lookups.further_keys]
        self._lookup = lookups.converter.begin(key, credential)
        self._generation = lookups.cache.generation
        self._started_at = self._lookup.now
        self._max_wait = lookups.max_wait if is_leased else 0.0
        leases = connection.leases
        self.token = leases.new_token() if leases is not None and is_leased else None
        self._attempt = 0

    def on_stored(self, stored: StoredSession | Lease | None) -> None:
        """Continue with a session, a lease, or None."""
        if isinstance(stored, Lease):
            self._on_lease(stored)
            return
        result = _NOT_FOUND
        try:
            if stored is not None and stored.revoked_at is not None:
                entry = self._lookups.converter.load(self._lookup, stored)
                if entry is not None:
                    self._lookups.keep(self._lookup[0], entry, self._generation)
                    result = _new(StoreResult, (entry, None))
        except Exception as error:  # noqa: BLE001 - Kratos is called instead
            internal_error(error)
        self._finish(result)

    def _finish(self, result: StoreResult) -> None:
        if self._attempt:
            self._lookups.report_wait(self._lookup.key, self._started_at, found=result.entry is not None)
        self._on_result(result)

    def _on_lease(self, lease: Lease) -> None:
        leases, token = self._connection.leases, self.token
        assert leases is not None  # noqa: S101 - other stores return no leases
        if lease.is_own and token is not None:
            self._finish(StoreResult(None, leases.hold(self.keys[0], token, self._lookup.now)))
        elif not (self._may_wait(lease) and leases.wait(self._attempt, self._look_again)):
            self._finish(_NOT_FOUND)

    def _may_wait(self, lease: Lease) -> bool:
        now = self._lookup.now
        is_outdated = now - lease.age <= self._lookups.cache.revocations.last_invalidation
        return not is_outdated and now - self._started_at < self._max_wait

    def _look_again(self) -> None:
        is_started = False
        self._attempt += 1
        if self._connection.ready:
            self.token = None  # if the holder has released its lease, this process calls Kratos without one
            self._lookup = self._lookups.converter.begin(self._lookup.key, self._lookup.credential)
            self._generation = self._lookups.cache.generation
            try:
                is_started = self._connection.calls.look_up(self.keys, self.on_stored)
            except Exception as error:  # noqa: BLE001 - Kratos is called instead
                internal_error(error)
        if not is_started:
            self._finish(_NOT_FOUND)
