"""Worker processes that share a real Redis, and a TCP proxy in front of it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from support.guard_bench import settings_of
from support.memory_store import SOON, eventually
from support.redis_server import RedisServer
from support.redis_sessions import SECRET
from support.scripted_kratos import KratosRequest, KratosResponse, ScriptedKratos, refused, session_body, signed_in

from ory_guard import Authenticated, OryGuard, Outcome
from ory_guard.redis import RedisSessionStore

from .bench import token

SESSIONS: Final = {"tok-A": "alice", "tok-B": "bob"}
ALICE: Final = ("identity-of-alice", "upstream")
BOB: Final = ("identity-of-bob", "upstream")


def respond(asked: KratosRequest) -> KratosResponse:
    ((_, value),) = asked.credentials()
    name = SESSIONS.get(value.rpartition("=")[2].replace("ck", "tok"))
    if name is None:
        return refused()
    email = {"email": f"{name}@example.com", "name": {"first": name.title()}}
    identity = {"id": f"identity-of-{name}", "traits": email}
    return signed_in(session_body(id=f"session-of-{name}", identity=identity, expires_at="2099-01-01T00:00:00Z"))


class Worker:
    """A worker process: a guard on the real clock, with a store."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.kratos = ScriptedKratos(respond)
        self.store = RedisSessionStore(url, secrets=[SECRET])
        self.guard = OryGuard(settings_of(**settings), transport=self.kratos, store=self.store)

    async def ask(self, value: str = "tok-A") -> Outcome:
        """Authenticate a request with this token."""
        return await self.guard.authenticate(token(value))

    async def connect(self) -> None:
        """Wait until the store is available; it may be too late for the first request on a busy machine."""
        await self.ask("tok-unknown")
        await eventually(lambda: not self.is_degraded)

    async def identify(self, value: str = "tok-A") -> tuple[str, str]:
        """Authenticate a request, and return the id of its identity and the source of its session."""
        outcome = await self.ask(value)
        if isinstance(outcome, Authenticated):
            return outcome.session.identity.id, outcome.source
        return "anonymous", type(outcome).__name__

    @property
    def is_degraded(self) -> bool:
        """Whether the guard works without Redis."""
        return self.guard.stats().degraded


@asynccontextmanager
async def started(url: str, number: int = 2, **settings: Any) -> AsyncIterator[list[Worker]]:
    """Start workers, and wait until they are connected to Redis."""
    workers = [Worker(url, **settings) for _ in range(number)]
    for worker in workers:
        await worker.connect()
    yield workers
    for worker in workers:
        await worker.guard.aclose()


async def wait_until_stored(server: RedisServer, number: int) -> None:
    """Wait until `number` sessions are in Redis, without blocking the event loop."""
    deadline = time.monotonic() + SOON
    while len((await asyncio.to_thread(server.cli, "KEYS", "*:session:*")).split()) != number:
        assert time.monotonic() < deadline, "the sessions were not stored"


async def slowest_request(worker: Worker) -> float:
    """Authenticate requests without a cached session, and return the duration of the slowest one."""
    worst = 0.0
    for value in ("tok-A", "tok-B", "tok-C", "tok-D"):
        worker.guard.authentication.cache.clear()
        started_at = time.monotonic()
        who, _ = await worker.identify(value)
        worst = max(worst, time.monotonic() - started_at)
        name = SESSIONS.get(value)
        assert who == (f"identity-of-{name}" if name else "anonymous")
    return worst


@dataclass
class TCPProxy:
    """A TCP proxy in front of Redis."""

    port: int
    url: str = ""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward a connection."""
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.port)
        for copying in (self._copy(reader, up_writer), self._copy(up_reader, writer)):
            self._tasks.add(asyncio.create_task(copying))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65_536):
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def close_connections(self) -> None:
        """Close all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[TCPProxy]:
    proxy = TCPProxy(port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close_connections()
        await server.wait_closed()
