"""Enforcement: revalidation before a refusal, conditions of the application, websockets, and exempt paths."""

import asyncio
from typing import Any

import pytest
from support.asgi_calls import websocket_scope
from support.guard_bench import (
    BEARER,
    SESSION_COOKIE,
    SESSION_TOKEN,
    Bench,
    Pair,
    context_of,
    optional_session,
    request,
)
from support.minting import token_of
from support.scripted_kratos import (
    APP,
    ENROLL,
    SESSION_ID,
    STEP_UP,
    KratosResponse,
    aal2_session,
    refused,
    session_body,
    signed_in,
    timestamp,
)
from support.token_bench import KEY, TokenBench, bearer_scope

from ory_guard import Anonymous, Authenticated, Rejected, Session
from ory_guard.exceptions import (
    CsrfViolation,
    EnrollmentRequired,
    ReauthenticationRequired,
    RequirementNotMet,
    SessionCheckUnavailable,
    SessionRequired,
    StepUpRequired,
)

pytestmark = pytest.mark.anyio

OURS = (b"origin", APP.encode())
OLD = session_body(authenticated_at=timestamp(-400))


@pytest.mark.parametrize(
    ("cached", "current", "conditions", "refusal"),
    [
        (STEP_UP, signed_in(aal2_session()), {"aal": "aal2"}, StepUpRequired),
        (signed_in(), signed_in(aal2_session()), {"aal": "aal2"}, EnrollmentRequired),
        (signed_in(OLD), signed_in(), {"max_age": 300}, ReauthenticationRequired),
        (ENROLL, signed_in(aal2_session()), {}, EnrollmentRequired),
    ],
)
async def test_session_is_revalidated_before_a_refusal_that_a_login_resolves(
    cached: KratosResponse, current: KratosResponse, conditions: Any, refusal: Any
) -> None:
    """At the first try, with Kratos, without intermediate caches."""
    bench = Bench(cached, current)
    with pytest.raises(refusal):
        await bench.guard.require(request(), **conditions)
    scope = request()

    session = await bench.guard.require(scope, **conditions)

    assert scope["state"]["session"] is session
    assert scope["auth"].session is session
    assert [sent.header("cache-control") for sent in bench.kratos.requests] == [None, "max-age=0"]


@pytest.mark.parametrize(
    ("current", "refusal"), [(refused(401), SessionRequired), (refused(500), SessionCheckUnavailable)]
)
async def test_outcome_of_the_revalidation_replaces_the_refusal(current: KratosResponse, refusal: Any) -> None:
    bench = Bench(signed_in(), current)
    await bench.outcome()

    with pytest.raises(refusal):
        await bench.guard.require(request(), aal="aal2")


@pytest.mark.parametrize(
    ("before", "seconds", "calls"),
    [(signed_in(), 3, 1), (signed_in(), 3.1, 2), (refused(401), 6, 2), (refused(500), 6, 2), (STEP_UP, 6, 2)],
)
async def test_outcome_is_refreshed_after_the_timeout_and_a_second(
    before: KratosResponse, seconds: float, calls: int
) -> None:
    """An invalidation of other sessions has no effect."""
    bench = Bench(before, signed_in(), timeout=2, cache_ttl=0)
    scope = request()
    await bench.guard.authenticate(scope)
    await bench.guard.invalidate(session_id="another")
    bench.clock.advance(seconds)

    assert (await bench.guard.require(scope)).id == SESSION_ID
    assert bench.calls == calls


async def test_age_of_a_cached_session_does_not_cause_a_refresh() -> None:
    bench = Bench()
    await bench.outcome()
    bench.clock.advance(20)

    await bench.guard.require(request())

    assert bench.guard.stats().hits == 1


async def test_session_is_not_revalidated_if_a_login_does_not_resolve_the_failure() -> None:
    bench = Bench()
    await bench.outcome()
    bench.clock.advance(1.5)

    with pytest.raises(RequirementNotMet):
        await bench.guard.require(request(), organization="o1")
    with pytest.raises(SessionRequired):
        await Bench(refused(401)).guard.require(request())
    assert bench.calls == 1


async def test_revalidate_calls_kratos_on_every_request() -> None:
    """It bypasses the cache, intermediate caches, and checks that are in progress."""
    bench = Bench()
    for _ in range(3):
        assert (await bench.guard.require(request(), revalidate=True)).id == SESSION_ID

    # The first request caused two calls: one to authenticate it, one for the requirement.
    assert [sent.header("cache-control") for sent in bench.kratos.requests] == [None] + ["max-age=0"] * 3


async def test_revalidate_sees_a_logout_at_once() -> None:
    bench = Bench(signed_in(), refused(401))
    await bench.outcome()

    with pytest.raises(SessionRequired):
        await bench.guard.require(request(), revalidate=True)
    assert await bench.outcome() == Rejected("inactive", "x_session_token")
    with pytest.raises(SessionRequired):
        await bench.guard.require(request((b"accept", b"*/*")), revalidate=True)
    assert bench.calls == 2


async def test_when_may_be_sync_or_async() -> None:
    async def later(session: Any) -> bool:
        await asyncio.sleep(0)
        return "reader" in session.identity.metadata_public["roles"]

    async def never(_session: Any) -> bool:
        return False

    def broken(_session: Any) -> bool:
        raise LookupError("role")

    bench = Bench()
    met_by: list[Any] = [lambda session: session.active, later]
    for met in met_by:
        assert (await bench.guard.require(request(), when=met)).id == SESSION_ID
    unmet_by: list[Any] = [lambda _: False, lambda _: None, never]
    for unmet in unmet_by:
        with pytest.raises(RequirementNotMet) as caught:
            await bench.guard.require(request(), when=unmet)
        assert caught.value.failures == ({"id": "when", "expected": True, "actual": False},)
    with pytest.raises(LookupError, match="role"):
        await bench.guard.require(request(), when=broken)
    with pytest.raises(SessionRequired):
        await Bench(refused(401)).guard.require(request(), when=broken)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ([SESSION_COOKIE], "A WebSocket with a session cookie must have the header Origin"),
        ([SESSION_COOKIE, (b"sec-fetch-site", b"same-origin")], "A WebSocket"),
        ([SESSION_COOKIE, (b"origin", b"https://evil.test")], "This request"),
        ([SESSION_COOKIE, (b"origin", b"null")], "This request"),
        ([SESSION_COOKIE, OURS, OURS], "This request"),
        ([SESSION_COOKIE, OURS], None),
        ([SESSION_TOKEN, (b"origin", b"https://evil.test")], None),
        ([BEARER], None),
    ],
)
async def test_websocket_with_cookie_needs_a_trusted_origin(headers: list[Pair], message: str | None) -> None:
    """Browsers let any page open a websocket, and add the cookie."""
    bench, scope = Bench(), websocket_scope(headers=headers)

    if message is None:
        assert (await bench.guard.require(scope)).id == SESSION_ID
        return
    assert await bench.guard.authenticate(scope) == Rejected("origin", "cookie")
    with pytest.raises(CsrfViolation) as caught:
        await bench.guard.require(scope)
    assert str(caught.value).startswith(message)
    assert bench.calls == 0


async def test_requirements_on_exempt_path_share_one_check() -> None:
    bench = Bench(exempt_paths=("/health",), cache_ttl=0)
    scope = request(path="/health")
    assert context_of(bench.guard, scope).outcome == Anonymous()
    assert bench.calls == 0

    for _ in range(2):
        assert await bench.guard.require(scope) is scope["state"]["session"]
    assert bench.calls == 1
    with pytest.raises(SessionRequired):
        await bench.guard.require(request((b"accept", b"*/*"), path="/health"))
    with bench.guard.override(Session.model_validate(session_body(id="overridden"))):
        assert (await bench.guard.require(request(path="/health"))).id == "overridden"
    assert bench.calls == 1


async def test_cancelled_check_on_exempt_path_is_repeated() -> None:
    bench = Bench(exempt_paths=("/health",))
    scope = request(path="/health")
    context_of(bench.guard, scope).publish(scope, Anonymous())
    bench.kratos.hold()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await bench.guard.require(scope)
    bench.kratos.release()

    assert isinstance(await bench.guard.authenticate(scope), Authenticated)
    assert await optional_session(bench.guard, scope) is not None
    assert (await bench.guard.require(scope)).id == SESSION_ID


@pytest.mark.parametrize("exempt", [True, False])
async def test_concurrent_requirements_of_a_request_have_the_same_outcome(*, exempt: bool) -> None:
    """For example, the resolvers of a GraphQL query."""
    bench = Bench(exempt_paths=("/health",) if exempt else (), cache_ttl=1)
    scope = request(path="/health")
    if exempt:
        context_of(bench.guard, scope).publish(scope, Anonymous())
    else:
        await bench.guard.require(scope)
        bench.clock.advance(3_600)
    bench.kratos.hold()
    first = asyncio.create_task(bench.guard.require(scope))
    await asyncio.sleep(0)
    others = (
        bench.guard.require(scope),
        optional_session(bench.guard, scope),
        bench.guard.authenticate(scope),
        bench.guard._watches.revalidator(scope, 30.0).revalidate(),
    )
    together = asyncio.gather(first, *others)
    await asyncio.sleep(0)
    bench.kratos.release()

    required, again, optional, outcome, wait = await together
    assert required.id == SESSION_ID
    assert again == optional == required
    assert isinstance(outcome, Authenticated)
    assert isinstance(wait, float)


async def test_refusal_of_a_jwt_stays_if_kratos_does_not_accept_jwts() -> None:
    """Kratos' response to the JWT says nothing about its claims."""
    bench = TokenBench(None, refused(401))

    with pytest.raises(RequirementNotMet):
        await bench.guard.require(bearer_scope(token_of(KEY)), aal="aal2")
    assert bench.calls == 1
