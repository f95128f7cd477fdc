"""What a kept session takes, and whether that grows as time goes by."""

import asyncio
import gc
import tracemalloc
from typing import Final

from benchmarks.applications import new_guard
from benchmarks.clock import StandingClock
from benchmarks.report import Comparison, Effort, Section, measurement
from benchmarks.traffic import api_headers, http_scope, whoami_bodies
from benchmarks.upstream import StaticTransport
from ory_guard import OryGuard

__all__ = ["measure"]

_TURNS: Final = 3
_LIMIT: Final = 8_192


async def _keep(guard: OryGuard, sessions: int) -> int:
    for session in range(sessions):
        await guard.authenticate(http_scope(api_headers(b"ory_st_%032d" % session), "/me"))
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def _sizes(sessions: int, turns: int) -> list[float]:
    """Return bytes a session: once all are kept, and after each time that all were asked for again."""
    clock = StandingClock()
    kratos = StaticTransport(whoami_bodies())
    guard = new_guard("http://127.0.0.1:4433", kratos, clock=clock, cache_ttl=30.0, max_sessions=sessions)
    await _keep(guard, 1)
    clock.shift(31.0)
    tracemalloc.start()
    try:
        empty = tracemalloc.get_traced_memory()[0]
        sizes = []
        for _ in range(turns):
            sizes.append((await _keep(guard, sessions) - empty) / sessions)
            clock.shift(31.0)
        return sizes
    finally:
        tracemalloc.stop()


def measure(effort: Effort) -> Section:
    """Return the memory of a kept session for several numbers of them, and of some that are asked for anew."""
    measurements, comparisons = [], []
    for sessions in effort.sessions:
        name = f"{sessions:,} sessions kept"
        turns = _TURNS if sessions < effort.sessions[-1] else 1
        sizes = asyncio.run(_sizes(sessions, turns))
        measurements.append(measurement(f"{name}, each", "bytes", sizes))
        comparisons.append(Comparison(name, "8 KB each", max(sizes) / _LIMIT, min(sizes) / _LIMIT, at_most=1.0))
        if turns > 1:
            growth = sizes[-1] / sizes[0]
            comparisons.append(
                Comparison(f"{name}, asked for anew twice", "kept once", growth, growth, at_most=1.02)
            )
    return Section("Memory, by tracemalloc", tuple(measurements), tuple(comparisons))
