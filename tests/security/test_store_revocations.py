"""Revocations reach other processes through a real Redis, whatever it refuses and however many there are."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from support.memory_store import eventually
from support.redis_server import BINARY, WHY_NOT, RedisServer
from support.scripted_kratos import refused

from ory_guard.events import Event, RevocationsHeard

from .store_bench import Worker, line_to, patient, started, until_stored

pytestmark = [pytest.mark.anyio, pytest.mark.redis, pytest.mark.skipif(BINARY is None, reason=WHY_NOT)]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of the test's own."""
    with RedisServer() as running:
        yield running


@asynccontextmanager
async def two_workers(url: str) -> AsyncIterator[tuple[Worker, Worker, Callable[[], int]]]:
    """Start two workers; the function returns how many revocations the second one has heard of."""
    heard = 0

    def listen(event: Event) -> None:
        nonlocal heard
        if isinstance(event, RevocationsHeard):
            heard += event.count

    with patient():
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
async def test_server_that_refuses_writes_passes_every_revocation_on(
    server: RedisServer, refuse: tuple[str, ...], accept: tuple[str, ...], tried: Counter[str]
) -> None:
    """Each message arrives once, and each record is written when the server accepts writes again."""
    tried["faults of the store"] += 1
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


async def test_ten_thousand_revocations_arrive_after_an_outage(server: RedisServer, tried: Counter[str]) -> None:
    """A second process that stayed connected hears of each one; each record is in Redis."""
    tried["revocations after an outage"] += 10_000
    with patient():
        async with (
            line_to(server.port) as line,
            started(line.url, 1) as (first,),
            two_workers(server.url) as (_, second, heard),
        ):
            line.port = 1
            await line.cut()
            await eventually(lambda: first.is_degraded)
            for number in range(10_000):
                await first.guard.invalidate(session_id=f"session-{number}")
            assert first.guard.stats().pending_revocations == 10_000
            assert heard() == 0

            line.port = server.port
            await eventually(lambda: heard() >= 10_000, 60)
            await eventually(lambda: not first.is_degraded, 60)
            assert first.guard.stats().pending_revocations == 0
            assert server.cli("EVAL", "return #redis.call('KEYS', '*:revoked:*')", "0").strip() == "10000"
            assert not second.is_degraded


async def test_revocations_that_are_pending_when_redis_restarts_arrive(tried: Counter[str]) -> None:
    """The restarted server is empty; other processes have forgotten what they had, or find the record."""
    tried["faults of the store"] += 1
    with RedisServer() as server:
        async with two_workers(server.url) as (first, second, _):
            await first.ask()
            await second.ask()
            server.kill()
            await eventually(lambda: first.is_degraded and second.is_degraded)
            first.kratos.responses = second.kratos.responses = [refused()]
            await first.guard.invalidate(session_id="session-of-alice")
            await asyncio.to_thread(server.start)

            assert await second.who() == ("nobody", "Rejected")
            await eventually(lambda: not first.is_degraded and not second.is_degraded)
            assert len(server.cli("KEYS", "*:revoked:*").split()) == 1
            assert first.guard.stats().pending_revocations == 0


async def test_subscriber_that_restarts_serves_nothing_revoked_meanwhile(
    server: RedisServer, tried: Counter[str]
) -> None:
    """It missed the message, and finds neither the session nor an entry of its own."""
    tried["faults of the store"] += 1
    async with two_workers(server.url) as (first, second, _):
        await first.ask()
        await until_stored(server, 1)
        assert await second.who() == ("identity-of-alice", "store")
        await second.guard.aclose()
        first.kratos.responses = second.kratos.responses = [refused()]
        await first.guard.invalidate(session_id="session-of-alice")

        assert await second.who() == ("nobody", "Rejected")


async def test_two_thousand_revocations_at_once_do_not_take_the_store_down(
    server: RedisServer, tried: Counter[str]
) -> None:
    """Callers share batches."""
    tried["revocations at once"] += 2_000
    async with two_workers(server.url) as (first, _, heard):
        started_at = time.monotonic()
        await asyncio.gather(*(first.guard.invalidate(session_id=f"session-{number}") for number in range(2_000)))
        assert time.monotonic() - started_at < 15, "it took 27 seconds one by one"
        await eventually(lambda: heard() == 2_000, 60)
        assert not first.is_degraded


async def test_idle_process_notices_that_its_server_was_demoted(server: RedisServer, tried: Counter[str]) -> None:
    """Its connections go on to the old server, which answers but takes no writes, and nobody publishes there."""
    tried["faults of the store"] += 1
    with patient(), RedisServer() as promoted:
        async with line_to(server.port) as line, started(line.url, 1, cache_ttl=600) as (idle,):
            await idle.ask()
            assert idle.guard.stats().entries > 0
            line.port = promoted.port
            server.cli("REPLICAOF", "127.0.0.1", "1")
            async with started(promoted.url, 1) as (other,):
                idle.kratos.responses = other.kratos.responses = [refused()]
                await other.guard.invalidate(session_id="session-of-alice")

                await eventually(lambda: not idle.guard.stats().entries, 30)
                assert await idle.who() == ("nobody", "Rejected")
                await eventually(lambda: not idle.is_degraded, 30)
                await other.guard.invalidate(session_id="another")
                await eventually(lambda: idle.guard.authentication.cache.revocations.revoked_at("another") > 0)
