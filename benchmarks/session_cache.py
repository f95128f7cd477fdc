"""The session cache: garbage collection, expiry, large sessions, and the cost of hostile responses."""

import asyncio
import gc
import json
import logging
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from statistics import median
from time import process_time, time
from typing import Any, Final

from benchmarks.applications import new_guard
from benchmarks.clock import FixedClock
from benchmarks.report import Comparison, Effort, Measurement, Section, compare, measurement
from benchmarks.traffic import api_headers, http_scope, whoami_bodies, whoami_body
from benchmarks.upstream import StaticTransport
from ory_guard import Authenticated, OryGuard, Session
from ory_guard.kratos.cache_lifetimes import CacheLifetimes
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.session_parser import SessionParser
from ory_guard.models.credential import Credential

__all__ = ["measure"]

_UPSTREAM: Final = "http://127.0.0.1:4433"
_TTL: Final = 30.0
_HITS: Final = 200
_GREEDY_SESSIONS: Final = 500
_MAX_GREEDY_BYTES: Final = 64 * 1024 * 1024
_RECENT: Final = "hit, session used recently"
_OTHER: Final = "hit, other session"
_MISS: Final = "miss, response in memory"


async def _check(guard: OryGuard, number: int) -> str | None:
    """Return the source of a session, or None."""
    outcome = await guard.authenticate(http_scope(api_headers(b"ory_st_%032d" % number), "/me"))
    return outcome.source if isinstance(outcome, Authenticated) else None


async def _check_all(guard: OryGuard, numbers: range, source: str) -> list[float]:
    """Return the CPU time of each check in microseconds."""
    taken = []
    for number in numbers:
        start = process_time()
        actual = await _check(guard, number)
        taken.append((process_time() - start) * 1e6)
        if actual != source:
            raise RuntimeError(f"expected a session from {source}, got {actual}")
    return taken


@contextmanager
def _without_other_objects() -> Iterator[None]:
    """Exclude the objects of other benchmarks from garbage collections."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _collections(rounds: int) -> list[float]:
    """Return the CPU time of full collections in milliseconds."""
    gc.collect()
    taken = []
    for _ in range(rounds):
        start = process_time()
        gc.collect()
        taken.append((process_time() - start) * 1e3)
    return taken


async def _full_cache(sessions: int, rounds: int) -> list[Measurement]:
    clock, bodies = FixedClock(), whoami_bodies()
    guard = new_guard(_UPSTREAM, StaticTransport(bodies), clock=clock, cache_ttl=_TTL, max_sessions=sessions)
    numbers, hits = range(sessions), min(_HITS, sessions // 4)
    await _check_all(guard, numbers, "upstream")
    cached = _collections(rounds)
    found = [
        measurement(f"full garbage collection, {sessions:,} cached sessions", "ms CPU", cached),
        measurement(_OTHER, "µs CPU", await _check_all(guard, range(hits), "cache")),
        measurement(_RECENT, "µs CPU", await _check_all(guard, range(hits), "cache")),
    ]
    clock.shift(_TTL + 1)
    gc.disable()  # a collection of another generation would be measured, too
    misses = await _check_all(guard, range(sessions, sessions + 5 * hits), "upstream")
    gc.enable()
    return [
        *found,
        measurement(_MISS, "µs CPU", misses),
        Measurement(f"slowest miss after {sessions:,} sessions have expired", "µs CPU", (max(misses),)),
    ]


def _parsed_sessions(sessions: int, rounds: int) -> Measurement:
    body = whoami_bodies()
    kept = {number: Session.model_validate_json(body(b"%d" % number)) for number in range(sessions)}
    return measurement(f"full garbage collection, {len(kept):,} parsed sessions", "ms CPU", _collections(rounds))


def _with_traits(traits: Any) -> bytes:
    return _with_identity(traits=traits)


def _with_identity(**values: Any) -> bytes:
    session = json.loads(whoami_body())
    session["identity"] |= values
    return json.dumps(session, separators=(",", ":")).encode()


def _with(**values: Any) -> bytes:
    return json.dumps(json.loads(whoami_body()) | values, separators=(",", ":")).encode()


async def _greedy_bytes(body: bytes, sessions: int) -> float:
    guard = new_guard(_UPSTREAM, StaticTransport(lambda _token: bytes(bytearray(body))))
    await _check(guard, 0)
    tracemalloc.start()
    try:
        for number in range(sessions):
            await _check(guard, number)
        gc.collect()
        return float(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()


_HOSTILE: Final = {
    "250 kB of {}": _with_traits({"x": [{}] * 83_000}),
    "4,000 objects": _with_traits({"x": [{}] * 4_000}),
    "4,000 arrays": _with_traits({"x": [[]] * 4_000}),
    "2,000 objects with a number": _with_traits({"x": [{"": 0}] * 2_000}),
    "4,000 keys": _with_traits({str(number): {} for number in range(4_000)}),
    "4,000 nulls": _with_traits({"x": [None] * 4_000}),
    "4,000 empty devices": _with(devices=[{}] * 4_000),
    "4,000 empty login steps": _with(authentication_methods=[{}] * 4_000),
    "800 almost empty login steps": _with(
        authentication_methods=[dict.fromkeys(("method", "aal", "completed_at", "x"))] * 800
    ),
    "4,000 empty addresses": _with_identity(verifiable_addresses=[{}] * 4_000),
    "4,000 invalid addresses": _with_identity(recovery_addresses=[None] * 4_000),
    "one long text": _with_traits({"x": "a" * 60_000}),
    "brackets in a text": _with_traits({"x": "{[," * 20_000}),
    "30,000 levels": whoami_body().replace(b'"traits":{', b'"traits":{"x":%b,' % (b"[" * 30_000 + b"]" * 30_000)),
}


def _loads(body: bytes) -> None:
    with suppress(RecursionError):
        json.loads(body)


def _hostile_bodies(rounds: int) -> tuple[list[Measurement], list[Comparison]]:
    parser = SessionParser(lifetimes=CacheLifetimes(_TTL, 5.0), clock_skew=60.0)
    credential, headers = Credential("x_session_token", b"", b"token"), [(b"content-type", b"application/json")]
    found: dict[str, Measurement] = {}
    comparisons = []
    for name, body in _HOSTILE.items():
        response = HTTPResponse(200, headers, body)
        calls: dict[str, Callable[[], object]] = {
            f"response with {name}": partial(parser.parse, response, credential, time()),
            f"json.loads, {name}": partial(_loads, body),
        }
        taken: dict[str, list[float]] = {call: [] for call in calls}
        for _ in range(rounds):
            for call, run in calls.items():
                start = process_time()
                run()
                taken[call].append((process_time() - start) * 1e6)
        found |= {call: measurement(call, "µs CPU", values) for call, values in taken.items()}
        comparisons.append(compare(found, *calls, at_most=10.0))
    return list(found.values()), comparisons


def _ratio(found: dict[str, Measurement], name: str, beside: str, at_most: float | None = None) -> Comparison:
    ours, theirs = found[name], found[beside]
    return Comparison(name, beside, median(ours.values) / median(theirs.values), ours.best / theirs.best, at_most)


def measure(effort: Effort) -> Section:
    """Return the figures of a full cache, of large sessions and of hostile responses."""
    logging.getLogger("ory_guard").addHandler(logging.NullHandler())
    sessions, rounds = effort.sessions[-1], min(effort.rounds, 10)
    with _without_other_objects():
        full = asyncio.run(_full_cache(sessions, rounds))
        parsed = _parsed_sessions(sessions, rounds)
    found = {each.name: each for each in (*full, parsed)}
    collection, *_, slowest = full
    greedy = _GREEDY_SESSIONS if effort.rounds > 10 else 5
    sizes = {
        f"{greedy} sessions with {name}": asyncio.run(_greedy_bytes(_HOSTILE[name], greedy))
        for name in ("250 kB of {}", "2,000 objects with a number", "one long text")
    }
    hostile, hostile_ratios = _hostile_bodies(min(effort.rounds, 20))
    return Section(
        "Session cache",
        (*found.values(), *(Measurement(name, "bytes", (size,)) for name, size in sizes.items()), *hostile),
        (
            _ratio(found, collection.name, parsed.name, at_most=0.125),
            _ratio(found, _OTHER, _RECENT),
            _ratio(found, _MISS, _RECENT),
            _ratio(found, slowest.name, _MISS, at_most=10.0),
            *(
                Comparison(name, "64 MiB", size / _MAX_GREEDY_BYTES, size / _MAX_GREEDY_BYTES, at_most=1.0)
                for name, size in sizes.items()
            ),
            *hostile_ratios,
        ),
    )
