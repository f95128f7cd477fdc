"""A cache miss: the CPU time of one whoami call, compared with the HTTP libraries alone.

The guard revalidates expired sessions, which is the usual kind of miss. Each call is measured alone and with 64 and
256 concurrent ones, and alone over TLS.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any, Final

import aiohttp
import httpx2
from support.certificates import make_certificate

from benchmarks.applications import new_guard
from benchmarks.clock import FixedClock
from benchmarks.report import Effort, Section, compare, measurement
from benchmarks.traffic import api_headers, http_scope
from benchmarks.upstream import static_kratos
from ory_guard import Authenticated
from ory_guard.kratos.whoami import WhoamiClient
from ory_guard.models.credential import Credential

__all__ = ["measure"]

_TOKENS: Final = [f"ory_st_{number:032d}" for number in range(512)]
_CONCURRENCY: Final = (1, 64, 256)

Call = Callable[[str], Awaitable[Any]]


@asynccontextmanager
async def _aiohttp(base_url: str, ca_file: str | None = None) -> AsyncIterator[Call]:
    tls = ssl.create_default_context(cafile=ca_file)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64, ssl=tls)) as session:

        async def call(token: str) -> Any:
            url = base_url + "/sessions/whoami"
            async with session.get(url, headers={"X-Session-Token": token}) as response:
                return await response.read()

        yield call


@asynccontextmanager
async def _httpx2(base_url: str) -> AsyncIterator[Call]:
    url = httpx2.URL(base_url + "/sessions/whoami")
    limits = httpx2.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx2.AsyncHTTPTransport(trust_env=False, limits=limits) as transport:

        async def call(token: str) -> Any:
            headers = [(b"Host", url.netloc), (b"X-Session-Token", token.encode())]
            response = await transport.handle_async_request(httpx2.Request("GET", url, headers=headers))
            return await response.aread()

        yield call


@asynccontextmanager
async def _pool(base_url: str, ca_file: str | None = None) -> AsyncIterator[Call]:
    client = WhoamiClient(base_url, timeout=60, max_response_bytes=65_536, max_concurrency=64, ca_file=ca_file)

    async def call(token: str) -> Any:
        return await client.get(Credential("x_session_token", b"", token.encode()), bypass_caches=False)

    yield call
    await client.aclose()


@asynccontextmanager
async def _guard(base_url: str) -> AsyncIterator[Call]:
    clock = FixedClock()
    guard = new_guard(base_url, clock=clock, cache_ttl=30.0)

    async def call(token: str) -> Any:
        # Twice in a cycle: a call that starts before one of them may be cached with the time after it.
        if token in (_TOKENS[0], _TOKENS[len(_TOKENS) // 2]):
            clock.shift(31.0)
        outcome = await guard.authenticate(http_scope(api_headers(token.encode()), "/me"))
        if not isinstance(outcome, Authenticated) or outcome.source != "upstream":
            raise TypeError(f"expected a session from Kratos, got {outcome!r}")

    yield call
    await guard.aclose()


_AIOHTTP: Final = "aiohttp.ClientSession, body read"
_WHOAMI: Final = "WhoamiClient, body read"
_CALLS: Final = {
    _AIOHTTP: _aiohttp,
    "httpx2.AsyncHTTPTransport, body read": _httpx2,
    _WHOAMI: _pool,
    "guard.authenticate, expired session": _guard,
}
_TARGETS: Final = {_WHOAMI: 0.5, "guard.authenticate, expired session": 1.6}


def _row(name: str, concurrency: int) -> str:
    return name if concurrency == 1 else f"{name}, {concurrency} at once"


async def _run(call: Call, tokens: list[str], concurrency: int) -> None:
    remaining = iter(tokens)

    async def work() -> None:
        for token in remaining:
            await call(token)

    await asyncio.gather(*(work() for _ in range(concurrency)))


async def _time(
    effort: Effort,
    open_calls: Mapping[str, Callable[[], AbstractAsyncContextManager[Call]]],
    counts: tuple[int, ...],
) -> dict[str, list[float]]:
    async with AsyncExitStack() as stack:
        calls = {name: await stack.enter_async_context(open_call()) for name, open_call in open_calls.items()}
        tokens = {name: cycle(_TOKENS) for name in calls}
        seconds: dict[str, list[float]] = {_row(name, count): [] for count in counts for name in calls}
        for count in counts:
            requests = max(effort.requests, 2 * count)
            for name, call in calls.items():
                await _run(call, [next(tokens[name]) for _ in _TOKENS], count)
            for _ in range(min(effort.rounds, 40)):
                for name, call in calls.items():
                    batch = [next(tokens[name]) for _ in range(requests)]
                    start = process_time()
                    await _run(call, batch, count)
                    seconds[_row(name, count)].append((process_time() - start) / requests)
    return seconds


def _time_http(effort: Effort) -> dict[str, list[float]]:
    with static_kratos() as base_url:
        calls = {name: partial(open_call, base_url) for name, open_call in _CALLS.items()}
        return asyncio.run(_time(effort, calls, _CONCURRENCY))


def _time_tls(effort: Effort) -> dict[str, list[float]]:
    with TemporaryDirectory() as folder:
        _, ca_file = make_certificate(Path(folder))
        with static_kratos(Path(folder, "server.pem")) as base_url:
            calls = {
                f"{_AIOHTTP}, TLS": partial(_aiohttp, base_url, str(ca_file)),
                f"{_WHOAMI}, TLS": partial(_pool, base_url, str(ca_file)),
            }
            return asyncio.run(_time(effort, calls, (1,)))


def measure(effort: Effort) -> Section:
    """Return the CPU time of one call for each alternative."""
    seconds = _time_http(effort) | _time_tls(effort)
    found = {name: measurement(name, "µs CPU", [each * 1e6 for each in taken]) for name, taken in seconds.items()}
    reference, *others = _CALLS
    comparisons = [
        compare(found, _row(name, count), _row(reference, count), at_most=_TARGETS.get(name))
        for count in _CONCURRENCY
        for name in others
    ]
    comparisons += [compare(found, _row(_WHOAMI, count), _WHOAMI, at_most=1.2) for count in _CONCURRENCY[1:]]
    comparisons.append(compare(found, f"{_WHOAMI}, TLS", f"{_AIOHTTP}, TLS", at_most=0.6))
    return Section("Cache miss, static upstream", tuple(found.values()), tuple(comparisons))
