"""A link to a store, what it uses, and what it told."""

import asyncio

from ory_guard.cache.store_connection import StoreConnection
from ory_guard.kratos.circuit_breaker import CircuitBreaker
from support.clock import AdjustableClock
from support.memory_store import MemoryStore, Shelf


class Bench:
    """A link, what it uses, and what it told."""

    def __init__(self) -> None:
        self.shelf = Shelf()
        self.store = MemoryStore(self.shelf)
        self.clock = AdjustableClock()
        self.breaker = CircuitBreaker(self.clock.monotonic, 1.0, lambda _state: None)
        self.heard: list[tuple[str, ...] | None] = []
        self.changes: list[tuple[bool, str]] = []
        self.recovered = 0
        self.flushed = 0
        self.link: StoreConnection | None = None

    def open(self) -> StoreConnection:
        """Start the link."""
        self.link = StoreConnection(
            self.store,
            self.breaker,
            flush=self._flush,
            on_recovery=self._recover,
            on_revocations=self.heard.append,
            on_state_change=lambda ready, reason: self.changes.append((ready, reason)),
        )
        return self.link

    async def close(self) -> None:
        """End the link, if there is one."""
        if self.link is not None:
            await self.link.aclose()

    def _recover(self) -> None:
        self.recovered += 1

    async def _flush(self, _link: StoreConnection) -> None:
        self.flushed += 1


async def answer() -> str:
    """Answer at once."""
    return "answer"


async def never() -> str:
    """Never answer."""
    await asyncio.Event().wait()
    return ""


async def fail() -> str:
    """Fail."""
    raise ConnectionError
