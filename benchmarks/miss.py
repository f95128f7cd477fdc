"""A miss: what one whoami costs this process in CPU time, beside what the HTTP libraries alone cost.

The guard is asked for sessions that it kept before and whose time is over, which is what nearly all misses are; its
parts are also put together one by one, to show what each of them costs.
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
from support.adapters import parser_of, whoami_client_of

from benchmarks.applications import new_guard
from benchmarks.clock import StandingClock
from benchmarks.report import Effort, Section, compare, measurement
from benchmarks.traffic import api_headers, http_scope
from benchmarks.upstream import static_kratos
from ory_guard import Authenticated, OryGuard, Session
from ory_guard.cache.single_flight import CheckResult, InFlight, SingleFlight
from ory_guard.models.credential import Credential

__all__ = ["measure"]

_TOKENS: Final = [f"ory_st_{number:032d}" for number in range(200)]

Ask = Callable[[str], Awaitable[Any]]
Parse = Callable[[bytes], Any]


def _transport(parse: Parse) -> Callable[[str], Any]:
    @asynccontextmanager
    async def bare(base_url: str) -> AsyncIterator[Ask]:
        url = httpx2.URL(base_url + "/sessions/whoami")
        async with httpx2.AsyncHTTPTransport(trust_env=False) as transport:

            async def ask(token: str) -> Any:
                headers = [
                    (b"Host", url.netloc),
                    (b"Accept", b"application/json"),
                    (b"Accept-Encoding", b"identity"),
                    (b"User-Agent", b"ory-guard"),
                    (b"X-Session-Token", token.encode()),
                ]
                answer = await transport.handle_async_request(httpx2.Request("GET", url, headers=headers))
                return parse(await answer.aread())

            yield ask

    return bare


@asynccontextmanager
async def _client(base_url: str) -> AsyncIterator[Ask]:
    async with httpx2.AsyncClient(base_url=base_url, trust_env=False) as client:

        async def ask(token: str) -> Any:
            return (await client.get("/sessions/whoami", headers={"X-Session-Token": token})).json()

        yield ask


@asynccontextmanager
async def _aiohttp(base_url: str) -> AsyncIterator[Ask]:
    async with aiohttp.ClientSession() as session:

        async def ask(token: str) -> Any:
            url = base_url + "/sessions/whoami"
            async with session.get(url, headers={"X-Session-Token": token}) as answer:
                return await answer.json()

        yield ask


def _credential(token: str) -> Credential:
    return Credential("x_session_token", b"", token.encode())


@asynccontextmanager
async def _judged(base_url: str) -> AsyncIterator[Ask]:
    settings = new_guard(base_url).settings
    upstream, reader = whoami_client_of(settings, None), parser_of(settings, None)

    async def ask(token: str) -> Any:
        credential = _credential(token)
        return reader.parse(await upstream.get(credential, no_cache=False), credential, time())

    yield ask
    await upstream.aclose()


@asynccontextmanager
async def _flown(base_url: str) -> AsyncIterator[Ask]:
    flights = SingleFlight()

    async def ask(token: str) -> Any:
        async def check() -> CheckResult:
            return CheckResult((await judged(token)).outcome, 0.0)

        flight = InFlight(token.encode(), 0.0)
        flights.start(flight, check, joinable=True)
        return await flight.wait()

    async with _judged(base_url) as judged:
        yield ask


def _time_over(question: Callable[[OryGuard, str], Awaitable[Any]]) -> Callable[[str], Any]:
    @asynccontextmanager
    async def guarded(base_url: str) -> AsyncIterator[Ask]:
        clock = StandingClock()
        guard = new_guard(base_url, clock=clock, cache_ttl=30.0)

        async def ask(token: str) -> Any:
            if token == _TOKENS[0]:
                clock.shift(31.0)
            return await question(guard, token)

        yield ask
        await guard.aclose()

    return guarded


async def _check(guard: OryGuard, token: str) -> Any:
    return await guard.authentication.checker.check(token.encode(), _credential(token))


async def _authenticate(guard: OryGuard, token: str) -> Any:
    outcome = await guard.authenticate(http_scope(api_headers(token.encode()), "/me"))
    if not isinstance(outcome, Authenticated) or outcome.source != "upstream":
        raise TypeError(f"this was no miss with a session: {outcome!r}")
    return outcome


_ASKERS: Final = {
    "httpx2.AsyncHTTPTransport, body read, parsed into a Session": _transport(Session.model_validate_json),
    "httpx2.AsyncHTTPTransport, body read, json.loads": _transport(json.loads),
    "httpx2.AsyncClient, json()": _client,
    "aiohttp.ClientSession, json()": _aiohttp,
    "the guard's question, with a deadline, its answer judged": _judged,
    "the same, by a task of its own": _flown,
    "checks.ask as a whole: loops, breaker, flights; and kept": _time_over(_check),
    "guard.authenticate, kept before, its time over": _time_over(_authenticate),
}


async def _time(effort: Effort, base_url: str) -> dict[str, list[float]]:
    async with AsyncExitStack() as stack:
        askers = {name: await stack.enter_async_context(ask(base_url)) for name, ask in _ASKERS.items()}
        for ask in askers.values():
            for token in _TOKENS:
                await ask(token)
        tokens = {name: cycle(_TOKENS) for name in askers}
        seconds: dict[str, list[float]] = {name: [] for name in askers}
        for _ in range(min(effort.rounds, 40)):
            for name, ask in askers.items():
                start = process_time()
                for _ in range(effort.requests):
                    await ask(next(tokens[name]))
                seconds[name].append((process_time() - start) / effort.requests)
    return seconds


def measure(effort: Effort) -> Section:
    """Return CPU time of each way to ask once."""
    with static_kratos() as base_url:
        seconds = asyncio.run(_time(effort, base_url))
    found = {name: measurement(name, "µs CPU", [each * 1e6 for each in taken]) for name, taken in seconds.items()}
    parsed, *others, judged, flown, whole, guard = found
    return Section(
        "A miss, against a static upstream",
        tuple(found.values()),
        (
            compare(found, guard, parsed, at_most=1.2),
            *(compare(found, part, parsed) for part in (judged, flown, whole)),
            *(compare(found, guard, other) for other in others),
        ),
    )
