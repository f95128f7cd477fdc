"""The shared session cache: sessions and revocations of other processes, from a session store.

It is used after a miss in the cache of this process.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any, Final

from ory_guard._event_loop import LoopLocal
from ory_guard.cache.entries import CacheEntry
from ory_guard.cache.leases import HeldLease, Leases
from ory_guard.cache.leasing_store_protocol import LeasingSessionStore
from ory_guard.cache.pending_revocations import PendingRevocations, RevocationBatch
from ory_guard.cache.session_cache import SessionCache
from ory_guard.cache.store_connection import StoreConnection
from ory_guard.cache.store_lookups import OnLookUpResult, StoreLookups, StoreResult
from ory_guard.cache.store_protocol import ALL_IDS, RevokedIds, SessionStore
from ory_guard.cache.store_revocations import find_revocation, latest_revocation
from ory_guard.cache.store_state import StoreState
from ory_guard.cache.store_timeout import run_with_deadline
from ory_guard.cache.stored_session_converter import StoredSessionConverter
from ory_guard.events import (
    Listeners,
    RevocationsDropped,
    RevocationsHeard,
    RevocationsSent,
    SessionCacheCleared,
    StoreChanged,
    log_event,
    notify,
)
from ory_guard.kratos.circuit_breaker import CircuitBreaker
from ory_guard.kratos.session_parser import SessionParser
from ory_guard.models.clock import Clock
from ory_guard.models.credential import Credential
from ory_guard.models.deferred_session import ids_of
from ory_guard.models.session import Session

__all__ = ["SharedSessionCache"]

_REVOKE_TIMEOUT: Final = 1.0
_MIN_TTL: Final = 0.001
# Other processes may verify JWTs, which live longer than cached sessions.
_MIN_REVOCATION_TTL: Final = 900.0


class SharedSessionCache:
    """Reads and writes sessions in a shared store, and sends and receives revocations.

    Args:
        store: The store.
        cache: The cache of this process.
        parser: Parses stored sessions.
        cache_keys: Return the cache key, and the hashes of a credential under the other `hashing_keys`.
        cache_ttl: The longest lifetime of a session, in seconds.
        disconnected_ttl: The longest lifetime of an entry while no revocations can be received, in seconds.
        clock_skew: The largest difference between the clocks of two hosts, in seconds.
        max_age: The longest time in seconds from a request to the end of the lifetime of its response. Revocations
            are kept at least for that long, because responses that were requested before them could be used.
        clock: The source of the time.
        listeners: The listeners of the guard.
        max_wait: The longest time that a lookup waits for the result of another process, in seconds.
        on_revocation: Called after a revocation by another process was applied to the cache, with the revoked ids,
            or with None if any id may have been revoked.

    Attributes:
        pending: The revocations that the store has not confirmed.
    """

    def __init__(
        self,
        store: SessionStore,
        *,
        cache: SessionCache,
        parser: SessionParser,
        cache_keys: Sequence[Callable[[Credential], bytes]],
        cache_ttl: float,
        disconnected_ttl: float,
        clock_skew: float,
        max_age: float,
        clock: Clock,
        listeners: Listeners,
        max_wait: float,
        on_revocation: Callable[[tuple[str, ...] | None], None],
    ) -> None:
        self._store = store
        self._cache_keys = cache_keys
        self._cache_ttl = cache_ttl
        self._disconnected_ttl = disconnected_ttl
        self._clock_skew = clock_skew
        self._cache = cache
        self._converter = StoredSessionConverter(
            parser, cache.revocations, cache_ttl=cache_ttl, clock_skew=clock_skew, clock=clock
        )
        self._lookups = StoreLookups(
            cache, self._converter, cache_keys=cache_keys, max_wait=max_wait, clock=clock, listeners=listeners
        )
        self._clock = clock
        self._revocation_ttl = max(max_age, _MIN_REVOCATION_TTL)
        self._on_revocation = on_revocation
        self._listeners = listeners
        self._breaker = CircuitBreaker(clock.monotonic, 1.0, lambda _state: None)
        self._connections: LoopLocal[StoreConnection] = LoopLocal(self._connect, self._disconnect)
        self._subscribed_since = -inf
        self._state = StoreState(self._emit)
        self.pending: PendingRevocations = PendingRevocations()

    @property
    def hits(self) -> int:
        """The number of sessions that were found in the store."""
        return self._lookups.hits

    @property
    def degraded(self) -> bool:
        """Whether the store is known to be unavailable."""
        return self._state.ready is False

    def look_up(self, key: bytes, credential: Credential, on_result: OnLookUpResult) -> bool:
        """Start a lookup without a task, if the store is ready and supports it.

        Args:
            key: The cache key of the credential.
            credential: The credential.
            on_result: Called later by the event loop, exactly once, with the result of `get`. It must not raise.

        Returns:
            Whether the lookup has started. Otherwise call `get`.
        """
        connection = self._connections.current()
        if connection is None or not connection.ready or self._cache_ttl <= 0:
            return False
        return self._lookups.start(connection, key, credential, on_result)

    async def get(self, key: bytes, credential: Credential, *, is_leased: bool = True) -> StoreResult:
        """Return the stored session of a credential, and put it into the cache of this process.

        Args:
            key: The cache key of the credential.
            credential: The credential.
            is_leased: Whether the lookup may get a lease, because the caller calls Kratos for a missing session.
        """
        connection = await self._connections.get()
        budget = 0.0 if self._cache_ttl <= 0 else await connection.remaining_budget()
        if not budget:
            return StoreResult(None)
        call = connection, key, credential
        if (result := await self._lookups.run(*call, seconds=budget, is_leased=is_leased)) is not None:
            return result
        generation = self._cache.generation
        entry = await connection.calls.call("get", partial(self._get, key, credential), budget=budget)
        if entry is not None:
            self._lookups.keep(key, entry, generation)
        return StoreResult(entry)

    async def _get(self, key: bytes, credential: Credential) -> CacheEntry | None:
        lookup = self._converter.begin(key, credential)
        stored = await self._store.get([cache_key(credential) for cache_key in self._cache_keys])
        entry = None if stored is None else self._converter.load(lookup, stored)
        if stored is None or entry is None:
            return None
        if stored.revoked_at is None and entry.request_time <= self._subscribed_since:
            # It may have been revoked before this process subscribed to revocations.
            session: Session[Any] = entry.outcome.session  # type: ignore[union-attr] # only sessions are stored
            at = await latest_revocation(self._store, ids_of(session))
            if self._converter.is_revoked(entry.request_time, at):
                return None
        return entry

    async def put(
        self, credential: Credential, session: "Session[Any]", entry: CacheEntry, lease: HeldLease | None
    ) -> None:
        """Store a session in the background, so that other processes can use it while it is fresh.

        If that starts, it ends the lease.
        """
        connection = await self._connections.get()
        stored = self._converter.dump(session, entry)
        # The clock of the host that revokes a session may be slow by `clock_skew`.
        since = stored.asked_at - self._clock_skew
        key = self._cache_keys[0](credential)
        call = partial(self._store.put, key, stored, unless_revoked_since=since)
        if connection.run_in_background("put", call) and lease is not None:
            lease.leave_to_put()

    async def delete(self, credential: Credential) -> None:
        """Delete the session of a credential from the store in the background."""
        call = partial(self._store.delete, [cache_key(credential) for cache_key in self._cache_keys])
        (await self._connections.get()).run_in_background("delete", call)

    async def revoke(self, *ids: str) -> None:
        """Delete the sessions of these ids from the store, and publish the revocation to all other processes.

        Waits for at most a second. If the store is not available by then, the revocation is sent when it is.
        """
        at = self._clock.time()
        if dropped := self.pending.add(ids, at):
            self._emit(RevocationsDropped(dropped))
        connection = await self._connections.get()
        await connection.remaining_budget()
        connection.request_flush()
        if not connection.subscribed:
            return
        with suppress(TimeoutError):
            await run_with_deadline(_REVOKE_TIMEOUT, self._until_sent(connection, ids, at))

    async def revoked_at(self, *ids: str, since: float) -> float | None:
        """Return the time of the latest revocation of any of these ids, on the monotonic clock.

        Args:
            *ids: Ids of sessions or identities.
            since: A time on the monotonic clock. Earlier revocations do not matter.

        Returns:
            The time, or minus infinity if none was revoked, or infinity if any may have been, or None if the store
            did not respond, or if the log of this process lacks revocations that are not in the store yet.
        """
        connection = await self._connections.get()
        budget = await connection.remaining_budget()
        is_log_complete = since > self._cache.revocations.floor
        if connection.subscribed and since > self._subscribed_since and is_log_complete:
            return -inf
        if not budget or not (is_log_complete or not self.pending):
            return None
        offset = self._clock.time() - self._clock.monotonic()
        call = partial(find_revocation, self._store, ids, since + offset)
        at = await connection.calls.call("revoked_at", call, budget=budget)
        return None if at is None else at - offset

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._connections.aclose()

    def _connect(self) -> StoreConnection:
        store = self._store
        return StoreConnection(
            store,
            self._breaker,
            listeners=self._listeners,
            flush=self._flush,
            disconnected_ttl=self._disconnected_ttl,
            on_recovery=self.pending.retry_deferred,
            on_gap=self.pending.repeat_confirmed,
            on_revocations=self._on_revocations,
            on_state_change=self._state.set_ready,
            leases=Leases(store, self._clock.monotonic) if isinstance(store, LeasingSessionStore) else None,
        )

    async def _disconnect(self, connection: StoreConnection) -> None:
        await connection.aclose()
        # From now on no revocations are received.
        self._cache.clear()

    def max_lifetime(self) -> float:
        """Return the longest lifetime, in seconds, of a session that is cached in this process now."""
        connection = self._connections.current()
        return inf if connection is not None and connection.ready else self._disconnected_ttl

    async def _flush(self, connection: StoreConnection) -> None:
        while connection.subscribed:
            batch = self.pending.next_batch(self._clock.time() - self._revocation_ttl)
            if batch is None:
                return
            if await connection.calls.run("revoke", _REVOKE_TIMEOUT, partial(self._send, batch)):
                self.pending.confirm(batch)
                notify(self._listeners, RevocationsSent(len(batch.times)))
            else:
                self.pending.defer(batch)
            connection.report_progress()

    async def _send(self, batch: RevocationBatch) -> bool:
        ttl = max(batch.at + self._revocation_ttl - self._clock.time(), _MIN_TTL)
        await self._store.revoke(tuple(batch.times), batch.at, ttl)
        return True

    async def _until_sent(self, connection: StoreConnection, ids: Sequence[str], at: float) -> None:
        while connection.subscribed and self.pending.are_unsent(ids, at):
            await connection.progress()

    def _on_revocations(self, ids: tuple[str, ...] | None) -> None:
        is_any = ids is None or ALL_IDS in ids
        if ids is not None:
            self._cache.invalidate(*ids)
        if is_any:
            self._subscribed_since = self._clock.monotonic()
            if count := self._cache.clear():
                notify(self._listeners, SessionCacheCleared(count))
        self._on_revocation(None if is_any else ids)
        if ids:
            at = ids.at if isinstance(ids, RevokedIds) else None
            delay = None if at is None else max(self._clock.time() - at, 0.0)
            notify(self._listeners, RevocationsHeard(len(ids), delay))

    def _emit(self, event: RevocationsDropped | StoreChanged) -> None:
        log_event(event)
        notify(self._listeners, event)
