"""A worker process: a guard with its own clock and a store in a shared `MemoryServer`."""

from typing import Any

from ory_guard import Authenticated, Outcome
from ory_guard.cache.shared_cache import SharedSessionCache
from support.guard_bench import Bench, request
from support.memory_store import MemoryServer, MemoryStore, eventually
from support.scripted_kratos import TOKEN, ScriptedReply


class Worker(Bench):
    """A worker process: a guard with its own clock and a store in a shared `MemoryServer`."""

    def __init__(
        self,
        memory_server: MemoryServer,
        *responses: ScriptedReply,
        store_type: type[MemoryStore] = MemoryStore,
        **options: Any,
    ) -> None:
        self.memory_server = memory_server
        self.store = store_type(memory_server)
        super().__init__(*responses, store=self.store, **options)

    async def ask(self, value: bytes = TOKEN, *, name: bytes = b"x-session-token") -> Outcome:
        """Authenticate a request."""
        return await self.guard.authenticate(request((name, value)))

    async def share(self) -> None:
        """Authenticate a request, and wait until its session is in the store."""
        await self.ask()
        await eventually(lambda: self.memory_server.entries)

    async def source(self) -> str:
        """Authenticate a request, and return the source of its session, or the name of another outcome."""
        outcome = await self.ask()
        return outcome.source if isinstance(outcome, Authenticated) else type(outcome).__name__

    @property
    def shared_cache(self) -> SharedSessionCache:
        """The shared session cache of the guard."""
        shared_cache = self.guard.authentication.shared_cache
        assert shared_cache is not None
        return shared_cache
