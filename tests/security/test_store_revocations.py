"""Revocations reach other processes through a real Redis, whatever commands it rejects."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from support.memory_store import eventually
from support.redis_server import REDIS_MARKS, RedisServer
from support.scripted_kratos import refused

from ory_guard.events import Event, RevocationsHeard

from .store_bench import Worker, proxy_to, started

pytestmark = REDIS_MARKS


@asynccontextmanager
async def two_workers(url: str) -> AsyncIterator[tuple[Worker, Worker, Callable[[], int]]]:
    """Start two workers, and return a function that counts the revocations that the second one has received."""
    heard = 0

    def listen(event: Event) -> None:
        nonlocal heard
        if isinstance(event, RevocationsHeard):
            heard += event.count

    async with started(url) as (first, second):
        second.guard.listeners.add(listen)
        yield first, second, lambda: heard


@pytest.mark.parametrize(
    ("refuse", "accept"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
        (("CONFIG", "SET", "min-replicas-to-write", "1"), ("CONFIG", "SET", "min-replicas-to-write", "0")),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
        (("ACL", "SETUSER", "default", "-set"), ("ACL", "SETUSER", "default", "+set")),
    ],
    ids=["full", "too few replicas", "read-only", "not permitted"],
)
async def test_server_that_rejects_writes_publishes_every_revocation(
    server: RedisServer, refuse: tuple[str, ...], accept: tuple[str, ...]
) -> None:
    """Each message arrives once, and each record is written when the server accepts writes again."""
    async with two_workers(server.url) as (first, second, heard):
        server.cli(*refuse)

        for number in range(5):
            await first.guard.invalidate(session_id=f"session-{number}")

        await eventually(lambda: heard() >= 5)
        known = second.guard.authentication.cache.revocations.revoked_at
        assert all(known(f"session-{number}") > 0 for number in range(5))
        assert first.guard.stats().pending_revocations == 5
        server.cli(*accept)
        await eventually(lambda: not first.guard.stats().pending_revocations)
        assert len(server.cli("KEYS", "*:revoked:*").split()) == 5


async def test_ten_thousand_revocations_arrive_after_an_outage(server: RedisServer) -> None:
    """Another process that stayed connected receives each of them, and each is recorded in Redis."""
    async with (
        proxy_to(server.port) as proxy,
        started(proxy.url, 1) as (first,),
        two_workers(server.url) as (_, second, heard),
    ):
        proxy.port = 1
        await proxy.close_connections()
        await eventually(lambda: first.is_degraded)
        for number in range(10_000):
            await first.guard.invalidate(session_id=f"session-{number}")
        assert first.guard.stats().pending_revocations == 10_000
        assert heard() == 0

        proxy.port = server.port
        await eventually(lambda: heard() >= 10_000, 60)
        await eventually(lambda: not first.is_degraded, 60)
        assert first.guard.stats().pending_revocations == 0
        assert server.cli("EVAL", "return #redis.call('KEYS', '*:revoked:*')", "0").strip() == "10000"
        assert not second.is_degraded


async def test_idle_process_notices_that_its_server_became_a_replica(server: RedisServer) -> None:
    """The old server still responds, but no process publishes there."""
    with RedisServer() as promoted:
        async with proxy_to(server.port) as proxy, started(proxy.url, 1, cache_ttl=600) as (idle,):
            await idle.ask()
            assert idle.guard.stats().entries > 0
            proxy.port = promoted.port
            server.cli("REPLICAOF", "127.0.0.1", "1")
            async with started(promoted.url, 1) as (other,):
                idle.kratos.responses = other.kratos.responses = [refused()]
                await other.guard.invalidate(session_id="session-of-alice")

                await eventually(lambda: not idle.guard.stats().entries, 30)
                assert await idle.identify() == ("anonymous", "Rejected")
                await eventually(lambda: not idle.is_degraded, 30)
                await other.guard.invalidate(session_id="another")
                await eventually(lambda: idle.guard.authentication.cache.revocations.revoked_at("another") > 0)
