"""A store connection whose callbacks are recorded."""

import asyncio

from support.clock import AdjustableClock
from support.memory_store import MemoryServer, MemoryStore

from ory_guard.cache.store_connection import StoreConnection
from ory_guard.events import Event, Listeners
from ory_guard.kratos.circuit_breaker import CircuitBreaker


class ConnectionBench:
    """A store connection, its store and its circuit breaker.

    Attributes:
        revocations: The arguments of `on_revocations`.
        changes: The arguments of `on_state_change`.
        events: The events of the connection.
        listeners: The listeners.
        recoveries: The number of calls of `on_recovery`.
    """

    def __init__(self) -> None:
        self.memory_server = MemoryServer()
        self.store = MemoryStore(self.memory_server)
        self.clock = AdjustableClock()
        self.breaker = CircuitBreaker(self.clock.monotonic, 1.0, lambda _state: None)
        self.revocations: list[tuple[str, ...] | None] = []
        self.changes: list[tuple[bool, str]] = []
        self.recoveries = 0
        self.events: list[Event] = []
        self.listeners = Listeners([self.events.append])
        self._connection: StoreConnection | None = None

    def connect(self) -> StoreConnection:
        """Open the connection."""
        self._connection = StoreConnection(
            self.store,
            self.breaker,
            listeners=self.listeners,
            flush=self._flush,
            disconnected_ttl=5.0,
            on_recovery=self._on_recovery,
            on_gap=lambda: None,
            on_revocations=self.revocations.append,
            on_state_change=lambda ready, reason: self.changes.append((ready, reason)),
        )
        return self._connection

    async def ready(self) -> StoreConnection:
        """Open the connection, and return it when the store can be used."""
        connection = self.connect()
        assert await connection.remaining_budget()
        return connection

    async def aclose(self) -> None:
        """Close the connection, if it was opened."""
        if self._connection is not None:
            await self._connection.aclose()

    def _on_recovery(self) -> None:
        self.recoveries += 1

    async def _flush(self, _connection: StoreConnection) -> None:
        """Do nothing."""


async def respond() -> str:
    return "response"


async def hang() -> str:
    await asyncio.Event().wait()
    return ""


async def fail() -> str:
    raise ConnectionError
