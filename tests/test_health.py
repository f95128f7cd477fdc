"""The readiness endpoint: numbers, and whether the guard lacks anything."""

from typing import Any

import pytest
from asgi_calls import call, connect, http_scope
from memory_store import MemoryStore, Shelf, eventually
from starlette.applications import Starlette
from starlette.routing import Route
from stub_kratos import TOKEN, StandingClock, StubKratos, guard_of, settings_of, signed_in

from ory_guard import OryGuard
from ory_guard.exceptions import ConfigurationError
from ory_guard.health import ReadinessEndpoint

pytestmark = pytest.mark.anyio


async def ask(guard: OryGuard, token: bytes = TOKEN) -> None:
    """Make a request."""
    await guard.authenticate(http_scope(headers=[(b"x-session-token", token)]))


async def test_it_says_what_the_guard_did() -> None:
    """In numbers that name nobody."""
    guard = guard_of(StubKratos(signed_in()))
    await ask(guard)
    await ask(guard)

    answer = await call(ReadinessEndpoint(guard), "/ready")

    assert answer.status == 200
    assert answer.json == {
        "status": "ready",
        "entries": 1,
        "hits": 1,
        "misses": 1,
        "shared": 0,
        "upstream_calls": 1,
        "store_hits": 0,
        "degraded": False,
        "breaker": "closed",
        "store": "none",
        "pending_revocations": 0,
    }
    assert answer.header(b"cache-control") == b"no-store"
    assert (await call(ReadinessEndpoint(guard), "/ready", method="HEAD")).body == b""


async def test_a_probe_follows_no_redirect() -> None:
    """Under the very path that it was given it is ready, or not."""
    guard = guard_of(StubKratos(signed_in()))
    app = Starlette(routes=[Route("/ready", ReadinessEndpoint(guard))])

    assert (await call(app, "/ready")).json["status"] == "ready"


async def test_a_guard_without_kratos_is_degraded_and_ready() -> None:
    """Unless the operator wants it out of service."""
    guard = guard_of(StubKratos(ConnectionError()))
    for number in range(6):
        await ask(guard, b"token-%d" % number)

    answer = await call(ReadinessEndpoint(guard), "/ready")
    assert (answer.status, answer.json["status"], answer.json["breaker"]) == (200, "degraded", "open")
    answer = await call(ReadinessEndpoint(guard, require_kratos=True), "/ready")
    assert (answer.status, answer.json["status"]) == (503, "unavailable")


async def test_a_guard_without_its_store_is_degraded() -> None:
    """It says that, and is as ready as before."""
    store = MemoryStore(Shelf())
    store.failing.add("subscribe")
    guard = OryGuard(settings_of(), transport=StubKratos(signed_in()), clock=StandingClock(), store=store)
    endpoint = ReadinessEndpoint(guard, require_kratos=True)
    assert (await call(endpoint, "/ready")).json["store"] == "up"

    await ask(guard)
    await eventually(lambda: guard.stats().degraded)
    answer = await call(endpoint, "/ready")

    assert (answer.status, answer.json["status"], answer.json["store"]) == (200, "degraded", "down")
    await guard.aclose()


async def test_it_answers_a_get_and_nothing_else() -> None:
    """Other methods are 405, and it is mounted in an application, not served by itself."""
    endpoint = ReadinessEndpoint(guard_of(StubKratos(signed_in())))

    answer = await call(endpoint, "/ready", method="POST")
    assert (answer.status, answer.header(b"allow")) == (405, b"GET, HEAD")
    assert (await connect(endpoint))[0]["status"] == 405
    with pytest.raises(RuntimeError, match="mount it"):
        await endpoint({"type": "lifespan"}, _nothing, _nothing)


async def _nothing(*_arguments: Any) -> Any:
    raise AssertionError


def test_it_needs_a_guard() -> None:
    """And says so."""
    nothing: Any = object()
    with pytest.raises(ConfigurationError, match="pass an OryGuard"):
        ReadinessEndpoint(nothing)
