"""Faults of Redis delay requests only a little: S13."""

import asyncio
import signal
import time
from typing import Any

import pytest
from support.memory_store import SOON, eventually
from support.ports import free_port
from support.redis_server import REDIS_MARKS, RedisServer
from support.scripted_kratos import refused

from ory_guard.models.credential import Credential
from ory_guard.redis import RedisSessionStore

from .store_bench import (
    ALICE,
    SECRET,
    SESSIONS,
    Worker,
    proxy_to,
    slowest_request,
    started,
    store_timeout_of,
    wait_until_stored,
)

pytestmark = REDIS_MARKS


async def test_s13_canceled_calls_do_not_mix_up_replies(server: RedisServer) -> None:
    """200 calls are canceled behind a slow proxy; no later call gets the reply to another one."""
    async with started(server.url, 1) as (worker,):
        await worker.ask(b"tok-A")
        await worker.ask(b"tok-B")
        await wait_until_stored(server, 2)
        cache_key = worker.guard.authentication.cache_key
        assert worker.guard.authentication.shared_cache is not None
    async with proxy_to(server.port, 0.02) as proxy:
        store = RedisSessionStore(proxy.url, secrets=[SECRET], max_connections=2)
        keys = {name: _key_of(cache_key, name) for name in ("tok-A", "tok-B")}
        for number in range(200):
            call = asyncio.create_task(store.get([keys["tok-A" if number % 2 else "tok-B"]]))
            await asyncio.sleep(0.003 * (number % 8))
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            if number % 20 == 0:
                for name, key in keys.items():
                    stored = await store.get([key])
                    assert stored is not None
                    assert stored.session_id == f"session-of-{SESSIONS[name]}"
        await store.aclose()


async def test_guard_works_if_redis_is_down_at_the_start() -> None:
    """Kratos is called without a long delay, and local revocations work."""
    worker = Worker(f"redis://127.0.0.1:{free_port()}/0")

    assert await slowest_request(worker) < SOON
    assert worker.is_degraded
    await worker.ask()
    worker.kratos.responses = [refused()]
    await worker.guard.invalidate(session_id="session-of-alice")
    assert await worker.identify() == ("anonymous", "Rejected")
    await worker.guard.aclose()


async def test_only_three_requests_wait_for_a_suspended_redis(server: RedisServer) -> None:
    """Each waits until the timeout; afterwards the guard is degraded until Redis responds again."""
    async with started(server.url, 1) as (worker,):
        server.signal(signal.SIGSTOP)
        with store_timeout_of(0.1):
            for _ in range(3):
                assert not worker.is_degraded
                worker.clear_cache()
                started_at = time.monotonic()
                assert await worker.identify() == ALICE
                assert time.monotonic() - started_at > 0.09
        assert worker.is_degraded

        assert await slowest_request(worker) < SOON
        assert worker.is_degraded
        server.signal(signal.SIGCONT)
        await eventually(lambda: not worker.is_degraded)


async def test_only_one_request_waits_for_a_slow_redis(server: RedisServer) -> None:
    """Even when the subscription is confirmed after a while."""
    async with proxy_to(server.port, 0.5) as proxy:
        worker = Worker(proxy.url)
        with store_timeout_of(0.1):
            started_at = time.monotonic()
            assert await worker.identify() == ALICE
            assert time.monotonic() - started_at > 0.09
        shared_cache = worker.guard.authentication.shared_cache
        connection = None if shared_cache is None else shared_cache._connections.current()
        assert connection is not None
        await eventually(lambda: connection.subscribed)

        assert worker.is_degraded
        proxy.seconds = 2 * SOON
        assert await slowest_request(worker) < SOON
        await worker.guard.aclose()


@pytest.mark.parametrize(
    ("command", "rejects_only_writes"),
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
async def test_guard_works_if_redis_rejects_commands(
    server: RedisServer, command: tuple[str, ...], *, rejects_only_writes: bool
) -> None:
    """An empty, full, read-only or locked server is a miss, not an error; local revocations work."""
    async with started(server.url) as (first, second):
        await first.ask()
        await wait_until_stored(server, 1)
        server.cli(*command)

        assert (await second.identify())[0] == "identity-of-alice"
        assert await slowest_request(first) < SOON
        await eventually(lambda: not rejects_only_writes or first.is_degraded)
        await first.ask()
        first.kratos.responses = [refused()]
        await first.guard.invalidate(session_id="session-of-alice")
        assert await first.identify() == ("anonymous", "Rejected")


@pytest.mark.parametrize("reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"*-7\r\n", b"$5\r\nab", b"\xff" * 64, b""])
async def test_guard_works_if_the_server_is_not_redis(reply: bytes) -> None:
    """Kratos is called."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        writer.write(reply)
        writer.close()

    stub = await asyncio.start_server(serve, "127.0.0.1", 0)
    worker = Worker(f"redis://127.0.0.1:{stub.sockets[0].getsockname()[1]}/0")

    assert await slowest_request(worker) < SOON
    await eventually(lambda: worker.is_degraded)
    await worker.guard.aclose()
    stub.close()
    await stub.wait_closed()


@pytest.mark.parametrize("is_replica", [True, False], ids=["old server is a replica", "old server is alone"])
async def test_guards_follow_a_failover(server: RedisServer, *, is_replica: bool) -> None:
    """The address belongs to another server; the old one, now read-only, still responds to existing connections."""
    with store_timeout_of(), RedisServer("--replicaof", "127.0.0.1", str(server.port)) as replica:
        await eventually(lambda: "master_link_status:up" in replica.cli("INFO", "replication"))
        async with proxy_to(server.port) as proxy, started(proxy.url) as (first, second):
            await first.ask()
            await wait_until_stored(server, 1)
            await second.ask()
            replica.cli("REPLICAOF", "NO", "ONE")
            server.cli("REPLICAOF", "127.0.0.1", str(replica.port if is_replica else 1))
            proxy.port = replica.port
            await second.ask(b"tok-B")
            await eventually(lambda: second.is_degraded)
            first.kratos.responses = second.kratos.responses = [refused()]
            await first.guard.invalidate(session_id="session-of-alice")
            assert first.is_degraded

            assert await first.identify() == ("anonymous", "Rejected")
            await eventually(lambda: not first.is_degraded and not second.is_degraded)
            # A replica of the new server has its messages, too, so a subscription to it may stay.
            await eventually(
                lambda: is_replica or len(replica.cli("CLIENT", "LIST", "TYPE", "pubsub").splitlines()) == 2
            )
            await first.guard.invalidate(session_id="session-of-alice")
            await eventually(
                lambda: second.guard.authentication.cache.revocations.revoked_at("session-of-alice") > 0
            )
            assert await second.identify() == ("anonymous", "Rejected")
            assert len(replica.cli("KEYS", "*:revoked:*").split()) == 1


def _key_of(cache_key: Any, token: str) -> bytes:
    key: bytes = cache_key(Credential("x_session_token", b"", token.encode()))
    return key
