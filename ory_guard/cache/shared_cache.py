"""The second level: what other processes found out about sessions, and what they revoked.

The first level is this process' cache; behind it stands a store that processes share. Clocks of hosts differ, so
every span is measured twice, by the store's clock and by the wall clock, and the worse of both counts.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any, Final

from ory_guard._event_loop import LoopLocal
from ory_guard.cache.pending_revocations import PendingRevocations, RevocationBatch
from ory_guard.cache.session_cache import CacheEntry, SessionCache
from ory_guard.cache.store import SessionStore, StoredSession
from ory_guard.cache.store_connection import StoreConnection, run_with_deadline
from ory_guard.events import (
    Listeners,
    RevocationsDropped,
    RevocationsHeard,
    RevocationsSent,
    StoreChanged,
    StoreHit,
    notify,
)
from ory_guard.kratos.circuit_breaker import CircuitBreaker
from ory_guard.kratos.session_parser import SessionParser
from ory_guard.models.clock import Clock
from ory_guard.models.credential import Credential
from ory_guard.models.outcomes import Authenticated
from ory_guard.models.session import Session

__all__ = ["SharedSessionCache"]

_log = logging.getLogger("ory_guard")

_REVOKE_TIMEOUT: Final = 1.0
_MIN_TTL: Final = 0.001
_REFRESH_AHEAD_FRACTION: Final = 0.05
_MIN_REVOCATION_TTL: Final = 900.0  # a process that verifies tokens may start after one that knows none has revoked


class SharedSessionCache:
    """Finds sessions that other processes asked for, and spreads revocations.

    Args:
        store: Where they are kept.
        cache: The cache of this process.
        parser: Parses stored sessions.
        keys_for: Returns the keys of a credential, one for each of the store's `hashing_keys`.
        cache_ttl: The max_age lifetime of a session, in seconds.
        disconnected_ttl: The max_age age of an entry while revocations can't be received, in seconds.
        clock_skew: The largest difference between the clocks of two hosts, in seconds.
        max_age: Seconds for which this process has to know a revocation; other processes may need it longer.
        clock: The clocks.
        listeners: The listeners of the guard.
        on_revocation: Called after a revocation of another process was applied to the cache.

    Attributes:
        hits: How many sessions were found.
        pending: The revocations that the store has not confirmed.
    """

    def __init__(
        self,
        store: SessionStore,
        *,
        cache: SessionCache,
        parser: SessionParser,
        keys_for: Callable[[Credential], list[bytes]],
        cache_ttl: float,
        disconnected_ttl: float,
        clock_skew: float,
        max_age: float,
        clock: Clock,
        listeners: Listeners,
        on_revocation: Callable[[], None],
    ) -> None:
        self._store = store
        self._keys_for = keys_for
        self._cache_ttl = cache_ttl
        self._disconnected_ttl = disconnected_ttl
        self._clock_skew = clock_skew
        self._parser = parser
        self._cache = cache
        self._clock = clock
        self._revocation_ttl = max(max_age, _MIN_REVOCATION_TTL)
        self._on_revocation = on_revocation
        self._listeners = listeners
        self._breaker = CircuitBreaker(clock.monotonic, 1.0, lambda _state: None)
        self._connections: LoopLocal[StoreConnection] = LoopLocal(self._connect, self._disconnect)
        self._subscribed_since = -inf
        self._last_state: bool | None = None
        self.pending: PendingRevocations = PendingRevocations()
        self.hits: int = 0
        self._cache.max_lifetime = self._max_lifetime

    @property
    def degraded(self) -> bool:
        """Whether this process was seen to have to do without the store."""
        return self._last_state is False

    async def get(self, key: bytes, credential: Credential) -> CacheEntry | None:
        """Return what another process found out about this credential, and keep it in the first level.

        Args:
            key: The credential's key in the first level.
            credential: The credential.
        """
        connection = await self._connections.get()
        budget = 0.0 if self._cache_ttl <= 0 else await connection.remaining_budget()
        if not budget:
            return None
        generation = self._cache.generation
        entry = await connection.call(partial(self._look_up, credential), budget=budget)
        if entry is None:
            return None
        self.hits += 1
        self._cache.put(key, entry, generation)
        if self._listeners:
            notify(self._listeners, StoreHit(key.hex()[:8], self._clock.monotonic() - entry.request_time))
        return entry

    async def put(self, credential: Credential, session: Session[Any], body: bytes, entry: CacheEntry) -> None:
        """Let other processes have this answer, while it is fresh; nobody waits for that."""
        connection = await self._connections.get()
        now, now_wall = self._clock.monotonic(), self._clock.time()
        stored = StoredSession(
            body,
            session.id,
            session.identity.id,
            age=now - entry.request_time,
            ttl=entry.fresh_until - now,
            asked_at=now_wall - (now - entry.request_time),
            fresh_until=entry.fresh_until_wall,
        )
        # In doubt the clock of who revoked it was slow.
        since = stored.asked_at - self._clock_skew
        key = self._keys_for(credential)[0]
        connection.run_in_background(partial(self._store.put, key, stored, unless_revoked_since=since))

    async def delete(self, credential: Credential) -> None:
        """Let no process find what was kept about this credential; nobody waits for that."""
        (await self._connections.get()).run_in_background(partial(self._store.delete, self._keys_for(credential)))

    async def revoke(self, *ids: str) -> None:
        """Delete everything about these sessions and identities, and tell every other process.

        Waits for a second at most. If the store can't be reached by then, it is told as soon as it can.
        """
        at = self._clock.time()
        dropped = self.pending.add(ids, at)
        if dropped:
            _log.error("revocations.dropped count=%d: the store has been away for too long", dropped)
            if self._listeners:
                notify(self._listeners, RevocationsDropped(dropped))
        connection = await self._connections.get()
        await connection.remaining_budget()
        connection.request_flush()
        if not connection.subscribed:
            return
        with suppress(TimeoutError):
            await run_with_deadline(_REVOKE_TIMEOUT, self._until_sent(connection, ids, at))

    async def revoked_at(self, *ids: str, since: float) -> float | None:
        """Return when, on the monotonic clock, the last of these ids was revoked; None if that is unknown.

        Args:
            *ids: Ids of sessions or identities.
            since: A time on the monotonic clock: earlier revocations do not matter.

        Returns:
            The time, minus infinity for never, or None if the store did not answer.
        """
        connection = await self._connections.get()
        budget = await connection.remaining_budget()
        if connection.subscribed and since > self._subscribed_since:
            return -inf
        if not budget:
            return None
        found = await connection.call(partial(self._recorded, ids), budget=budget)
        if found is None:
            return None
        (at,) = found
        return -inf if at is None else self._clock.monotonic() - (self._clock.time() - at)

    async def _recorded(self, ids: tuple[str, ...]) -> tuple[float | None]:
        return (await self._store.revoked_at(ids),)

    async def aclose(self) -> None:
        """Close the running loop's connections."""
        await self._connections.aclose()

    def _connect(self) -> StoreConnection:
        return StoreConnection(
            self._store,
            self._breaker,
            flush=self._flush,
            on_recovery=self.pending.retry_refused,
            on_revocations=self._on_revocations,
            on_state_change=self._on_state_change,
        )

    async def _disconnect(self, connection: StoreConnection) -> None:
        await connection.aclose()
        # From now on nothing is heard here.
        self._cache.clear()

    def _max_lifetime(self) -> float:
        connection = self._connections.current()
        return inf if connection is not None and connection.ready else self._disconnected_ttl

    async def _look_up(self, credential: Credential) -> CacheEntry | None:
        # Ages count from before the question: then no time on the way can make an answer look younger than what was
        # revoked while it came.
        now, now_wall = self._clock.monotonic(), self._clock.time()
        stored = await self._store.get(self._keys_for(credential))
        entry = None if stored is None else self._read(stored, credential, now, now_wall)
        if entry is None or entry.request_time > self._subscribed_since:
            return entry
        # Revoked, perhaps, before this process began to hear of such things.
        assert isinstance(entry.outcome, Authenticated)  # noqa: S101 - nothing else is stored
        session = entry.outcome.session
        at = await self._store.revoked_at([session.id, session.identity.id])
        asked_at_wall = self._clock.time() - (self._clock.monotonic() - entry.request_time)
        return None if at is not None and asked_at_wall <= at + self._clock_skew else entry

    def _read(
        self, stored: StoredSession, credential: Credential, now: float, now_wall: float
    ) -> CacheEntry | None:
        age = max(stored.age, now_wall - stored.asked_at)
        ttl = min(stored.ttl, stored.fresh_until - now_wall, self._cache_ttl - age)
        if ttl <= _REFRESH_AHEAD_FRACTION * (age + ttl):
            # One process asks anew before the entry ends, so that not all of them ask when it has ended.
            return None
        session = self._parser.parse_stored(stored.body, now_wall)
        if session is None or self._cache.revocations.is_revoked(session, now - age):
            return None
        outcome = Authenticated(session, credential.kind, "store", age)
        ttl = self._parser.with_jitter(ttl)
        return CacheEntry(outcome, now - age, now + ttl, now_wall + ttl)

    async def _flush(self, connection: StoreConnection) -> None:
        while connection.subscribed:
            batch = self.pending.next_batch(self._clock.time() - self._revocation_ttl)
            if batch is None:
                return
            if await connection.call(partial(self._send, batch), budget=_REVOKE_TIMEOUT):
                self.pending.confirm(batch)
                if self._listeners:
                    notify(self._listeners, RevocationsSent(len(batch.times)))
            else:
                self.pending.refuse(batch)
            connection.report_progress()

    async def _send(self, batch: RevocationBatch) -> bool:
        ttl = max(batch.at + self._revocation_ttl - self._clock.time(), _MIN_TTL)
        await self._store.revoke(tuple(batch.times), batch.at, ttl)
        return True

    async def _until_sent(self, connection: StoreConnection, ids: Sequence[str], at: float) -> None:
        while connection.subscribed and self.pending.are_unsent(ids, at):
            await connection.progress()

    def _on_revocations(self, ids: tuple[str, ...] | None) -> None:
        if ids is None:
            self._subscribed_since = self._clock.monotonic()
            self._cache.clear()
        else:
            self._cache.invalidate(*ids)
        self._on_revocation()
        if self._listeners and ids:
            notify(self._listeners, RevocationsHeard(len(ids)))

    def _on_state_change(self, ready: bool, reason: str) -> None:
        if ready == self._last_state:
            return
        self._last_state = ready
        _log.log(logging.INFO if ready else logging.WARNING, "store.%s %s", "up" if ready else "down", reason)
        if self._listeners:
            notify(self._listeners, StoreChanged("up" if ready else "down", reason))
