"""A logout while many connections are watched: the CPU time until every watch that it wakes has revalidated."""

import asyncio
from contextlib import AsyncExitStack
from time import process_time
from typing import Final
from uuid import UUID

from starlette.requests import Request

from benchmarks.applications import new_guard
from benchmarks.report import Effort, Section, compare, measurement
from benchmarks.traffic import api_headers, http_scope, whoami_bodies
from benchmarks.upstream import StaticTransport
from ory_guard import OryGuard

__all__ = ["measure"]

_WATCHES: Final = 5_000
_ITERATIONS: Final = 6
"""Iterations of the event loop after which every watch that was woken waits again."""
_LOGOUTS: Final = 20


async def _open(guard: OryGuard, stack: AsyncExitStack, watches: int) -> None:
    for session in range(watches):
        scope = http_scope(api_headers(b"ory_st_%032d" % session), "/events")
        await guard.require(scope)
        await stack.enter_async_context(guard.watch(Request(scope), every=3_600))
    await _settle()


async def _settle() -> None:
    for _ in range(_ITERATIONS):
        await asyncio.sleep(0)


async def _log_out(guard: OryGuard, number: int) -> float:
    start = process_time()
    for session in range(_LOGOUTS):
        await guard.invalidate(session_id=UUID(int=_LOGOUTS * number + session))
        await _settle()
    return (process_time() - start) / _LOGOUTS


async def _wake_all(guard: OryGuard) -> float:
    start = process_time()
    guard._watches.wake(None)
    await _settle()
    return process_time() - start


async def _time_all(rounds: int, watches: int) -> tuple[list[float], list[float]]:
    guard = new_guard("http://127.0.0.1:4433", StaticTransport(whoami_bodies()), max_sessions=watches)
    logouts, wakes = [], []
    async with AsyncExitStack() as stack:
        await _open(guard, stack, watches)
        for number in range(rounds):
            logouts.append(await _log_out(guard, number))
            wakes.append(await _wake_all(guard))
    await guard.aclose()
    return logouts, wakes


def measure(effort: Effort) -> Section:
    """Measure the logout of a session that is not watched, and the same work for all watches."""
    watches = min(_WATCHES, 10 * effort.sessions[0])
    logouts, wakes = asyncio.run(_time_all(min(effort.rounds, 20), watches))
    name, beside = f"logout of another session, {watches:,} watches", f"revalidation of {watches:,} watches"
    found = {
        name: measurement(name, "µs CPU", [each * 1e6 for each in logouts]),
        beside: measurement(beside, "µs CPU", [each * 1e6 for each in wakes]),
    }
    return Section("Logouts", tuple(found.values()), (compare(found, name, beside, at_most=0.02),))
