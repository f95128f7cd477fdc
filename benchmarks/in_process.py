"""In process: ASGI calls without sockets, with a cached session."""

import asyncio
from dataclasses import dataclass
from time import process_time
from typing import Any, Final

from benchmarks import applications as apps
from benchmarks.applications import BARE, DICT_CACHE, EXEMPT, FASTAPI, MIDDLEWARE, SESSION, STEPPED_UP, TRIVIAL
from benchmarks.report import Comparison, Effort, Measurement, Section, compare, measurement
from benchmarks.traffic import Headers, api_headers, browser_headers, http_scope, whoami_bodies, whoami_body
from benchmarks.upstream import StaticTransport
from ory_guard import OryGuard

__all__ = ["measure"]

_PATH: Final = "/me"
_UPSTREAM: Final = "http://127.0.0.1:4433"
_BEHIND: Final = "FastAPI, middleware, trivial dependency"
_FULL: Final = "cache full"
_CACHED: Final = 1_000


@dataclass(frozen=True)
class Variant:
    """One application with one kind of request."""

    name: str
    app: apps.Application
    headers: Headers
    full: OryGuard | None = None


async def _full_guard() -> OryGuard:
    """Return a guard with a full cache."""
    guard = apps.new_guard(_UPSTREAM, StaticTransport(whoami_bodies()), max_sessions=_CACHED)
    for session in range(_CACHED):
        await guard.authenticate(http_scope(api_headers(b"ory_st_%032d" % session), _PATH))
    return guard


async def _variants() -> list[Variant]:
    kratos = StaticTransport(whoami_body(aal="aal2"))
    token, cookie = api_headers(), browser_headers()
    guarded = apps.starlette_guarded(apps.new_guard(_UPSTREAM, kratos))
    dict_cache = apps.fastapi_dict_cache(_UPSTREAM, kratos)
    session = apps.fastapi_guarded(apps.new_guard(_UPSTREAM, kratos))
    exempt = apps.starlette_guarded(apps.new_guard(_UPSTREAM, kratos, exempt_paths=("/me",)))
    behind = apps.fastapi_trivial_behind_middleware(apps.new_guard(_UPSTREAM, kratos))
    stepped_up = apps.fastapi_stepped_up(apps.new_guard(_UPSTREAM, kratos))
    full, full_session = await _full_guard(), await _full_guard()
    guarded_full, session_full = apps.starlette_guarded(full), apps.fastapi_guarded(full_session)
    return [
        Variant(BARE, apps.starlette_bare(), token),
        Variant(f"{MIDDLEWARE}, token", guarded, token),
        Variant(f"{MIDDLEWARE}, cookie", guarded, cookie),
        Variant(f"{MIDDLEWARE}, token, {_FULL}", guarded_full, token, full),
        Variant(f"{MIDDLEWARE}, cookie, {_FULL}", guarded_full, cookie, full),
        Variant(f"{MIDDLEWARE}, anonymous", guarded, api_headers(None)),
        Variant(EXEMPT, exempt, token),
        Variant(FASTAPI, apps.fastapi_bare(), token),
        Variant(TRIVIAL, apps.fastapi_trivial_dependency(), token),
        Variant(f"{DICT_CACHE}, token", dict_cache, token),
        Variant(f"{DICT_CACHE}, cookie", dict_cache, cookie),
        Variant(_BEHIND, behind, token),
        Variant(f"{SESSION}, token", session, token),
        Variant(f"{SESSION}, cookie", session, cookie),
        Variant(f"{SESSION}, token, {_FULL}", session_full, token, full_session),
        Variant(f"{SESSION}, cookie, {_FULL}", session_full, cookie, full_session),
        Variant(f"{STEPPED_UP}, token", stepped_up, token),
    ]


def _comparisons(found: dict[str, Measurement]) -> tuple[Comparison, ...]:
    by_token = f"{DICT_CACHE}, token"
    return (
        compare(found, f"{MIDDLEWARE}, token", BARE, at_most=1.6),
        compare(found, f"{MIDDLEWARE}, cookie", BARE, at_most=1.75),
        compare(found, f"{MIDDLEWARE}, token, {_FULL}", BARE, at_most=1.6),
        compare(found, f"{MIDDLEWARE}, cookie, {_FULL}", BARE, at_most=1.75),
        compare(found, f"{MIDDLEWARE}, anonymous", BARE, at_most=1.25),
        compare(found, EXEMPT, BARE, at_most=1.15),
        compare(found, by_token, FASTAPI),
        compare(found, _BEHIND, by_token),
        compare(found, f"{SESSION}, token", by_token, at_most=1.15),
        compare(found, f"{SESSION}, cookie", f"{DICT_CACHE}, cookie", at_most=1.15),
        compare(found, f"{SESSION}, token, {_FULL}", by_token, at_most=1.15),
        compare(found, f"{SESSION}, cookie, {_FULL}", f"{DICT_CACHE}, cookie", at_most=1.15),
        compare(found, f"{STEPPED_UP}, token", by_token),
    )


async def _time_all(effort: Effort) -> dict[str, list[float]]:
    compared = await _variants()
    for variant in compared:
        await _check(variant)
        if variant.full is not None:  # revokes another session
            await variant.full.invalidate(identity_id="5b2c6a52-6c0e-4f0e-9d7b-8c1f5f0b6a11")
    seconds: dict[str, list[float]] = {variant.name: [] for variant in compared}
    for _ in range(effort.rounds):
        for variant in compared:
            seconds[variant.name].append(await _time(variant, effort.requests))
    for variant in compared:
        _check_full(variant)
    return seconds


async def _check(variant: Variant) -> None:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    await variant.app(http_scope(variant.headers, _PATH), _receive, send)
    if messages[0]["status"] != 200:
        raise RuntimeError(f"{variant.name} responded with {messages[0]['status']}")


def _check_full(variant: Variant) -> None:
    if variant.full is None:
        return
    # One call for each session that fills the cache, one for the token and one for the cookie.
    stats, calls = variant.full.stats(), _CACHED + 2
    if (stats.entries, stats.misses, stats.upstream_calls) != (_CACHED, calls, calls):
        raise RuntimeError(f"{variant.name} did not always hit the full cache: {stats}")


async def _time(variant: Variant, requests: int) -> float:
    app, headers = variant.app, variant.headers
    for _ in range(requests // 10):  # warm up the caches of the processor
        await app(http_scope(headers, _PATH), _receive, _send)
    start = process_time()
    for _ in range(requests):
        await app(http_scope(headers, _PATH), _receive, _send)
    return (process_time() - start) / requests


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Any) -> None:
    pass


def measure(effort: Effort) -> Section:
    """Measure all variants in turn, so that a slow moment of the machine affects all of them."""
    seconds = asyncio.run(_time_all(effort))
    found = {name: measurement(name, "µs CPU", [each * 1e6 for each in taken]) for name, taken in seconds.items()}
    return Section("In process, session cached", tuple(found.values()), _comparisons(found))
