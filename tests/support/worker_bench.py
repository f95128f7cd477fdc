"""One process of several: a guard with a clock of its own, on a shelf that all of them share."""

from typing import Any

from ory_guard import Authenticated, OryGuard, Outcome
from ory_guard.cache.shared_cache import SharedSessionCache
from ory_guard.events import Event
from support.asgi_calls import http_scope
from support.clock import AdjustableClock
from support.guard_bench import settings_of
from support.memory_store import MemoryStore, Shelf, eventually
from support.scripted_kratos import TOKEN, KratosResponse, ScriptedKratos, signed_in


class Worker:
    """One process: a guard with a clock of its own, on the shelf that all share."""

    def __init__(self, shelf: Shelf, *answers: KratosResponse | Exception, **settings: Any) -> None:
        self.kratos = ScriptedKratos(*(answers or (signed_in(),)))
        self.clock = AdjustableClock()
        self.shelf = shelf
        self.store = MemoryStore(shelf)
        self.events: list[Event] = []
        self.guard = OryGuard(
            settings_of(**settings),
            transport=self.kratos,
            clock=self.clock,
            store=self.store,
            listeners=[self.events.append],
        )

    async def ask(self, value: bytes = TOKEN, *, name: bytes = b"x-session-token") -> Outcome:
        """Make a request."""
        return await self.guard.authenticate(http_scope(headers=[(name, value)]))

    async def share(self) -> None:
        """Make a request, and wait until the others can find its answer."""
        await self.ask()
        await eventually(lambda: self.shelf.entries)

    async def source(self) -> str:
        """Make a request, and return where its session came from."""
        outcome = await self.ask()
        return outcome.source if isinstance(outcome, Authenticated) else type(outcome).__name__

    def told(self, kind: type[Event]) -> list[Event]:
        """Return the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def second(self) -> SharedSessionCache:
        """Its second level."""
        second = self.guard.authentication.shared_cache
        assert second is not None
        return second
