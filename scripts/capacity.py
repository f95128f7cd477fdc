"""Measure the figures of the capacity page and print them as Markdown: `poe capacity`.

A fixed number of sessions is used at a fixed rate, distributed evenly, with one to four workers, with and without a
store. Each row also has the value of the page's formula.
"""

import asyncio
import json
import random
import subprocess
import time
from collections.abc import Iterator
from math import exp
from typing import Final

from support.redis_server import RedisServer
from support.scripted_kratos import IDENTITY_ID, SESSION_ID, session_body
from workers.fleet import Connection, Fleet
from workers.kratos import CountingKratos

from ory_guard.cache import StoredSession
from ory_guard.redis import RedisSessionStore
from ory_guard.redis.node import _LOOK_UP
from ory_guard.redis.scripts import PUT

__all__ = ["main"]

SESSIONS: Final = 400
RATE: Final = 400.0
TTL: Final = 5.0
WARM_UP: Final = 6.0
MEASURED: Final = 15.0


def whoami_per_second(sessions: float, rate: float, ttl: float, workers: int, *, shared: bool) -> float:
    """Return the whoami calls per second by the formula."""
    each = rate / sessions
    if shared:
        return sessions / (ttl + 1 / each)
    return sessions * workers / (ttl + workers / each)


def lookups_per_second(sessions: float, rate: float, ttl: float, workers: int) -> float:
    """Return the store lookups per second by the formula: one per worker that serves a session within a ttl."""
    each = rate / sessions
    return sessions * workers * (1 - exp(-each * ttl / workers)) / (ttl + 1 / each)


async def _use(fleet: Fleet, tokens: list[str], seconds: float) -> int:
    """Use the sessions at the rate, and return the number of responses with status 200."""
    connections = [connection for _ in range(8) for connection in await fleet.connections()]
    chance = random.Random(1)
    start = time.monotonic()
    succeeded = 0

    async def drive(connection: Connection, number: int) -> None:
        nonlocal succeeded
        step = len(connections) / RATE
        due = start + number * step / len(connections)
        while due < start + seconds:
            await asyncio.sleep(max(due - time.monotonic(), 0))
            status, _ = await connection.get("/me", chance.choice(tokens))
            succeeded += status == 200
            due += step

    await asyncio.gather(*(drive(connection, number) for number, connection in enumerate(connections)))
    return succeeded


async def _measure(workers: int, redis: RedisServer | None) -> tuple[float, float, float]:
    """Return requests, whoami calls and Redis commands per second."""
    async with CountingKratos() as kratos:
        tokens = [kratos.sign_in(number)[0] for number in range(SESSIONS)]
        async with Fleet(workers, kratos.url, None if redis is None else redis.url, cache_ttl=TTL) as fleet:
            await _use(fleet, tokens, WARM_UP)
            calls, commands, start = kratos.calls, _commands(redis), time.monotonic()
            succeeded = await _use(fleet, tokens, MEASURED)
            seconds = time.monotonic() - start
            return succeeded / seconds, (kratos.calls - calls) / seconds, (_commands(redis) - commands) / seconds


def _commands(redis: RedisServer | None) -> int:
    """Return the number of scripts that Redis has run."""
    if redis is None:
        return 0
    for line in redis.cli("INFO", "commandstats").splitlines():
        if line.startswith("cmdstat_evalsha:"):
            return int(line.partition("calls=")[2].partition(",")[0])
    return 0


def _rows() -> Iterator[str]:
    yield "| workers | store | requests/s | whoami/s | by formula | lookups and puts/s in Redis | by formula |"
    yield "|---|---|---|---|---|---|---|"
    for workers in (1, 2, 3, 4):
        yield _row(workers, asyncio.run(_measure(workers, None)), shared=False)
        with RedisServer() as redis:
            yield _row(workers, asyncio.run(_measure(workers, redis)), shared=True)


def _row(workers: int, measured: tuple[float, float, float], *, shared: bool) -> str:
    requests, whoami, commands = measured
    expected = whoami_per_second(SESSIONS, requests, TTL, workers, shared=shared)
    traffic = lookups_per_second(SESSIONS, requests, TTL, workers) + expected if shared else 0
    cells = [workers, "yes" if shared else "no", f"{requests:.0f}", f"{whoami:.0f}", f"{expected:.0f}"]
    cells += [f"{commands:.0f}", f"{traffic:.0f}"] if shared else ["", ""]
    return "| " + " | ".join(map(str, cells)) + " |"


async def _cost(redis: RedisServer) -> Iterator[str]:
    """Return the CPU time of a lookup and a put, and the memory of a session in Redis."""
    store = RedisSessionStore(redis.url, secrets=["a-secret-of-at-least-thirty-two-bytes"])
    body = json.dumps(session_body()).encode()
    keys = [number.to_bytes(32, "big") for number in range(2_000)]
    before = int(redis.cli("INFO", "memory").partition("used_memory:")[2].split()[0])
    spent: list[float] = []
    for number, key in enumerate(keys):
        stored = StoredSession(body, f"{SESSION_ID}{number}", f"{IDENTITY_ID}{number}", 0.0, 300.0, 0.0, 300.0)
        start = time.process_time()
        await store.put(key, stored, unless_revoked_since=0.0)
        spent.append(time.process_time() - start)
    memory = int(redis.cli("INFO", "memory").partition("used_memory:")[2].split()[0]) - before
    got: list[float] = []
    for key in keys:
        start = time.process_time()
        await store.get([key])
        got.append(time.process_time() - start)
    await store.aclose()
    return iter(
        [
            f"put: {sorted(spent)[1_000] * 1e6:.0f} µs of CPU time in the worker",
            f"lookup: {sorted(got)[1_000] * 1e6:.0f} µs of CPU time in the worker",
            f"session: {memory / len(keys):.0f} bytes in Redis",
        ]
    )


def _max_rate(redis: RedisServer, script: str, *arguments: str) -> str:
    digest = redis.cli("SCRIPT", "LOAD", script).strip()
    command = ["redis-benchmark", "-p", str(redis.port), "-n", "200000", "-c", "50", "-r", "100000", "-q"]
    done = subprocess.run([*command, "EVALSHA", digest, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.rpartition("requests per second")[0].rpartition(":")[2].strip()


def main() -> None:
    """Print the table and the costs."""
    print(f"{SESSIONS} sessions, {RATE:.0f} requests/s, cache_ttl {TTL:.0f} s\n")
    for row in _rows():
        print(row, flush=True)
    with RedisServer() as redis:
        for line in asyncio.run(_cost(redis)):
            print(f"- {line}")
        names, values = [f"{kind}:__rand_int__" for kind in "slabcde"], ("\3" + "0" * 2_000, "30000", "9", "0")
        print(f"- maximum of puts in one Redis: {_max_rate(redis, PUT, '7', *names, *values)} per second")
        lookups = _max_rate(redis, _LOOK_UP, "1", names[0], "1", "r:")
        print(f"- maximum of lookups in one Redis: {lookups} per second")


if __name__ == "__main__":
    main()
