"""The guard: construction, representation, public methods, and events."""

import asyncio
from dataclasses import fields
from typing import Any

import pytest
from pydantic import BaseModel
from starlette.requests import Request
from support.guard_bench import SESSION_TOKEN, Bench, guard_of, request, requests
from support.scripted_kratos import (
    BROWSER,
    KRATOS,
    SESSION_ID,
    TOKEN,
    ScriptedKratos,
    refused,
    session_body,
    signed_in,
)

from ory_guard import (
    Anonymous,
    Authenticated,
    Outcome,
    Rejected,
    SecondFactorRequired,
    Session,
    Unavailable,
)
from ory_guard.exceptions import ConfigurationError, RequirementNotMet, SessionRequired

pytestmark = pytest.mark.anyio


class Traits(BaseModel, frozen=True):
    """Typed traits."""

    email: str


class Changeable(BaseModel):
    """Mutable traits."""


async def test_traits_model_is_used() -> None:
    """A session is shared between requests, so a mutable model is rejected."""
    guard = guard_of(ScriptedKratos(signed_in()), traits=Traits)

    assert (await guard.require(request())).identity.traits == Traits(email="ada@example.com")
    for traits in (Changeable, dict):
        with pytest.raises(ConfigurationError, match="use a pydantic model with model_config = ConfigDict"):
            guard_of(None, traits=traits)


async def test_representation_contains_the_url_and_the_cache_size() -> None:
    """And no credential."""
    bench = Bench()
    await bench.outcome()

    assert repr(bench.guard) == f"<OryGuard {KRATOS} <SessionCache 1 sessions, 0 rejections>>"


def test_login_url_returns_to_the_current_page() -> None:
    """Or to another page of the application; without `app_url`, `return_to` is missing."""
    guard = guard_of(None)
    login = f"{BROWSER}/self-service/login/browser"

    assert guard.login_url(request(path="/a b")) == f"{login}?return_to=https%3A%2F%2Fapp.example.com%2Fa%2520b"
    assert guard.login_url(Request(request()), return_to="/x", aal="aal2", refresh=True) == (
        f"{login}?refresh=true&aal=aal2&return_to=https%3A%2F%2Fapp.example.com%2Fx"
    )
    assert guard.login_url(request(), return_to="https://evil.test") == (
        f"{login}?return_to=https%3A%2F%2Fapp.example.com"
    )
    assert guard_of(None, app_url=None, credentials=("bearer",)).login_url(request()) == login


async def test_each_step_emits_an_event() -> None:
    """With a short id instead of the credential."""
    bench = Bench(signed_in(), refused(500))
    bench.kratos.hold()
    tasks = await requests(bench, 2)
    bench.clock.advance(0.25)
    bench.kratos.release()
    await asyncio.gather(*tasks)
    bench.clock.advance(1)
    await bench.outcome()
    with pytest.raises(RequirementNotMet):
        await bench.guard.require(request(), organization="o1")
    await bench.guard.invalidate(session_id=SESSION_ID, identity_id="i")
    await bench.outcome()

    heard = bench.events
    assert TOKEN.decode() not in repr(heard)
    names = [event.name for event in heard]
    assert names == [
        "session_cache.miss",
        "session_cache.miss",
        "check.shared",
        "whoami.answered",
        "session_cache.hit",
        "session_cache.hit",
        "request.refused",
        "sessions.invalidated",
        "session_cache.miss",
        "check.failed",
    ]
    seen = {(event.name, field.name): getattr(event, field.name) for event in heard for field in fields(event)}
    assert seen["whoami.answered", "outcome"] == "Authenticated"
    assert seen["whoami.answered", "seconds"] == 0.25
    assert seen["session_cache.hit", "age"] == 1.25
    assert seen["check.failed", "reason"] == "unreachable"
    assert seen["request.refused", "code"] == "requirement_not_met"
    assert (seen["sessions.invalidated", "session_id"], seen["sessions.invalidated", "identity_id"]) == (
        SESSION_ID,
        "i",
    )
    ids = {event.credential_id for event in heard if hasattr(event, "credential_id")}
    assert len(ids) == 1
    assert len(ids.pop()) == 8


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ({}, r"invalidate\(\) needs an id: pass session_id or identity_id$"),
        ({"session_id": ""}, "session_id: '' is not an id"),
        ({"identity_id": 5}, "identity_id: 5 is not an id"),
    ],
)
async def test_invalidate_needs_an_id(ids: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{message}"):
        await guard_of(None).invalidate(**ids)


# Overrides, for tests of applications.


ADA = Session.model_validate(session_body(id="mine"))
STEP_UP, DOWN = SecondFactorRequired("cookie", enrolled=True), Unavailable("timeout")


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (ADA, Authenticated(ADA, "x_session_token", "override", 0.0)),  # not the source of a real session
        (None, Anonymous()),
        (STEP_UP, STEP_UP),
        (DOWN, DOWN),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_override_replaces_the_outcome_of_every_request(given: Any, outcome: Outcome) -> None:
    """With or without a credential; overrides can be nested."""
    bench = Bench(refused(401))

    with bench.guard.override(None):
        with bench.guard.override(given):
            for headers in ([SESSION_TOKEN], [(b"accept", b"*/*")]):
                assert await bench.outcome(*headers) == outcome
        assert await bench.outcome() == Anonymous()
        with pytest.raises(SessionRequired):
            await bench.guard.require(request())
    assert bench.calls == 0
    assert isinstance(await bench.outcome(), Rejected)


async def test_stats_count_the_work_of_the_guard() -> None:
    """For a readiness probe or a dashboard without listeners."""
    bench = Bench(signed_in(), refused(401))
    bench.kratos.hold()
    tasks = await requests(bench, 3)
    bench.kratos.release()
    await asyncio.gather(*tasks)
    for _ in range(2):
        await bench.outcome()
    await bench.outcome((b"x-session-token", b"other"))
    await bench.outcome((b"accept", b"*/*"))

    stats = bench.guard.stats()
    assert (stats.entries, stats.hits, stats.misses, stats.shared, stats.upstream_calls) == (2, 2, 4, 2, 2)
    assert (stats.degraded, stats.breaker, stats.store, stats.store_hits) == (False, "closed", "none", 0)


@pytest.mark.parametrize("every", [0, -1, float("nan")])
def test_watch_needs_a_positive_interval(every: float) -> None:
    with pytest.raises(ConfigurationError, match=r"every: .* is not allowed: use a number of seconds above 0"):
        guard_of(None).watch(request(), every=every)
