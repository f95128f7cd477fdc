"""Processes that share a real Redis, and a line to it that can be slow or lead elsewhere."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from support.guard_bench import settings_of
from support.memory_store import SOON, eventually
from support.redis_server import RedisServer
from support.scripted_kratos import KratosRequest, KratosResponse, ScriptedKratos, refused, session_body, signed_in

from ory_guard import Authenticated, OryGuard, Outcome
from ory_guard.redis import RedisSessionStore

from .harness import Request

SECRET: Final = "a-secret-of-at-least-thirty-two-bytes"
SESSIONS: Final = {"tok-A": "alice", "tok-B": "bob"}
ALICE: Final = ("identity-of-alice", "upstream")
BOB: Final = ("identity-of-bob", "upstream")


def truth(asked: KratosRequest) -> KratosResponse:
    """Answer as a Kratos at which Alice and Bob are signed in."""
    ((_, value),) = asked.credentials()
    name = SESSIONS.get(value.rpartition("=")[2].replace("ck", "tok"))
    if name is None:
        return refused()
    email = {"email": f"{name}@example.com", "name": {"first": name.title()}}
    identity = {"id": f"identity-of-{name}", "traits": email}
    return signed_in(session_body(id=f"session-of-{name}", identity=identity, expires_at="2099-01-01T00:00:00Z"))


@contextmanager
def patient(seconds: float = 2.0) -> Iterator[None]:
    """Let guards wait for Redis: on a busy machine it may be late, and most tests are not about that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ory_guard.cache.store_connection.CALL_TIMEOUT", seconds)
        yield


class Worker:
    """One process: a guard on the real clock, with a store."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.kratos = ScriptedKratos(truth)
        self.store = RedisSessionStore(url, secrets=[SECRET])
        self.guard = OryGuard(settings_of(**settings), transport=self.kratos, store=self.store)

    async def ask(self, token: bytes = b"tok-A") -> Outcome:
        """Make a request with this token."""
        return await self.guard.authenticate(Request(((b"x-session-token", token),)).scope())

    async def begin(self) -> None:
        """Make a first request: on a busy machine Redis may be too late for it."""
        await self.ask(b"tok-nobody")
        await eventually(lambda: not self.is_degraded)

    async def who(self, token: bytes = b"tok-A") -> tuple[str, str]:
        """Make a request, and return whose it is and where that comes from."""
        outcome = await self.ask(token)
        if isinstance(outcome, Authenticated):
            return outcome.session.identity.id, outcome.source
        return "nobody", type(outcome).__name__

    def forget(self) -> None:
        """Empty the first level."""
        self.guard.authentication.cache.clear()

    @property
    def is_degraded(self) -> bool:
        """Whether it has to do without Redis."""
        return self.guard.stats().degraded


@asynccontextmanager
async def started(url: str, number: int = 2, **settings: Any) -> AsyncIterator[list[Worker]]:
    """Start workers, each with its link to Redis."""
    workers = [Worker(url, **settings) for _ in range(number)]
    for worker in workers:
        await worker.begin()
    yield workers
    for worker in workers:
        await worker.guard.aclose()


async def until_stored(server: RedisServer, number: int) -> None:
    """Wait until so many sessions lie in Redis, without holding up the event loop."""
    deadline = time.monotonic() + SOON
    while len((await asyncio.to_thread(server.cli, "KEYS", "*:session:*")).split()) != number:
        assert time.monotonic() < deadline, "they were not stored"


async def slowest(worker: Worker) -> float:
    """Make requests that find nothing here, and return how long the slowest took."""
    worst = 0.0
    for token in (b"tok-A", b"tok-B", b"tok-C", b"tok-D"):
        worker.forget()
        started_at = time.monotonic()
        who, _ = await worker.who(token)
        worst = max(worst, time.monotonic() - started_at)
        name = SESSIONS.get(token.decode())
        assert who == (f"identity-of-{name}" if name else "nobody")
    return worst


@dataclass
class Line:
    """A line to a port of this host, for those who connect to `url`.

    Attributes:
        port: Where those who connect from now on are led.
        seconds: How late answers arrive.
        url: Where it begins.
    """

    port: int
    seconds: float = 0.0
    url: str = ""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lead somebody there."""
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.port)
        for one in (self._pump(reader, up_writer, 0.0), self._pump(up_reader, writer, self.seconds)):
            self._tasks.add(asyncio.create_task(one))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
        try:
            while chunk := await reader.read(65_536):
                await asyncio.sleep(seconds)
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def cut(self) -> None:
        """End every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def line_to(port: int, seconds: float = 0.0) -> AsyncIterator[Line]:
    """Open a line."""
    line = Line(port, seconds)
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    line.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    try:
        yield line
    finally:
        server.close()
        await line.cut()
        await server.wait_closed()
