"""Random interleavings of several processes never bring a revoked session back, however wrong their clocks are.

Requests, responses, writes, reads and messages of four processes are interleaved at random. Some writes are
abandoned by their sender and arrive much later, as from the buffer of a suspended Redis. Wall clocks are wrong by
up to `clock_skew`.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import httpx2
import pytest
from support.clock import NOW
from support.guard_bench import settings_of
from support.memory_store import MemoryServer, MemoryStore
from support.scripted_kratos import IDENTITY_ID, SESSION_ID, ScriptedKratos, refused, signed_in

from ory_guard import Authenticated, OryGuard
from ory_guard.cache import StoredSession

from .bench import request

pytestmark = pytest.mark.anyio

_SKEW = 60.0
_TOKENS = (b"tok-1", b"tok-2")


@dataclass
class History:
    """The state of one history, in which one session ends."""

    rng: random.Random
    elapsed: float = 0.0
    is_revoked: bool = False
    memory_server: MemoryServer = field(default_factory=MemoryServer)
    # on the clock of the store
    written_at: dict[bytes, float] = field(default_factory=dict)
    abandoned_writes: list[asyncio.Task[None]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    async def yield_randomly(self, most: int = 6) -> None:
        """Let other tasks run for a while."""
        for _ in range(self.rng.randrange(most)):
            self.elapsed += self.rng.choice((0.0, 0.001, 0.003))
            await asyncio.sleep(0)


class Clock:
    """The clocks of one host: a random monotonic clock, and a wall clock that is wrong by up to half the skew."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._began = history.rng.uniform(0, 1_000)
        self._ahead = history.rng.uniform(-_SKEW / 2, _SKEW / 2)

    def time(self) -> float:
        """Return the wall-clock time."""
        return NOW.timestamp() + self._history.elapsed + self._ahead

    def monotonic(self) -> float:
        """Return the monotonic time."""
        return self._began + self._history.elapsed


class SlowStore(MemoryStore):
    """A store with random delays before and after each call."""

    def __init__(self, history: History) -> None:
        super().__init__(history.memory_server)
        self._history = history

    async def get(self, keys: Sequence[bytes]) -> StoredSession | None:
        """Return a session with its age on the clock of the store."""
        await self._history.yield_randomly()
        stored = await super().get(keys)
        if stored is not None:
            key = next(key for key in keys if key in self.memory_server.entries)
            seconds = self._history.elapsed - self._history.written_at[key]
            stored = replace(stored, age=stored.age + seconds, ttl=stored.ttl - seconds)
        await self._history.yield_randomly()
        return stored

    async def put(self, key: bytes, stored: StoredSession, *, unless_revoked_since: float) -> None:
        """Store a session, possibly after the sender has given up."""
        late = self._history.rng.random() < 0.3
        write = asyncio.create_task(self._write(key, stored, unless_revoked_since, 60 if late else 6))
        if late:
            self._history.abandoned_writes.append(write)
            raise TimeoutError
        await write
        await self._history.yield_randomly()

    async def _write(self, key: bytes, stored: StoredSession, since: float, most: int) -> None:
        await self._history.yield_randomly(most)
        self._history.written_at[key] = self._history.elapsed
        await super().put(key, stored, unless_revoked_since=since)

    async def revoke(self, ids: Sequence[str], at: float, ttl: float) -> None:
        """Revoke after a delay."""
        await self._history.yield_randomly()
        await super().revoke(ids, at, ttl)
        await self._history.yield_randomly()

    async def revoked_at(self, ids: Sequence[str]) -> float | None:
        """Return the time of the revocation after a delay."""
        await self._history.yield_randomly()
        revoked_at = await super().revoked_at(ids)
        await self._history.yield_randomly()
        return revoked_at


class SlowKratos(ScriptedKratos):
    """A Kratos whose response is decided when the request arrives, and which is delivered after a delay."""

    def __init__(self, history: History) -> None:
        super().__init__(signed_in())
        self._history = history

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return a response."""
        await self._history.yield_randomly()
        response = refused() if self._history.is_revoked else signed_in()
        await self._history.yield_randomly(15)
        return response.response()


class Process:
    """A worker process: a guard with its own clocks."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.guard = OryGuard(
            settings_of(clock_skew=_SKEW),
            transport=SlowKratos(history),
            clock=Clock(history),
            store=SlowStore(history),
        )

    @property
    def knows_revocation(self) -> bool:
        """Whether the process knows the revocation."""
        return self.guard.authentication.cache.revocations.revoked_at(SESSION_ID, IDENTITY_ID) > 0

    async def ask(self, *, must_reject: bool = False) -> None:
        """Authenticate a request, and record a violation."""
        token = self._history.rng.choice(_TOKENS)
        must_reject = must_reject or self.knows_revocation
        outcome = await self.guard.authenticate(request((b"x-session-token", token)))
        if must_reject and isinstance(outcome, Authenticated):
            self._history.violations.append(f"{outcome.source}, {outcome.age:.3f} s old")

    async def make_requests(self) -> None:
        """Authenticate some requests, and clear the cache now and then, as evictions do."""
        for _ in range(self._history.rng.randrange(2, 6)):
            await self.ask()
            if self._history.rng.random() < 0.5:
                self.guard.authentication.cache.clear()
            await self._history.yield_randomly(20)


async def _run(history: History) -> None:
    processes = [Process(history) for _ in range(3)]

    async def revoke() -> None:
        await history.yield_randomly(60)
        history.is_revoked = True
        ids = history.rng.choice(({"session_id": SESSION_ID}, {"identity_id": IDENTITY_ID}))
        await processes[0].guard.invalidate(**ids)
        await processes[0].ask(must_reject=True)

    async def start_later() -> None:
        await history.yield_randomly(150)
        processes.append(Process(history))
        await processes[-1].make_requests()

    requests = (process.make_requests() for process in (*processes, *processes))
    await asyncio.gather(*requests, revoke(), start_later())
    await asyncio.gather(*history.abandoned_writes)
    for _ in range(20):
        await asyncio.sleep(0)  # until all messages were received
    for process in processes:
        process.guard.authentication.cache.clear()
        for _ in range(4):
            await process.ask(must_reject=True)
    for process in processes:
        await process.guard.aclose()


async def test_no_history_of_processes_brings_a_revoked_session_back() -> None:
    """A process that knows the revocation, or starts after it, rejects the session."""
    for seed in range(150):
        history = History(random.Random(seed))
        await _run(history)
        assert history.violations == [], f"in history {seed}"
