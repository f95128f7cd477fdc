"""A Redis that fails in every way costs time, and little of it: S13, and Redis' faults."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from support.memory_store import SOON, eventually
from support.ports import free_port
from support.redis_server import BINARY, WHY_NOT, RedisServer
from support.scripted_kratos import refused

from ory_guard.models.credential import Credential
from ory_guard.redis import RedisSessionStore

from .store_bench import ALICE, SECRET, SESSIONS, Worker, line_to, patient, slowest, started, until_stored

pytestmark = [pytest.mark.anyio, pytest.mark.redis, pytest.mark.skipif(BINARY is None, reason=WHY_NOT)]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of the test's own."""
    with RedisServer() as running:
        yield running


async def test_s13_cancelled_questions_cross_no_answers(server: RedisServer, tried: Counter[str]) -> None:
    """Two hundred are cancelled behind a slow line; nobody ever gets the answer to another's question."""
    async with started(server.url, 1) as (worker,):
        await worker.ask(b"tok-A")
        await worker.ask(b"tok-B")
        await until_stored(server, 2)
        hasher = worker.guard.authentication.cache_key
        assert worker.guard.authentication.shared_cache is not None
    async with line_to(server.port, 0.02) as line:
        store = RedisSessionStore(line.url, secrets=[SECRET], max_connections=2)
        keys = {name: _key_of(hasher, name) for name in ("tok-A", "tok-B")}
        for number in range(200):
            asking = asyncio.create_task(store.get([keys["tok-A" if number % 2 else "tok-B"]]))
            await asyncio.sleep(0.003 * (number % 8))
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            tried["cancelled questions to the store"] += 1
            if number % 20 == 0:
                for name, key in keys.items():
                    found = await store.get([key])
                    assert found is not None
                    assert found.session_id == f"session-of-{SESSIONS[name]}"
        await store.aclose()


async def test_redis_is_down_at_the_start(tried: Counter[str]) -> None:
    """Kratos is asked; no request waits for long, and revocation works here."""
    tried["faults of the store"] += 1
    worker = Worker(f"redis://127.0.0.1:{free_port()}/0")

    assert await slowest(worker) < 1
    assert worker.is_degraded
    await worker.ask()
    worker.kratos.responses = [refused()]
    await worker.guard.invalidate(session_id="session-of-alice")
    assert await worker.who() == ("nobody", "Rejected")
    await worker.guard.aclose()


async def test_redis_stands_still(server: RedisServer, tried: Counter[str]) -> None:
    """The first request waits as long as its patience lasts, and no other; then it is noticed everywhere."""
    tried["faults of the store"] += 1
    with patient(0.5):
        async with started(server.url, 1) as (worker,):
            server.signal(signal.SIGSTOP)
            started_at = time.monotonic()
            assert await worker.who() == ALICE
            first = time.monotonic() - started_at
            second = await slowest(worker)
            assert worker.is_degraded

            assert second < 0.45 < first < SOON
            server.signal(signal.SIGCONT)
            await eventually(lambda: not worker.is_degraded)


async def test_redis_is_slow(server: RedisServer, monkeypatch: pytest.MonkeyPatch, tried: Counter[str]) -> None:
    """One request finds out, and no other waits, though the subscription stands after a while."""
    tried["faults of the store"] += 1
    monkeypatch.setattr("ory_guard.cache.store_connection._CONNECT_TIMEOUT", SOON)
    monkeypatch.setattr("ory_guard.redis.pubsub._CONNECT_TIMEOUT", SOON)  # older clients take several round trips
    with patient(0.5):
        async with line_to(server.port, 0.8) as line:
            worker = Worker(line.url)
            started_at = time.monotonic()
            assert await worker.who() == ALICE
            first = time.monotonic() - started_at
            second_level = worker.guard.authentication.shared_cache
            link = None if second_level is None else second_level._connections.current()
            assert link is not None
            await eventually(lambda: link.subscribed)
            second = await slowest(worker)

            assert second < 0.45 < first < SOON
            assert worker.is_degraded
            await worker.guard.aclose()


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
        await until_stored(server, 1)
        server.cli(*command)

        assert (await second.who())[0] == "identity-of-alice"
        assert await slowest(first) < 1
        await eventually(lambda: not spoils_writes_only or first.is_degraded)
        await first.ask()
        first.kratos.responses = [refused()]
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

    assert await slowest(worker) < 1
    await eventually(lambda: worker.is_degraded)
    await worker.guard.aclose()
    stub.close()
    await stub.wait_closed()


@pytest.mark.parametrize("old_follows", [True, False], ids=["the old one follows", "the old one is alone"])
async def test_redis_fails_over(server: RedisServer, *, old_follows: bool, tried: Counter[str]) -> None:
    """The address leads to another server, and the old one, read-only now, goes on answering who is connected."""
    tried["faults of the store"] += 1
    with patient(), RedisServer("--replicaof", "127.0.0.1", str(server.port)) as replica:
        await eventually(lambda: "master_link_status:up" in replica.cli("INFO", "replication"))
        async with line_to(server.port) as line, started(line.url) as (first, second):
            await first.ask()
            await until_stored(server, 1)
            await second.ask()
            replica.cli("REPLICAOF", "NO", "ONE")
            server.cli("REPLICAOF", "127.0.0.1", str(replica.port if old_follows else 1))
            line.port = replica.port
            await second.ask(b"tok-B")
            await eventually(lambda: second.is_degraded)
            first.kratos.responses = second.kratos.responses = [refused()]
            await first.guard.invalidate(session_id="session-of-alice")
            assert first.is_degraded

            assert await first.who() == ("nobody", "Rejected")
            await eventually(lambda: not first.is_degraded and not second.is_degraded)
            assert len(replica.cli("CLIENT", "LIST", "TYPE", "pubsub").splitlines()) == 2
            await first.guard.invalidate(session_id="session-of-alice")
            await eventually(
                lambda: second.guard.authentication.cache.revocations.revoked_at("session-of-alice") > 0
            )
            assert await second.who() == ("nobody", "Rejected")
            assert len(replica.cli("KEYS", "*:revoked:*").split()) == 1


def _key_of(hasher: Any, token: str) -> bytes:
    key: bytes = hasher(Credential("x_session_token", b"", token.encode()))
    return key
