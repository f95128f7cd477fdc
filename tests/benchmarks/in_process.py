"""In process: ASGI calls without sockets, the caller's session kept already.

Run alone it prints its part of the table: `python -m benchmarks.in_process [rounds]` in `tests/`.
"""

import asyncio
import sys
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any, Final

import httpx2

from benchmarks import applications as apps
from benchmarks.traffic import Headers, api_headers, browser_headers, http_scope, whoami_body

__all__ = ["Timing", "measure"]

_UPSTREAM: Final = "http://127.0.0.1:4433"
_REQUESTS: Final = 200


@dataclass(frozen=True)
class Variant:
    """One application under one kind of request; `beside` names the variant that it is compared with."""

    name: str
    app: apps.Application
    headers: Headers
    beside: str | None = None
    path: str = "/me"


@dataclass(frozen=True)
class Timing:
    """Seconds a request, over all rounds."""

    minimum: float
    median: float


class StaticTransport(httpx2.AsyncBaseTransport):
    """Answers every whoami in memory with one session."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.calls = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer, and count."""
        self.calls += 1
        stream = httpx2.ByteStream(self._body)
        return httpx2.Response(200, headers={"content-type": "application/json"}, stream=stream, request=request)


def variants() -> list[Variant]:
    """Return what is compared, each baseline before what is held against it."""
    kratos = StaticTransport(whoami_body(aal="aal2"))
    token, cookie, nothing = api_headers(), browser_headers(), api_headers(None)
    guarded = apps.starlette_guarded(apps.new_guard(_UPSTREAM, kratos))
    dict_cache = apps.fastapi_dict_cache(_UPSTREAM, kratos)
    session = apps.fastapi_guarded(apps.new_guard(_UPSTREAM, kratos))
    bare, trivial = apps.fastapi_bare(), apps.fastapi_trivial_dependency()
    behind = apps.fastapi_trivial_behind_middleware(apps.new_guard(_UPSTREAM, kratos))
    stepped_up = apps.fastapi_stepped_up(apps.new_guard(_UPSTREAM, kratos))
    return [
        Variant("starlette", apps.starlette_bare(), token),
        Variant("starlette + middleware, token", guarded, token, "starlette"),
        Variant("starlette + middleware, cookie", guarded, cookie, "starlette"),
        Variant("starlette + middleware, anonymous", guarded, nothing, "starlette"),
        Variant("starlette + middleware, exempt path", guarded, token, "starlette", "/health"),
        Variant("fastapi", bare, token),
        Variant("fastapi + trivial dependency", trivial, token, "fastapi"),
        Variant("fastapi + dict cache, token", dict_cache, token, "fastapi"),
        Variant("fastapi + dict cache, cookie", dict_cache, cookie, "fastapi"),
        Variant("fastapi + middleware + trivial dependency", behind, token, "fastapi + dict cache, token"),
        Variant("fastapi + require_session, token", session, token, "fastapi + dict cache, token"),
        Variant("fastapi + require_session, cookie", session, cookie, "fastapi + dict cache, cookie"),
        Variant("fastapi + require(aal2, max_age), token", stepped_up, token, "fastapi + dict cache, token"),
    ]


async def measure(compared: list[Variant], rounds: int) -> dict[str, Timing]:
    """Time all variants in turn, round after round, so that a slow moment of the machine hits them alike."""
    for variant in compared:
        await _check(variant)
    seconds: dict[str, list[float]] = {variant.name: [] for variant in compared}
    for _ in range(rounds):
        for variant in compared:
            seconds[variant.name].append(await _time(variant))
    return {name: Timing(min(taken), median(taken)) for name, taken in seconds.items()}


async def _check(variant: Variant) -> None:
    answered: list[Any] = []

    async def send(message: Any) -> None:
        answered.append(message)

    await variant.app(http_scope(variant.headers, variant.path), _receive, send)
    if answered[0]["status"] != 200:
        raise RuntimeError(f"{variant.name} answered {answered[0]['status']}, so there is nothing to time")


async def _time(variant: Variant) -> float:
    app, headers, path = variant.app, variant.headers, variant.path
    start = perf_counter()
    for _ in range(_REQUESTS):
        await app(http_scope(headers, path), _receive, _send)
    return (perf_counter() - start) / _REQUESTS


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Any) -> None:
    pass


def main() -> None:
    """Print microseconds a request and ratios, by the median and by the minimum."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    compared = variants()
    timings = asyncio.run(measure(compared, rounds))
    print(f"{'':46}{'min µs':>8}{'med µs':>8}{'min x':>8}{'med x':>8}")
    for variant in compared:
        timing = timings[variant.name]
        line = f"{variant.name:46}{timing.minimum * 1e6:8.1f}{timing.median * 1e6:8.1f}"
        if variant.beside is not None:
            beside = timings[variant.beside]
            line += (
                f"{timing.minimum / beside.minimum:8.2f}{timing.median / beside.median:8.2f} of {variant.beside}"
            )
        print(line)


if __name__ == "__main__":
    main()
