"""A worker process: a guard with its own clock and a store in a shared `MemoryServer`."""

from typing import Any

from ory_guard import Authenticated, OryGuard, Outcome
from ory_guard.cache.shared_cache import SharedSessionCache
from ory_guard.events import Event
from support.asgi_calls import http_scope
from support.clock import AdjustableClock
from support.guard_bench import settings_of
from support.memory_store import MemoryServer, MemoryStore, eventually
from support.scripted_kratos import TOKEN, KratosResponse, ScriptedKratos, signed_in


class Worker:
    """A worker process: a guard with its own clock and a store in a shared `MemoryServer`."""

    def __init__(self, memory_server: MemoryServer, *answers: KratosResponse | Exception, **settings: Any) -> None:
        self.kratos = ScriptedKratos(*(answers or (signed_in(),)))
        self.clock = AdjustableClock()
        self.memory_server = memory_server
        self.store = MemoryStore(memory_server)
        self.events: list[Event] = []
        self.guard = OryGuard(
            settings_of(**settings),
            transport=self.kratos,
            clock=self.clock,
            store=self.store,
            listeners=[self.events.append],
        )

    async def ask(self, value: bytes = TOKEN, *, name: bytes = b"x-session-token") -> Outcome:
        """Authenticate a request."""
        return await self.guard.authenticate(http_scope(headers=[(name, value)]))

    async def share(self) -> None:
        """Authenticate a request, and wait until its session is in the store."""
        await self.ask()
        await eventually(lambda: self.memory_server.entries)

    async def source(self) -> str:
        """Authenticate a request, and return the source of its session, or the name of another outcome."""
        outcome = await self.ask()
        return outcome.source if isinstance(outcome, Authenticated) else type(outcome).__name__

    def emitted(self, kind: type[Event]) -> list[Event]:
        """Return the events of a class."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def shared_cache(self) -> SharedSessionCache:
        """The shared session cache of the guard."""
        shared_cache = self.guard.authentication.shared_cache
        assert shared_cache is not None
        return shared_cache
