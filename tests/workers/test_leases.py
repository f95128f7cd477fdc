"""Eight workers with one Redis, which call Kratos once for a session that all of them miss."""

import asyncio
import os
import random
import signal
from collections.abc import Callable

import pytest
from support.redis_server import REDIS_MARKS, RedisServer

from .fleet import Connection, Fleet
from .kratos import CountingKratos

pytestmark = [*REDIS_MARKS, pytest.mark.workers, pytest.mark.timeout(600)]

Say = Callable[[str], None]

WORKERS = 8


async def connect(fleet: Fleet, each: int, kratos: CountingKratos) -> list[list[Connection]]:
    """Return some connections to each worker, after all workers have used Redis; Kratos responds after 20 ms."""
    kratos.delay = 0.02
    pools = [await fleet.connections() for _ in range(each)]
    by_worker = [sorted(pool, key=lambda connection: connection.worker) for pool in pools]
    for connection in by_worker[0]:
        token, _ = kratos.sign_in(10_000_000 + connection.worker)
        assert (await connection.get("/me", token))[0] == 200
    kratos.calls = 0
    return [list(connections) for connections in zip(*by_worker, strict=True)]


async def get_sessions(requests: list[tuple[Connection, str]], kratos: CountingKratos) -> None:
    """Send requests at the same time, in order on each connection, and check the responses."""
    queues: dict[Connection, list[str]] = {}
    for connection, token in requests:
        queues.setdefault(connection, []).append(token)

    async def send(connection: Connection, tokens: list[str]) -> None:
        for token in tokens:
            status, body = await connection.get("/me", token)
            assert (status, body.get("session")) == (200, kratos.sessions[token])

    await asyncio.gather(*(send(connection, tokens) for connection, tokens in queues.items()))


async def test_new_session_is_requested_once(redis: RedisServer, kratos: CountingKratos, say: Say) -> None:
    """Five hundred requests of one session at the same time."""
    token, _ = kratos.sign_in(1)
    async with Fleet(WORKERS, kratos.url, redis.url, cache_ttl=300) as fleet:
        workers = await connect(fleet, 8, kratos)
        connections = [connection for pool in zip(*workers, strict=True) for connection in pool]
        await get_sessions([(connections[number % 64], token) for number in range(500)], kratos)

    say(f"500 requests of one new session over {WORKERS} workers: {kratos.calls} whoami calls")
    assert 1 <= kratos.calls <= 2


async def test_busy_workers_call_once_per_session(redis: RedisServer, kratos: CountingKratos, say: Say) -> None:
    """Three hundred sessions with eight requests each, on 64 connections without a pause."""
    chance = random.Random(8)
    tokens = [kratos.sign_in(number)[0] for number in range(300)]
    async with Fleet(WORKERS, kratos.url, redis.url, cache_ttl=300) as fleet:
        workers = await connect(fleet, 8, kratos)
        connections = [connection for pool in workers for connection in pool]
        requests = [(chance.choice(connections), token) for token in tokens for _ in range(8)]
        await get_sessions(requests, kratos)

    say(f"300 sessions with 8 requests each over {WORKERS} busy workers: {kratos.calls} whoami calls")
    assert 300 <= kratos.calls <= 330


async def test_rolling_restart_finds_the_sessions_in_the_store(
    redis: RedisServer, kratos: CountingKratos, say: Say
) -> None:
    """Each worker in turn is replaced by one without cached sessions, and then gets requests of all users."""
    tokens = [kratos.sign_in(number)[0] for number in range(300)]
    async with Fleet(WORKERS, kratos.url, redis.url, cache_ttl=300) as fleet:
        workers = await connect(fleet, 1, kratos)
        await get_sessions([(random.Random(8).choice(workers)[0], token) for token in tokens], kratos)
        assert kratos.calls == len(tokens)
        kratos.calls = 0
        running = {pool[0].worker for pool in workers}
        for worker in sorted(running):
            os.kill(worker, signal.SIGTERM)
            pool = await fleet.replacement(running, 4)
            running |= {connection.worker for connection in pool}
            await get_sessions([(pool[at % 4], token) for at, token in enumerate(tokens)], kratos)

    say(f"rolling restart of {WORKERS} workers with {len(tokens)} sessions: {kratos.calls} whoami calls")
    assert kratos.calls <= 0.04 * WORKERS * len(tokens)
