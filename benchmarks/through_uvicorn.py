"""Through uvicorn: requests per second of one process on loopback, with a cached session."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.request import Request, urlopen

from benchmarks import generator
from benchmarks.applications import (
    BARE,
    DICT_CACHE,
    EXEMPT,
    FASTAPI,
    FORWARD_AUTH,
    HELLO,
    MIDDLEWARE,
    SESSION,
    STEPPED_UP,
    TRIVIAL,
)
from benchmarks.report import Comparison, Effort, Measurement, Section, compare, measurement
from benchmarks.serve import AIOHTTP, HTTPX, NEW_ORY_CLIENT, ORY_CLIENT
from benchmarks.traffic import Headers, api_headers, browser_headers, forwarded_headers
from benchmarks.upstream import static_kratos

__all__ = ["CHARTED", "TODAY", "Load", "load_in_turn", "measure"]

TODAY: Final = (HTTPX, ORY_CLIENT, NEW_ORY_CLIENT, AIOHTTP)
CHARTED: Final = (FASTAPI, f"{DICT_CACHE}, token", f"{SESSION}, token")
_ROUNDS: Final = 10


@dataclass(frozen=True)
class Load:
    """One application of `serve` with one kind of request."""

    name: str
    application: str
    headers: Headers


def _loads() -> list[Load]:
    token, cookie = api_headers(), browser_headers()
    return [
        Load(HELLO, HELLO, cookie),
        Load(FORWARD_AUTH, FORWARD_AUTH, forwarded_headers()),
        Load(BARE, BARE, token),
        Load(f"{MIDDLEWARE}, token", MIDDLEWARE, token),
        Load(f"{MIDDLEWARE}, cookie", MIDDLEWARE, cookie),
        Load(f"{MIDDLEWARE}, anonymous", MIDDLEWARE, api_headers(None)),
        Load(EXEMPT, EXEMPT, token),
        Load(FASTAPI, FASTAPI, token),
        Load(TRIVIAL, TRIVIAL, token),
        Load(f"{DICT_CACHE}, token", DICT_CACHE, token),
        Load(f"{DICT_CACHE}, cookie", DICT_CACHE, cookie),
        Load(f"{SESSION}, token", SESSION, token),
        Load(f"{SESSION}, cookie", SESSION, cookie),
        Load(f"{STEPPED_UP}, token", STEPPED_UP, token),
        *(Load(name, name, token) for name in TODAY),
    ]


def _comparisons(found: dict[str, Measurement]) -> tuple[Comparison, ...]:
    by_token = f"{SESSION}, token"
    return (
        compare(found, FORWARD_AUTH, HELLO, at_least=0.3),
        compare(found, f"{MIDDLEWARE}, token", BARE),
        compare(found, f"{MIDDLEWARE}, cookie", BARE),
        compare(found, f"{MIDDLEWARE}, anonymous", BARE),
        compare(found, EXEMPT, BARE),
        compare(found, by_token, f"{DICT_CACHE}, token", at_least=0.95),
        compare(found, f"{SESSION}, cookie", f"{DICT_CACHE}, cookie", at_least=0.95),
        compare(found, by_token, FASTAPI, at_least=0.8),
        compare(found, by_token, TRIVIAL),
        compare(found, by_token, HTTPX),
        compare(found, by_token, ORY_CLIENT),
        compare(found, by_token, NEW_ORY_CLIENT, at_least=15),
        compare(found, by_token, AIOHTTP),
    )


@contextmanager
def _served(name: str, upstream: str) -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.serve", name, upstream]
    with subprocess.Popen(command, cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def _check(port: int, headers: Headers) -> None:
    text_headers = {name.decode(): value.decode() for name, value in headers}
    # Raises an error for a status other than 2xx.
    with urlopen(Request(f"http://127.0.0.1:{port}/me", headers=text_headers), timeout=30) as response:
        response.read()


def load_in_turn(loads: Iterable[Load], upstream: str, effort: Effort) -> dict[str, Measurement]:
    """Load the applications in turn and return their rates."""
    loads = list(loads)
    with ExitStack() as stack:
        served = dict.fromkeys(load.application for load in loads)
        ports = {name: stack.enter_context(_served(name, upstream)) for name in served}
        for load in loads:
            _check(ports[load.application], load.headers)
        rates: dict[str, list[float]] = {load.name: [] for load in loads}
        for _ in range(min(effort.rounds, _ROUNDS)):
            for load in loads:
                rate = generator.rate(ports[load.application], "/me", load.headers, effort.seconds)
                rates[load.name].append(rate)
    return {name: measurement(name, "requests/s", taken, rate=True) for name, taken in rates.items()}


def measure(effort: Effort) -> Section:
    """Return the rates of all applications with a static upstream."""
    with static_kratos() as upstream:
        found = load_in_turn(_loads(), upstream, effort)
    title = f"Through uvicorn, one process, session cached; load by {generator.NAME}"
    return Section(title, tuple(found.values()), _comparisons(found))
