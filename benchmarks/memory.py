"""The memory of a cached session, and its growth over time."""

import asyncio
import gc
import tracemalloc
from typing import Final

from benchmarks.applications import new_guard
from benchmarks.clock import FixedClock
from benchmarks.report import Comparison, Effort, Section, measurement
from benchmarks.traffic import api_headers, http_scope, whoami_bodies
from benchmarks.upstream import StaticTransport
from ory_guard import OryGuard

__all__ = ["measure"]

_TURNS: Final = 3
_LIMIT: Final = 2_253  # 2.2 KB
_RECENT_SESSIONS: Final = 256
"""The sessions that the cache keeps as objects, however small it is, are a large part of a small cache."""


async def _fill(guard: OryGuard, sessions: int) -> int:
    for session in range(sessions):
        await guard.authenticate(http_scope(api_headers(b"ory_st_%032d" % session), "/me"))
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def _sizes(sessions: int, turns: int) -> list[float]:
    """Return the bytes per session after the first fill and after each revalidation of all sessions."""
    clock = FixedClock()
    kratos = StaticTransport(whoami_bodies())
    guard = new_guard("http://127.0.0.1:4433", kratos, clock=clock, cache_ttl=30.0, max_sessions=sessions)
    await _fill(guard, 1)
    clock.shift(31.0)
    tracemalloc.start()
    try:
        empty = tracemalloc.get_traced_memory()[0]
        sizes = []
        for _ in range(turns):
            sizes.append((await _fill(guard, sessions) - empty) / sessions)
            clock.shift(31.0)
        return sizes
    finally:
        tracemalloc.stop()


def measure(effort: Effort) -> Section:
    """Return the memory of a session for several cache sizes, and after revalidations."""
    measurements, comparisons = [], []
    for sessions in effort.sessions:
        name = f"{sessions:,} sessions cached"
        turns = _TURNS if sessions < effort.sessions[-1] else 1
        sizes = asyncio.run(_sizes(sessions, turns))
        measurements.append(measurement(f"{name}, each", "bytes", sizes))
        limit = None if sessions < 20 * _RECENT_SESSIONS else 1.0
        comparisons.append(Comparison(name, "2.2 KB each", max(sizes) / _LIMIT, min(sizes) / _LIMIT, limit))
        if turns > 1:
            growth = sizes[-1] / sizes[0]
            comparisons.append(Comparison(f"{name}, revalidated twice", "cached once", growth, growth, at_most=1.1))
    return Section("Memory, by tracemalloc", tuple(measurements), tuple(comparisons))
