"""Measures what the capacity page says: `python -m workers.capacity`, in the folder tests; prints Markdown.

A fixed number of sessions is used at a fixed rate, spread evenly over sessions and workers, with one to four
workers, with and without the store. Beside each measured number stands the one that the page's formulas give.
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
from support.stub_kratos import IDENTITY_ID, SESSION_ID, session_body
from workers.fleet import Fleet, Line
from workers.kratos import CountingKratos

from ory_guard.cache import StoredSession
from ory_guard.redis import RedisSessionStore
from ory_guard.redis.store import _GET, _PUT

__all__ = ["main"]

SESSIONS: Final = 400
RATE: Final = 400.0
TTL: Final = 5.0
WARM_UP: Final = 6.0
MEASURED: Final = 15.0


def whoami_a_second(sessions: float, rate: float, ttl: float, workers: int, *, shared: bool) -> float:
    """Return the formula's whoami calls a second."""
    each = rate / sessions
    if shared:
        return sessions / (ttl + 1 / each)
    return sessions * workers / (ttl + workers / each)


def gets_a_second(sessions: float, rate: float, ttl: float, workers: int) -> float:
    """Return the formula's lookups in the store a second: one for each worker that sees a session within a ttl."""
    each = rate / sessions
    return sessions * workers * (1 - exp(-each * ttl / workers)) / (ttl + 1 / each)


async def _use(fleet: Fleet, tokens: list[str], seconds: float) -> int:
    """Use the sessions at the rate, and return how many requests were answered 200."""
    lines = [line for _ in range(8) for line in await fleet.lines()]
    chance = random.Random(1)
    start = time.monotonic()
    answered = 0

    async def drive(line: Line, number: int) -> None:
        nonlocal answered
        step = len(lines) / RATE
        due = start + number * step / len(lines)
        while due < start + seconds:
            await asyncio.sleep(max(due - time.monotonic(), 0))
            status, _ = await line.get("/me", chance.choice(tokens))
            answered += status == 200
            due += step

    await asyncio.gather(*(drive(line, number) for number, line in enumerate(lines)))
    return answered


async def _measure(workers: int, redis: RedisServer | None) -> tuple[float, float, float]:
    """Return requests, whoami calls and Redis commands a second."""
    async with CountingKratos() as kratos:
        tokens = [kratos.sign_in(number)[0] for number in range(SESSIONS)]
        async with Fleet(workers, kratos.url, None if redis is None else redis.url, cache_ttl=TTL) as fleet:
            await _use(fleet, tokens, WARM_UP)
            asked, commands, start = kratos.asked, _commands(redis), time.monotonic()
            answered = await _use(fleet, tokens, MEASURED)
            seconds = time.monotonic() - start
            return answered / seconds, (kratos.asked - asked) / seconds, (_commands(redis) - commands) / seconds


def _commands(redis: RedisServer | None) -> int:
    """Return how many of our scripts Redis ran."""
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
    expected = whoami_a_second(SESSIONS, requests, TTL, workers, shared=shared)
    traffic = gets_a_second(SESSIONS, requests, TTL, workers) + expected if shared else 0
    cells = [workers, "yes" if shared else "no", f"{requests:.0f}", f"{whoami:.0f}", f"{expected:.0f}"]
    cells += [f"{commands:.0f}", f"{traffic:.0f}"] if shared else ["", ""]
    return "| " + " | ".join(map(str, cells)) + " |"


async def _cost(redis: RedisServer) -> Iterator[str]:
    """Return what one lookup and one put cost this side, and what a session takes there."""
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
            f"a put: {sorted(spent)[1_000] * 1e6:.0f} µs of a worker's CPU",
            f"a lookup: {sorted(got)[1_000] * 1e6:.0f} µs of a worker's CPU",
            f"a session: {memory / len(keys):.0f} bytes of Redis' memory",
        ]
    )


def _most(redis: RedisServer, script: str, *arguments: str) -> str:
    digest = redis.cli("SCRIPT", "LOAD", script).strip()
    command = ["redis-benchmark", "-p", str(redis.port), "-n", "200000", "-c", "50", "-r", "100000", "-q"]
    done = subprocess.run([*command, "EVALSHA", digest, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.rpartition("requests per second")[0].rpartition(":")[2].strip()


def main() -> None:
    """Print the table, and the costs."""
    print(f"{SESSIONS} sessions, {RATE:.0f} requests/s wanted, cache_ttl {TTL:.0f} s\n")
    for row in _rows():
        print(row, flush=True)
    with RedisServer() as redis:
        for line in asyncio.run(_cost(redis)):
            print(f"- {line}")
        names, values = [f"{kind}:__rand_int__" for kind in "sabcd"], ("x" * 2_000, "30000", "9", "0")
        print(f"- the most puts of one Redis: {_most(redis, _PUT, '5', *names, *values)} a second")
        print(f"- the most lookups of one Redis: {_most(redis, _GET, '1', names[0])} a second")


if __name__ == "__main__":
    main()
