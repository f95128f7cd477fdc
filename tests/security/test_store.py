"""What lies in Redis, what fails there, and what must never come of it: S09, S10, S11, S13, and Redis' faults."""

import asyncio
import pickle
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from memory_store import eventually
from redis_server import BINARY, WHY_NOT, RedisServer, free_port
from stub_kratos import Asked, StubKratos, Told, refused, session_body, settings_of, signed_in

from ory_guard import Authenticated, OryGuard, Outcome, Rejected
from ory_guard.credentials import Credential
from ory_guard.redis import RedisSessionStore

from .harness import Request

pytestmark = [pytest.mark.anyio, pytest.mark.redis, pytest.mark.skipif(BINARY is None, reason=WHY_NOT)]

SECRET: Final = "a-secret-of-at-least-thirty-two-bytes"
_SESSIONS: Final = {"tok-A": "alice", "tok-B": "bob"}


class Exploding:
    """Whoever unpickles it says so."""

    exploded = False

    def __reduce__(self) -> Any:
        return setattr, (Exploding, "exploded", True)


def truth(asked: Asked) -> Told:
    """Answer as a Kratos at which Alice and Bob are signed in."""
    ((_, value),) = asked.credentials()
    name = _SESSIONS.get(value.rpartition("=")[2].replace("ck", "tok"))
    if name is None:
        return refused()
    email = {"email": f"{name}@example.com", "name": {"first": name.title()}}
    identity = {"id": f"identity-of-{name}", "traits": email}
    return signed_in(session_body(id=f"session-of-{name}", identity=identity, expires_at="2099-01-01T00:00:00Z"))


class Worker:
    """One process: a guard on the real clock, with a store."""

    def __init__(self, url: str, **settings: Any) -> None:
        self.kratos = StubKratos(truth)
        self.store = RedisSessionStore(url, secrets=[SECRET])
        self.guard = OryGuard(settings_of(**settings), transport=self.kratos, store=self.store)

    async def ask(self, token: bytes = b"tok-A") -> Outcome:
        """Make a request with this token."""
        return await self.guard.authenticate(Request(((b"x-session-token", token),)).scope())

    async def who(self, token: bytes = b"tok-A") -> tuple[str, str]:
        """Make a request, and return whose it is and where that comes from."""
        outcome = await self.ask(token)
        if isinstance(outcome, Authenticated):
            return outcome.session.identity.id, outcome.source
        return "nobody", type(outcome).__name__

    def forget(self) -> None:
        """Empty the first level."""
        self.guard._lookup.cache.clear()

    @property
    def is_degraded(self) -> bool:
        """Whether it has to do without Redis."""
        return self.guard.stats().degraded


@asynccontextmanager
async def started(url: str, number: int = 2, **settings: Any) -> AsyncIterator[list[Worker]]:
    """Start workers, each with its link to Redis."""
    workers = [Worker(url, **settings) for _ in range(number)]
    for worker in workers:
        await worker.ask(b"tok-nobody")
    yield workers
    for worker in workers:
        await worker.guard.aclose()


async def _until_stored(server: RedisServer, number: int) -> None:
    """Wait until so many sessions lie in Redis, without holding up the event loop."""
    deadline = time.monotonic() + 5
    while len((await asyncio.to_thread(server.cli, "KEYS", "*:session:*")).split()) != number:
        assert time.monotonic() < deadline, "they were not stored"


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of the test's own."""
    with RedisServer() as running:
        yield running


ALICE: Final = ("identity-of-alice", "upstream")


@pytest.mark.parametrize(
    "what", ["pickle", "wrong schema", "other key's value", "truncated", "bad seal", "wrong type"]
)
async def test_s09_what_lies_in_redis_is_not_trusted(server: RedisServer, what: str, tried: Counter[str]) -> None:
    """It is a miss; Kratos is asked, and nothing is unpickled."""
    tried["faults of the store"] += 1
    async with started(server.url) as (first, second):
        await first.ask(b"tok-A")
        await first.ask(b"tok-B")
        await _until_stored(server, 2)
        client = (await first.store._connections.get()).client
        names = [name async for name in client.scan_iter("*:session:*")]
        values: dict[Any, Any] = {name: await client.get(name) for name in names}
        seal = first.store._seals[0]
        for name, another in (names, reversed(names)):
            value = values[name]
            assert isinstance(value, bytes)
            bad: dict[str, bytes] = {
                "pickle": pickle.dumps(Exploding()),
                "wrong schema": seal.close(name.decode(), {"key": name.decode()[-64:], "session": {}}),
                "other key's value": values[another] or b"",
                "truncated": value[: len(value) // 2],
                "bad seal": value[:-1] + bytes([value[-1] ^ 1]),
            }
            if what == "wrong type":
                await client.delete(name)
                await client.rpush(name, "a", "list")
            else:
                await client.set(name, bad[what], px=30_000)

        assert await second.who(b"tok-A") == ALICE
        assert await second.who(b"tok-B") == ("identity-of-bob", "upstream")
        assert not Exploding.exploded
        assert not second.is_degraded or what == "wrong type"


async def test_s10_a_worker_that_was_cut_off_serves_nothing_revoked(
    server: RedisServer, tried: Counter[str]
) -> None:
    """It forgets everything when it is cut off, and again when it hears again."""
    tried["faults of the store"] += 1
    async with started(server.url) as (first, second):
        await first.ask()
        await second.ask()
        first.kratos.answers = second.kratos.answers = [refused()]

        server.cli("CLIENT", "KILL", "TYPE", "pubsub")
        await first.guard.invalidate(session_id="session-of-alice")

        revoked_at = time.monotonic()
        await eventually(lambda: not second.is_degraded and not second.guard.stats().entries)
        assert time.monotonic() - revoked_at < 1.0
        assert await second.ask() == Rejected("inactive", "x_session_token")


@pytest.mark.parametrize(
    "other",
    [
        {"kratos_public_url": "http://another.test:4433"},
        {"cookie_names": ("another_session",), "cookie": b"another_session=ck-A"},
    ],
    ids=["base_url", "cookie name"],
)
async def test_s11_guards_of_different_kratos_share_no_entry(
    server: RedisServer, other: dict[str, Any], tried: Counter[str]
) -> None:
    """The key is made of the base URL, the kind and the cookie's name."""
    tried["faults of the store"] += 1
    cookie = other.pop("cookie", b"ory_kratos_session=ck-A")
    first, second = Worker(server.url), Worker(server.url, **other)
    own = Request(((b"cookie", b"ory_kratos_session=ck-A"),))
    await first.guard.authenticate(own.scope())
    await _until_stored(server, 1)

    outcome = await second.guard.authenticate(Request(((b"cookie", cookie),)).scope())

    assert isinstance(outcome, Authenticated)
    assert outcome.source == "upstream"
    assert len(second.kratos.asked) == 1
    await first.guard.aclose()
    await second.guard.aclose()


async def test_s13_cancelled_questions_cross_no_answers(server: RedisServer, tried: Counter[str]) -> None:
    """Two hundred are cancelled behind a slow line; nobody ever gets the answer to another's question."""
    async with started(server.url, 1) as (worker,):
        await worker.ask(b"tok-A")
        await worker.ask(b"tok-B")
        await _until_stored(server, 2)
        hasher = worker.guard._lookup._key
        assert worker.guard._lookup.second is not None
    async with _slow_line(server.port, 0.1) as port:
        store = RedisSessionStore(f"redis://127.0.0.1:{port}/0", secrets=[SECRET], max_connections=2)
        keys = {name: _key_of(hasher, name) for name in ("tok-A", "tok-B")}
        for number in range(200):
            asking = asyncio.create_task(store.get([keys["tok-A" if number % 2 else "tok-B"]]))
            await asyncio.sleep(0.0005 * (number % 7))
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            tried["cancelled questions to the store"] += 1
            if number % 20 == 0:
                for name, key in keys.items():
                    found = await store.get([key])
                    assert found is not None
                    assert found.session_id == f"session-of-{_SESSIONS[name]}"
        await store.aclose()


async def test_nothing_is_readable_in_redis(server: RedisServer) -> None:
    """No credential, e-mail, trait or id lies there in clear, nor does it pass by."""
    monitor = await asyncio.create_subprocess_exec(
        "redis-cli", "-p", str(server.port), "MONITOR", stdout=asyncio.subprocess.PIPE
    )
    assert monitor.stdout is not None
    await monitor.stdout.readline()
    async with started(server.url) as (first, second):
        await first.ask(b"tok-A")
        await first.ask(b"tok-B")
        await _until_stored(server, 2)
        await second.ask(b"tok-A")
        names = server.cli("--scan").split()
        dump = [server.cli("--scan"), *(server.cli("DUMP", name) for name in names)]
        dump += [server.cli("ZRANGE", name, "0", "-1") for name in names if ":of:" in name]
        dump += [server.cli("GET", name) for name in names if ":session:" in name]
        await first.guard.invalidate(session_id="session-of-bob", identity_id="identity-of-bob")
        dump += [server.cli("--scan")]
    monitor.terminate()
    rest, _ = await monitor.communicate()
    dump.append(rest.decode("utf-8", "backslashreplace"))

    text = "\n".join(dump).lower()
    assert "publish" in text
    for secret in ("tok-a", "tok-b", "alice", "bob", "example.com", "aal1", "traits", SECRET):
        assert secret not in text


async def _slowest(worker: Worker) -> float:
    worst = 0.0
    for token in (b"tok-A", b"tok-B", b"tok-C", b"tok-D"):
        worker.forget()
        started_at = time.monotonic()
        who, source = await worker.who(token)
        worst = max(worst, time.monotonic() - started_at)
        assert (who, source) in (ALICE, ("identity-of-bob", "upstream"), ("nobody", "Rejected"))
    return worst


async def test_redis_is_down_at_the_start(tried: Counter[str]) -> None:
    """Kratos is asked; no request waits for long, and revocation works here."""
    tried["faults of the store"] += 1
    worker = Worker(f"redis://127.0.0.1:{free_port()}/0")

    assert await _slowest(worker) < 0.2
    assert worker.is_degraded
    await worker.ask()
    worker.kratos.answers = [refused()]
    await worker.guard.invalidate(session_id="session-of-alice")
    assert await worker.who() == ("nobody", "Rejected")
    await worker.guard.aclose()


async def test_redis_dies_and_comes_back(server: RedisServer, tried: Counter[str]) -> None:
    """Sessions go on; when it is there again, it is used again, and knows what was revoked meanwhile."""
    tried["faults of the store"] += 1
    async with started(server.url) as (first, second):
        await first.ask()
        await second.ask()
        server.kill()
        await eventually(lambda: first.is_degraded and second.is_degraded)

        assert await _slowest(first) < 0.2
        await second.ask()
        first.kratos.answers = second.kratos.answers = [refused()]
        await first.guard.invalidate(session_id="session-of-alice")
        assert await first.who() == ("nobody", "Rejected")
        assert (await second.who())[1] == "cache", "which is within the ttl, while nobody can tell it"

        server.start()
        await eventually(lambda: not first.is_degraded and not second.is_degraded)
        assert await second.who() == ("nobody", "Rejected")
        assert len(server.cli("KEYS", "*:revoked:*").split()) == 1


async def test_redis_stands_still(server: RedisServer, tried: Counter[str]) -> None:
    """The first request waits fifty milliseconds, and no other; then it is noticed everywhere."""
    tried["faults of the store"] += 1
    async with started(server.url, 1) as (worker,):
        server.signal(signal.SIGSTOP)
        started_at = time.monotonic()
        assert await worker.who() == ALICE
        first = time.monotonic() - started_at
        second = await _slowest(worker)
        assert worker.is_degraded

        assert 0.04 < first < 0.3
        assert second < 0.04
        server.signal(signal.SIGCONT)
        await eventually(lambda: not worker.is_degraded)


@pytest.mark.parametrize(
    ("command", "spoils_writes_only"),
    [
        (("FLUSHALL",), False),
        (("CONFIG", "SET", "maxmemory", "1"), True),
        (("REPLICAOF", "127.0.0.1", "1"), True),
        (("CONFIG", "SET", "requirepass", "changed"), False),
        (("ACL", "SETUSER", "default", "-@all", "+ping"), False),
        (("SCRIPT", "FLUSH"), False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
async def test_redis_refuses(
    server: RedisServer, command: tuple[str, ...], *, spoils_writes_only: bool, tried: Counter[str]
) -> None:
    """Emptied, full, read-only, locked: a miss, never an error, and revocation works here."""
    tried["faults of the store"] += 1
    async with started(server.url) as (first, second):
        await first.ask()
        await _until_stored(server, 1)
        server.cli(*command)

        assert (await second.who())[0] == "identity-of-alice"
        assert await _slowest(first) < 0.3
        await eventually(lambda: not spoils_writes_only or first.is_degraded)
        await first.ask()
        first.kratos.answers = [refused()]
        await first.guard.invalidate(session_id="session-of-alice")
        assert await first.who() == ("nobody", "Rejected")


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"*-7\r\n", b"$5\r\nab", b"\xff" * 64, b""]
)
async def test_redis_answers_garbage(answer: bytes, tried: Counter[str]) -> None:
    """Whatever listens there, Kratos is asked."""
    tried["faults of the store"] += 1

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        writer.write(answer)
        writer.close()

    stub = await asyncio.start_server(serve, "127.0.0.1", 0)
    worker = Worker(f"redis://127.0.0.1:{stub.sockets[0].getsockname()[1]}/0")

    assert await _slowest(worker) < 0.3
    await eventually(lambda: worker.is_degraded)
    await worker.guard.aclose()
    stub.close()
    await stub.wait_closed()


def _key_of(hasher: Any, token: str) -> bytes:
    key: bytes = hasher(Credential("x_session_token", b"", token.encode()))
    return key


@asynccontextmanager
async def _slow_line(port: int, seconds: float) -> AsyncIterator[int]:
    """Forward to a port, each chunk `seconds` later."""
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
        try:
            while chunk := await reader.read(65_536):
                await asyncio.sleep(delay)
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        for one in (pump(reader, up_writer, 0.0), pump(up_reader, writer, seconds)):
            tasks.add(asyncio.create_task(one))

    line = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield line.sockets[0].getsockname()[1]
    finally:
        line.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await line.wait_closed()
