"""Checks without the cache: whoami, a session in Redis, and a JWT."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from itertools import cycle
from time import perf_counter, process_time, time
from typing import Any, Final

import aiohttp
from joserfc import jwk, jwt
from support.redis_server import BINARY, RedisServer

from benchmarks.applications import new_guard
from benchmarks.report import Effort, Section, compare, measurement
from benchmarks.traffic import Headers, api_headers, http_scope
from benchmarks.upstream import StaticTransport, static_kratos
from ory_guard import Authenticated, OryGuard
from ory_guard.redis import RedisSessionStore
from ory_guard.tokens import TokenVerifier

__all__ = ["measure"]

_SESSIONS: Final = 200
_TOKENS: Final = [b"ory_st_%032d" % number for number in range(_SESSIONS)]
_MIN_SHARE: Final = 0.5
_ISSUER: Final = "http://127.0.0.1:4433/"
_ROUND_TRIP: Final = "aiohttp.ClientSession, body read"
_FROM_KRATOS: Final = "whoami (static upstream on loopback)"
_FROM_REDIS: Final = "session in Redis (on loopback)"
_READ_FROM_REDIS: Final = "session in Redis, and its traits read"
_FROM_TOKEN: Final = "JWT (ES256)"

Check = Callable[[], Awaitable[bool]]


async def _source(guard: OryGuard, headers: Headers) -> str | None:
    outcome = await guard.authenticate(http_scope(headers, "/me"))
    return outcome.source if isinstance(outcome, Authenticated) else None


@asynccontextmanager
async def _round_trip(base_url: str) -> AsyncIterator[Check]:
    async with aiohttp.ClientSession() as session:

        async def check() -> bool:
            async with session.get(base_url + "/sessions/whoami") as response:
                return bool(await response.read())

        yield check


@asynccontextmanager
async def _kratos(base_url: str) -> AsyncIterator[Check]:
    guard = new_guard(base_url, cache_ttl=0)
    tokens = cycle(_TOKENS)

    async def check() -> bool:
        return await _source(guard, api_headers(next(tokens))) == "upstream"

    yield check
    await guard.aclose()


@asynccontextmanager
async def _redis(base_url: str, server: RedisServer, *, reads: bool) -> AsyncIterator[Check]:
    def worker(**settings: Any) -> OryGuard:
        return new_guard(
            base_url, store=RedisSessionStore(server.url, secrets=["a benchmark's secret" * 2]), **settings
        )

    first = worker()
    for token in _TOKENS:
        await first.authenticate(http_scope(api_headers(token), "/me"))
    # The cache holds one session, so that every other one is read from the store.
    second = worker(max_sessions=1)
    tokens = cycle(_TOKENS)

    async def check() -> bool:
        outcome = await second.authenticate(http_scope(api_headers(next(tokens)), "/me"))
        if not isinstance(outcome, Authenticated) or outcome.source != "store":
            return False
        return not reads or "email" in outcome.session.identity.traits

    yield check
    await first.aclose()
    await second.aclose()


@asynccontextmanager
async def _token() -> AsyncIterator[Check]:
    key = jwk.ECKey.generate_key("P-256", {"kid": "benchmark", "alg": "ES256", "use": "sig"})
    now = int(time())
    template = {"iss": _ISSUER, "aud": "benchmark", "iat": now, "exp": now + 600, "sub": "an-identity"}
    tokens = cycle(
        jwt.encode({"alg": "ES256", "kid": "benchmark"}, {**template, "sid": f"session-{number}"}, key).encode()
        for number in range(_SESSIONS)
    )
    verifier = TokenVerifier(issuer=_ISSUER, audience="benchmark", jwks={"keys": [key.as_dict(private=False)]})
    unused = StaticTransport(b"")
    guard = new_guard("http://127.0.0.1:4433", unused, tokens=verifier, max_sessions=1)

    async def check() -> bool:
        headers = [*api_headers(None), (b"authorization", b"Bearer " + next(tokens))]
        return await _source(guard, headers) == "token"

    yield check
    await guard.aclose()


async def _time(effort: Effort, base_url: str, server: RedisServer | None) -> dict[str, list[tuple[float, float]]]:
    async with AsyncExitStack() as stack:
        checks = {_ROUND_TRIP: await stack.enter_async_context(_round_trip(base_url))}
        checks[_FROM_KRATOS] = await stack.enter_async_context(_kratos(base_url))
        if server is not None:
            for name, reads in ((_FROM_REDIS, False), (_READ_FROM_REDIS, True)):
                checks[name] = await stack.enter_async_context(_redis(base_url, server, reads=reads))
        checks[_FROM_TOKEN] = await stack.enter_async_context(_token())
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in checks}
        for check in checks.values():
            while not await check():  # noqa: ASYNC110 - the store subscribes in the background
                await asyncio.sleep(0.1)
        for _ in range(min(effort.rounds, 40)):
            for name, check in checks.items():
                start, start_cpu = perf_counter(), process_time()
                hits = [None for _ in range(effort.requests) if await check()]
                now, now_cpu = perf_counter(), process_time()
                # On a busy machine a call to the store may exceed its deadline, and the guard calls Kratos.
                if len(hits) < effort.requests * _MIN_SHARE:
                    raise RuntimeError(f"only {len(hits)} of {effort.requests} checks were {name}")
                taken[name].append(((now - start) / effort.requests, (now_cpu - start_cpu) / effort.requests))
    return taken


def measure(effort: Effort) -> Section:
    """Return the times of a check with Redis and with a JWT, compared with a call to Kratos."""
    with ExitStack() as stack:
        base_url = stack.enter_context(static_kratos())
        server = stack.enter_context(RedisServer()) if BINARY is not None else None
        taken = asyncio.run(_time(effort, base_url, server))
    clock = {name: measurement(name, "µs", [wall * 1e6 for wall, _ in pairs]) for name, pairs in taken.items()}
    cpu = {
        f"{name}, CPU": measurement(f"{name}, CPU", "µs", [each * 1e6 for _, each in pairs])
        for name, pairs in taken.items()
    }
    others = [name for name in clock if name not in (_ROUND_TRIP, _FROM_KRATOS)]
    from_redis = []
    if server is not None:
        from_redis += [compare(cpu, f"{_FROM_REDIS}, CPU", f"{_ROUND_TRIP}, CPU", at_most=1.4)]
        from_redis += [compare(cpu, f"{_READ_FROM_REDIS}, CPU", f"{_ROUND_TRIP}, CPU")]
    return Section(
        "Shared store and tokens",
        (*clock.values(), *cpu.values()),
        (*(compare(clock, name, _FROM_KRATOS) for name in others), *from_redis),
    )
