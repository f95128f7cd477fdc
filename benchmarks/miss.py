"""A cache miss: the CPU time of one whoami call, compared with the HTTP libraries alone.

The guard revalidates expired sessions, which is the usual kind of miss. Partial compositions show the cost of each
of its parts.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from time import process_time, time
from typing import Any, Final

import aiohttp
import httpx2
from support.guard_bench import parser_of

from benchmarks.applications import new_guard
from benchmarks.clock import FixedClock
from benchmarks.report import Effort, Section, compare, measurement
from benchmarks.traffic import api_headers, http_scope
from benchmarks.upstream import static_kratos
from ory_guard import Authenticated, OryGuard, Session
from ory_guard.cache.single_flight import CheckResult, InFlight, SingleFlight
from ory_guard.kratos.whoami import WhoamiClient
from ory_guard.models.credential import Credential

__all__ = ["measure"]

_TOKENS: Final = [f"ory_st_{number:032d}" for number in range(200)]

Call = Callable[[str], Awaitable[Any]]
Parse = Callable[[bytes], Any]


def _transport(parse: Parse) -> Callable[[str], Any]:
    @asynccontextmanager
    async def bare(base_url: str) -> AsyncIterator[Call]:
        url = httpx2.URL(base_url + "/sessions/whoami")
        async with httpx2.AsyncHTTPTransport(trust_env=False) as transport:

            async def call(token: str) -> Any:
                headers = [
                    (b"Host", url.netloc),
                    (b"Accept", b"application/json"),
                    (b"Accept-Encoding", b"identity"),
                    (b"User-Agent", b"ory-guard"),
                    (b"X-Session-Token", token.encode()),
                ]
                response = await transport.handle_async_request(httpx2.Request("GET", url, headers=headers))
                return parse(await response.aread())

            yield call

    return bare


@asynccontextmanager
async def _client(base_url: str) -> AsyncIterator[Call]:
    async with httpx2.AsyncClient(base_url=base_url, trust_env=False) as client:

        async def call(token: str) -> Any:
            return (await client.get("/sessions/whoami", headers={"X-Session-Token": token})).json()

        yield call


@asynccontextmanager
async def _aiohttp(base_url: str) -> AsyncIterator[Call]:
    async with aiohttp.ClientSession() as session:

        async def call(token: str) -> Any:
            url = base_url + "/sessions/whoami"
            async with session.get(url, headers={"X-Session-Token": token}) as response:
                return await response.json()

        yield call


def _credential(token: str) -> Credential:
    return Credential("x_session_token", b"", token.encode())


@asynccontextmanager
async def _parsed(base_url: str) -> AsyncIterator[Call]:
    settings = new_guard(base_url).settings
    parser = parser_of(settings)
    client = WhoamiClient(
        settings.kratos_public_url,
        timeout=settings.timeout,
        max_response_bytes=settings.max_response_bytes,
        max_concurrency=settings.max_upstream_concurrency,
    )

    async def call(token: str) -> Any:
        credential = _credential(token)
        return parser.parse(await client.get(credential, no_cache=False), credential, time())

    yield call
    await client.aclose()


@asynccontextmanager
async def _in_task(base_url: str) -> AsyncIterator[Call]:
    single_flight = SingleFlight()

    async def call(token: str) -> Any:
        async def check() -> CheckResult:
            return CheckResult((await parsed(token)).outcome, 0.0)

        flight = InFlight(token.encode(), 0.0)
        single_flight.start(flight, check, joinable=True)
        return await flight.wait()

    async with _parsed(base_url) as parsed:
        yield call


def _expired(check: Callable[[OryGuard, str], Awaitable[Any]]) -> Callable[[str], Any]:
    @asynccontextmanager
    async def guarded(base_url: str) -> AsyncIterator[Call]:
        clock = FixedClock()
        guard = new_guard(base_url, clock=clock, cache_ttl=30.0)

        async def call(token: str) -> Any:
            if token == _TOKENS[0]:
                clock.shift(31.0)
            return await check(guard, token)

        yield call
        await guard.aclose()

    return guarded


async def _check(guard: OryGuard, token: str) -> Any:
    return await guard.authentication.checker.check(token.encode(), _credential(token))


async def _authenticate(guard: OryGuard, token: str) -> Any:
    outcome = await guard.authenticate(http_scope(api_headers(token.encode()), "/me"))
    if not isinstance(outcome, Authenticated) or outcome.source != "upstream":
        raise TypeError(f"expected a session from Kratos, got {outcome!r}")
    return outcome


_CALLS: Final = {
    "httpx2.AsyncHTTPTransport, body read, parsed into a Session": _transport(Session.model_validate_json),
    "httpx2.AsyncHTTPTransport, body read, json.loads": _transport(json.loads),
    "httpx2.AsyncClient, json()": _client,
    "aiohttp.ClientSession, json()": _aiohttp,
    "WhoamiClient and SessionParser": _parsed,
    "WhoamiClient and SessionParser in a task": _in_task,
    "SessionChecker, session cached": _expired(_check),
    "guard.authenticate, expired session": _expired(_authenticate),
}


async def _time(effort: Effort, base_url: str) -> dict[str, list[float]]:
    async with AsyncExitStack() as stack:
        calls = {name: await stack.enter_async_context(open_call(base_url)) for name, open_call in _CALLS.items()}
        for call in calls.values():
            for token in _TOKENS:
                await call(token)
        tokens = {name: cycle(_TOKENS) for name in calls}
        seconds: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(min(effort.rounds, 40)):
            for name, call in calls.items():
                start = process_time()
                for _ in range(effort.requests):
                    await call(next(tokens[name]))
                seconds[name].append((process_time() - start) / effort.requests)
    return seconds


def measure(effort: Effort) -> Section:
    """Return the CPU time of one call for each alternative."""
    with static_kratos() as base_url:
        seconds = asyncio.run(_time(effort, base_url))
    found = {name: measurement(name, "µs CPU", [each * 1e6 for each in taken]) for name, taken in seconds.items()}
    model, *others, client, task, checker, guard = found
    return Section(
        "Cache miss, static upstream",
        tuple(found.values()),
        (
            compare(found, guard, model, at_most=1.2),
            *(compare(found, part, model) for part in (client, task, checker)),
            *(compare(found, guard, other) for other in others),
        ),
    )
