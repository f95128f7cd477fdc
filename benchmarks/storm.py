"""A cold start: many different sessions at once that are not cached, compared with bare round trips of aiohttp."""

import asyncio
import gc
import selectors
from collections.abc import Callable
from time import process_time, thread_time
from typing import Any, Final

import aiohttp

from benchmarks.applications import new_guard
from benchmarks.report import Comparison, Effort, Measurement, Section, compare, measurement
from benchmarks.traffic import api_headers, http_scope
from benchmarks.upstream import static_kratos
from ory_guard import Authenticated

__all__ = ["measure"]

_SIZES: Final = (500, 1_500)
_QUICK_SIZE: Final = 20
_CONNECTIONS: Final = 64


class _TimedSelector(selectors.DefaultSelector):
    """Records the longest turn of an event loop, in CPU time between two calls of `select`."""

    def __init__(self) -> None:
        super().__init__()
        self._returned_at: float | None = None
        self.longest_turn = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events."""
        if self._returned_at is not None:
            self.longest_turn = max(self.longest_turn, thread_time() - self._returned_at)
        events = super().select(timeout)
        self._returned_at = thread_time()
        return events


async def _cold_sessions(base_url: str, count: int, selector: _TimedSelector) -> tuple[float, int]:
    guard = new_guard(base_url, timeout=10)
    scopes = [http_scope(api_headers(b"ory_st_%032d" % number), "/me") for number in range(count)]
    await guard.authenticate(http_scope(api_headers(b"ory_st_first"), "/me"))
    gc.collect()
    await asyncio.sleep(0)
    selector.longest_turn, start = 0.0, process_time()
    outcomes = await asyncio.gather(*(guard.authenticate(scope) for scope in scopes))
    seconds = process_time() - start
    await guard.aclose()
    return seconds, sum(not isinstance(outcome, Authenticated) for outcome in outcomes)


async def _round_trips(base_url: str, count: int, selector: _TimedSelector) -> tuple[float, int]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_CONNECTIONS)) as session:

        async def call(number: int) -> None:
            headers = {"X-Session-Token": f"ory_st_{number:032d}"}
            async with session.get(f"{base_url}/sessions/whoami", headers=headers) as response:
                await response.read()

        await call(0)
        gc.collect()
        await asyncio.sleep(0)
        selector.longest_turn, start = 0.0, process_time()
        await asyncio.gather(*(call(number) for number in range(count)))
        return process_time() - start, 0


def _run(storm: Callable[[str, int, _TimedSelector], Any], base_url: str, count: int) -> tuple[float, float, float]:
    """Return the CPU time and the longest turn in milliseconds, and the number of requests without a session."""
    selector = _TimedSelector()
    loop = asyncio.SelectorEventLoop(selector)
    try:
        seconds, failed = loop.run_until_complete(storm(base_url, count, selector))
    finally:
        loop.close()
    return seconds * 1e3, selector.longest_turn * 1e3, float(failed)


def _figures(base_url: str, count: int, rounds: int) -> tuple[list[Measurement], list[Comparison]]:
    guard, client = f"{count:,} cold sessions at once", f"{count:,} round trips of aiohttp at once"
    storms = {guard: _cold_sessions, client: _round_trips}
    taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in storms}
    for _ in range(rounds):
        for name, storm in storms.items():
            taken[name].append(_run(storm, base_url, count))
    found = {name: measurement(name, "ms CPU", [cpu for cpu, _, _ in values]) for name, values in taken.items()}
    turns = {
        f"{name}, longest turn": measurement(
            f"{name}, longest turn of the event loop", "ms CPU", [turn for _, turn, _ in values]
        )
        for name, values in taken.items()
    }
    refused = measurement(f"{guard}, refused", "requests", [failed for _, _, failed in taken[guard]])
    ratios = [compare(found, guard, client), compare(turns, f"{guard}, longest turn", f"{client}, longest turn")]
    return [*found.values(), *turns.values(), refused], ratios


def measure(effort: Effort) -> Section:
    """Return the figures of cold starts with a static upstream."""
    sizes, rounds = (_SIZES, min(effort.rounds, 10)) if effort.rounds > 10 else ((_QUICK_SIZE,), effort.rounds)
    measurements: list[Measurement] = []
    comparisons: list[Comparison] = []
    with static_kratos() as base_url:
        for count in sizes:
            figures, ratios = _figures(base_url, count, rounds)
            measurements += figures
            comparisons += ratios
    return Section("Cold start, static upstream", tuple(measurements), tuple(comparisons))
