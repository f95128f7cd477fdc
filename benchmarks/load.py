"""Many concurrent requests and many sessions: the number of calls to Kratos, and the time of requests."""

import asyncio
import random
from bisect import bisect
from itertools import accumulate
from statistics import quantiles
from time import perf_counter
from typing import Final

from benchmarks.applications import new_guard
from benchmarks.clock import FixedClock
from benchmarks.report import Comparison, Effort, Measurement, Section, measurement
from benchmarks.traffic import api_headers, http_scope, whoami_body
from benchmarks.upstream import StaticTransport, static_kratos
from ory_guard import Authenticated, OryGuard

__all__ = ["measure"]

_STAMPEDE: Final = 500
_SESSIONS: Final = 10_000
_TTL: Final = 30.0
_REQUESTS_PER_SECOND: Final = 1_000
_TTLS: Final = 4


async def _stampede(effort: Effort) -> list[float]:
    calls = []
    for _ in range(min(effort.rounds, 10)):
        kratos = StaticTransport(whoami_body(), seconds=0.01)
        guard = new_guard("http://127.0.0.1:4433", kratos)
        await asyncio.gather(*(guard.authenticate(http_scope(api_headers(), "/me")) for _ in range(_STAMPEDE)))
        calls.append(float(kratos.calls))
        await guard.aclose()
    return calls


def _zipf(requests: int) -> list[int]:
    """Return the session of each request: the k-th occurs 1/k as often as the first. The seed is fixed."""
    weights = list(accumulate(1 / rank for rank in range(1, _SESSIONS + 1)))
    chance = random.Random(26)
    return [bisect(weights, chance.random() * weights[-1]) for _ in range(requests)]


def _unavoidable(sessions: list[int]) -> int:
    called: dict[int, float] = {}
    calls = 0
    for number, session in enumerate(sessions):
        now = number / _REQUESTS_PER_SECOND
        if now - called.get(session, -_TTL) >= _TTL:
            called[session] = now
            calls += 1
    return calls


async def _under_load(sessions: list[int], guard: OryGuard, clock: FixedClock) -> tuple[int, list[float]]:
    calls = 0
    seconds = []
    for session in sessions:
        clock.shift(1 / _REQUESTS_PER_SECOND)
        scope = http_scope(api_headers(b"ory_st_%032d" % session), "/me")
        start = perf_counter()
        outcome = await guard.authenticate(scope)
        seconds.append(perf_counter() - start)
        if not isinstance(outcome, Authenticated):
            raise TypeError(f"expected a session, got {outcome!r}")
        calls += outcome.source == "upstream"
    await guard.aclose()
    return calls, seconds


def measure(effort: Effort) -> Section:
    """Return the calls to Kratos in a stampede and under a Zipf load, and the times of the checks."""
    stampede = asyncio.run(_stampede(effort))
    sessions = _zipf(_TTLS * int(_TTL) * _REQUESTS_PER_SECOND if effort.rounds > 10 else _REQUESTS_PER_SECOND)
    with static_kratos() as base_url:
        clock = FixedClock()
        guard = new_guard(base_url, clock=clock, cache_ttl=_TTL)
        calls, seconds = asyncio.run(_under_load(sessions, guard, clock))
    least = _unavoidable(sessions)
    cuts = quantiles([each * 1e6 for each in seconds], n=1000)
    return Section(
        "Load",
        (
            measurement(f"calls for {_STAMPEDE} concurrent requests with one uncached session", "calls", stampede),
            _once(f"requests of {_SESSIONS:,} sessions, Zipf, {_TTL:g} s TTL", "requests", len(sessions)),
            _once("unavoidable calls for these requests", "calls", least),
            _once("calls for these requests", "calls", calls),
            _once("hits", "%", 100 * (1 - calls / len(sessions))),
            _once("time of a check, p50", "µs", cuts[499]),
            _once("time of a check, p99", "µs", cuts[989]),
            _once("time of a check, p99.9", "µs", cuts[998]),
        ),
        (
            Comparison("calls in a stampede", "one call", max(stampede), min(stampede), at_most=1.0),
            Comparison("calls under a Zipf load", "unavoidable calls", calls / least, calls / least, at_most=1.05),
        ),
    )


def _once(name: str, unit: str, value: float) -> Measurement:
    return Measurement(name, unit, (float(value),))
