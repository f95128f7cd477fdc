"""No order in which things happen brings a revoked session back, on any process, whatever their clocks say.

Questions, answers, writes, reads and messages of four processes are interleaved at random. Some writes are given up
by who sent them and arrive long afterwards, like those in the buffer of a Redis that stood still. Wall clocks are
wrong, by as much as the skew allows.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import httpx2
import pytest
from support.clock import NOW
from support.guard_bench import settings_of
from support.memory_store import MemoryStore, Shelf
from support.scripted_kratos import IDENTITY_ID, SESSION_ID, ScriptedKratos, refused, signed_in

from ory_guard import Authenticated, OryGuard
from ory_guard.cache import StoredSession

from .harness import Request

pytestmark = pytest.mark.anyio

_SKEW = 60.0
_TOKENS = (b"tok-1", b"tok-2")


@dataclass
class World:
    """One history: its chance, the time that has passed, and what is true of the one session.

    Attributes:
        chance: Decides everything.
        passed: Seconds since the beginning.
        ended: Whether the session has ended at Kratos.
        shelf: What lies in the store.
        written_at: When it was written, by the store's clock.
        late: Writes that nobody waits for any more.
        wrong: Answers that must not be.
    """

    chance: random.Random
    passed: float = 0.0
    ended: bool = False
    shelf: Shelf = field(default_factory=Shelf)
    written_at: dict[bytes, float] = field(default_factory=dict)
    late: list[asyncio.Task[None]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    async def hops(self, most: int = 6) -> None:
        """Let others go on for a while."""
        for _ in range(self.chance.randrange(most)):
            self.passed += self.chance.choice((0.0, 0.001, 0.003))
            await asyncio.sleep(0)


class Clock:
    """The clocks of one host: the monotonic one began anywhere, the wall clock is wrong by up to half the skew."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._began = world.chance.uniform(0, 1_000)
        self._ahead = world.chance.uniform(-_SKEW / 2, _SKEW / 2)

    def time(self) -> float:
        """Return the wall-clock time."""
        return NOW.timestamp() + self._world.passed + self._ahead

    def monotonic(self) -> float:
        """Return the monotonic time."""
        return self._began + self._world.passed


class FarStore(MemoryStore):
    """A store at the end of a line: everything takes its time, on the way there and back."""

    def __init__(self, world: World) -> None:
        super().__init__(world.shelf)
        self._world = world

    async def get(self, keys: Sequence[bytes]) -> StoredSession | None:
        """Return a session, aged by the store's clock."""
        await self._world.hops()
        found = await super().get(keys)
        if found is not None:
            key = next(key for key in keys if key in self.shelf.entries)
            lain = self._world.passed - self._world.written_at[key]
            found = replace(found, age=found.age + lain, ttl=found.ttl - lain)
        await self._world.hops()
        return found

    async def put(self, key: bytes, stored: StoredSession, *, unless_revoked_since: float) -> None:
        """Keep a session, now or when nobody waits for it any more."""
        late = self._world.chance.random() < 0.3
        writing = asyncio.create_task(self._write(key, stored, unless_revoked_since, 60 if late else 6))
        if late:
            self._world.late.append(writing)
            raise TimeoutError
        await writing
        await self._world.hops()

    async def _write(self, key: bytes, stored: StoredSession, since: float, most: int) -> None:
        await self._world.hops(most)
        self._world.written_at[key] = self._world.passed
        await super().put(key, stored, unless_revoked_since=since)

    async def revoke(self, ids: Sequence[str], at: float, ttl: float) -> None:
        """Revoke, and answer later."""
        await self._world.hops()
        await super().revoke(ids, at, ttl)
        await self._world.hops()

    async def revoked_at(self, ids: Sequence[str]) -> float | None:
        """Return when they were revoked."""
        await self._world.hops()
        found = await super().revoked_at(ids)
        await self._world.hops()
        return found


class FarKratos(ScriptedKratos):
    """Answers by what is true when the question arrives, and the answer takes its time."""

    def __init__(self, world: World) -> None:
        super().__init__(signed_in())
        self._world = world

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer."""
        await self._world.hops()
        told = refused() if self._world.ended else signed_in()
        await self._world.hops(15)
        return told.response()


class Process:
    """A guard with clocks of its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.guard = OryGuard(
            settings_of(clock_skew=_SKEW), transport=FarKratos(world), clock=Clock(world), store=FarStore(world)
        )

    @property
    def knows(self) -> bool:
        """Whether it has heard of the revocation."""
        return self.guard.authentication.cache.revocations.revoked_at(SESSION_ID, IDENTITY_ID) > 0

    async def ask(self, *, must_refuse: bool = False) -> None:
        """Make a request, and judge its answer."""
        token = self._world.chance.choice(_TOKENS)
        must_refuse = must_refuse or self.knows
        outcome = await self.guard.authenticate(Request(((b"x-session-token", token),)).scope())
        if must_refuse and isinstance(outcome, Authenticated):
            self._world.wrong.append(f"{outcome.source}, {outcome.age:.3f} s old")

    async def use(self) -> None:
        """Make some requests, and now and then forget the answers, as a full cache does."""
        for _ in range(self._world.chance.randrange(2, 6)):
            await self.ask()
            if self._world.chance.random() < 0.5:
                self.guard.authentication.cache.clear()
            await self._world.hops(20)


async def _live(world: World) -> None:
    processes = [Process(world) for _ in range(3)]

    async def revoke() -> None:
        await world.hops(60)
        world.ended = True
        ids = world.chance.choice(({"session_id": SESSION_ID}, {"identity_id": IDENTITY_ID}))
        await processes[0].guard.invalidate(**ids)
        await processes[0].ask(must_refuse=True)

    async def start_later() -> None:
        await world.hops(150)
        processes.append(Process(world))
        await processes[-1].use()

    await asyncio.gather(*(one.use() for one in (*processes, *processes)), revoke(), start_later())
    await asyncio.gather(*world.late)
    for _ in range(20):
        await asyncio.sleep(0)  # until every message was heard
    for one in processes:
        one.guard.authentication.cache.clear()
        for _ in range(4):
            await one.ask(must_refuse=True)
    for one in processes:
        await one.guard.aclose()


async def test_no_history_of_processes_brings_a_session_back(tried: Counter[str]) -> None:
    """Who has heard of the revocation serves nothing from before, nor does who starts afterwards."""
    for seed in range(150):
        world = World(random.Random(seed))
        await _live(world)
        tried["histories of processes"] += 1
        assert world.wrong == [], f"in history {seed}"
