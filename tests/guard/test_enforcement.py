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
    TOKEN,
    KratosRequest,
    KratosResponse,
    aal2_session,
    refused,
    session_body,
    signed_in,
    timestamp,
)
from support.token_bench import KEY, TokenBench, bearer_scope

from ory_guard import Anonymous, Authenticated, Outcome, Rejected, Session
from ory_guard.exceptions import (
    ConfigurationError,
    CsrfViolation,
    EnrollmentRequired,
    ReauthenticationRequired,
    RequirementNotMet,
    SessionCheckUnavailable,
    SessionRequired,
    StepUpRequired,
)

pytestmark = pytest.mark.anyio

OLD = session_body(authenticated_at=timestamp(-400))


async def test_session_is_revalidated_before_a_step_up_refusal() -> None:
    """A cached session is checked with Kratos, without intermediate caches."""
    bench = Bench(STEP_UP, signed_in(aal2_session()))
    with pytest.raises(StepUpRequired):
        await bench.guard.require(request(), aal="aal2")
    bench.clock.advance(1.5)
    scope = request()

    session = await bench.guard.require(scope, aal="aal2")

    assert session.authenticator_assurance_level == "aal2"
    assert scope["state"]["session"] is session
    assert scope["auth"].scopes == ("authenticated", "aal1", "aal2")
    assert [sent.header("cache-control") for sent in bench.kratos.requests] == [None, "max-age=0"]


@pytest.mark.parametrize(
    ("cached", "current", "conditions", "refusal"),
    [
        (signed_in(), signed_in(aal2_session()), {"aal": "aal2"}, EnrollmentRequired),
        (signed_in(OLD), signed_in(), {"max_age": 300}, ReauthenticationRequired),
        (ENROLL, signed_in(aal2_session()), {}, EnrollmentRequired),
    ],
)
async def test_session_is_revalidated_before_an_enrollment_or_reauthentication_refusal(
    cached: KratosResponse, current: KratosResponse, conditions: Any, refusal: Any
) -> None:
    bench = Bench(cached, current)
    with pytest.raises(refusal):
        await bench.guard.require(request(), **conditions)
    bench.clock.advance(1.5)

    await bench.guard.require(request(), **conditions)

    assert bench.calls == 2


async def test_session_is_revalidated_only_once() -> None:
    bench = Bench(STEP_UP)
    for _ in range(2):
        bench.clock.advance(1.5)
        with pytest.raises(StepUpRequired):
            await bench.guard.require(request(), aal="aal2")

    assert bench.calls == 2


async def test_session_that_this_request_fetched_is_not_revalidated() -> None:
    bench = Bench()

    def slowly(_asked: KratosRequest) -> KratosResponse:
        bench.clock.advance(1.9)
        return signed_in()

    bench.kratos.responses = [slowly]

    with pytest.raises(EnrollmentRequired):
        await bench.guard.require(request(), aal="aal2")
    assert bench.calls == 1


async def test_session_that_another_request_fetched_is_revalidated() -> None:
    bench = Bench(signed_in(), signed_in(), signed_in(aal2_session()))
    scope = request()
    await bench.guard.authenticate(scope)
    bench.clock.advance(35)
    await bench.outcome()
    bench.clock.advance(5)

    session = await bench.guard.require(scope, aal="aal2")

    assert session.authenticator_assurance_level == "aal2"
    assert bench.calls == 3


async def test_recent_outcome_is_not_refreshed() -> None:
    """The limit is `timeout` plus a second. An invalidation of other sessions has no effect."""
    bench = Bench(cache_ttl=0, timeout=2)
    scope = request()
    await bench.guard.authenticate(scope)
    await bench.guard.invalidate(session_id="another")
    bench.clock.advance(3)

    await bench.guard.require(scope)
    assert bench.calls == 1
    bench.clock.advance(0.1)
    await bench.guard.require(scope)
    assert bench.calls == 2


@pytest.mark.parametrize("before", [refused(401), refused(500), STEP_UP])
async def test_old_outcome_is_refreshed(before: Any) -> None:
    bench = Bench(before, signed_in(), timeout=2)
    scope = request()
    await bench.guard.authenticate(scope)
    bench.clock.advance(6)

    assert (await bench.guard.require(scope)).id == SESSION_ID


async def test_credential_is_extracted_only_once() -> None:
    """Other middlewares may change the headers."""
    bench = Bench()
    scope = request()
    await bench.guard.authenticate(scope)
    scope["headers"] = [(b"x-session-token", b"another")]
    bench.clock.advance(40)

    await bench.guard.require(scope)

    assert [sent.header("x-session-token") for sent in bench.kratos.requests] == [TOKEN.decode()] * 2


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


async def test_outcome_of_the_revalidation_replaces_the_refusal() -> None:
    ended, down = Bench(signed_in(), refused(401)), Bench(signed_in(), refused(500))
    for bench in (ended, down):
        await bench.outcome()
        bench.clock.advance(1.5)

    with pytest.raises(SessionRequired):
        await ended.guard.require(request(), aal="aal2")
    with pytest.raises(SessionCheckUnavailable):
        await down.guard.require(request(), aal="aal2")


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


async def test_revalidate_does_not_call_kratos_without_credential() -> None:
    bench = Bench()

    with pytest.raises(SessionRequired):
        await bench.guard.require(request((b"accept", b"*/*")), revalidate=True)
    assert bench.calls == 0


async def test_when_may_be_sync_or_async() -> None:
    async def later(session: Any) -> bool:
        await asyncio.sleep(0)
        return "reader" in session.identity.metadata_public["roles"]

    bench = Bench()
    assert (await bench.guard.require(request(), when=lambda session: session.active)).id == SESSION_ID
    assert (await bench.guard.require(request(), when=later)).id == SESSION_ID
    refusals: list[Any] = [lambda _: False, lambda _: None, lambda _: asyncio.sleep(0, result=False)]
    for no in refusals:
        with pytest.raises(RequirementNotMet) as caught:
            await bench.guard.require(request(), when=no)
        assert caught.value.failures == ({"id": "when", "expected": True, "actual": False},)


async def test_exception_in_when_is_raised() -> None:
    def broken(_session: Any) -> bool:
        raise LookupError("role")

    with pytest.raises(LookupError, match="role"):
        await Bench().guard.require(request(), when=broken)


async def test_when_is_not_called_without_session() -> None:
    with pytest.raises(SessionRequired):
        await Bench(refused(401)).guard.require(request(), when=lambda _: pytest.fail("called without a session"))


async def test_require_rejects_invalid_conditions() -> None:
    with pytest.raises(ConfigurationError, match="aal: 'aal9'"):
        await Bench().guard.require(request(), aal="aal9")  # type: ignore[arg-type] # the point of the test


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        ([SESSION_COOKIE], Rejected("origin", "cookie")),
        ([SESSION_COOKIE, (b"origin", b"https://evil.test")], Rejected("origin", "cookie")),
        ([SESSION_COOKIE, (b"origin", b"null")], Rejected("origin", "cookie")),
        ([SESSION_COOKIE, (b"origin", APP.encode()), (b"origin", APP.encode())], Rejected("origin", "cookie")),
        ([SESSION_COOKIE, (b"sec-fetch-site", b"same-origin")], Rejected("origin", "cookie")),
        ([SESSION_COOKIE, (b"origin", APP.encode())], None),
        ([SESSION_TOKEN, (b"origin", b"https://evil.test")], None),
        ([BEARER], None),
    ],
)
async def test_websocket_with_cookie_needs_a_trusted_origin(headers: list[Pair], outcome: Outcome | None) -> None:
    """Browsers let any page open a websocket, and add the cookie."""
    bench = Bench()

    actual = await bench.guard.authenticate(websocket_scope(headers=headers))

    assert isinstance(actual, Authenticated) if outcome is None else actual == outcome
    assert bench.calls == (1 if outcome is None else 0)


@pytest.mark.parametrize(
    ("headers", "starts"),
    [
        ([], "A WebSocket with a session cookie must have the header Origin"),
        ([(b"origin", b"null")], "This request"),
    ],
)
async def test_refused_websocket_names_the_missing_origin(headers: list[Pair], starts: str) -> None:
    """Clients that are not browsers do not send it, and the user may be logged in."""
    scope = websocket_scope(headers=[SESSION_COOKIE, *headers])

    with pytest.raises(CsrfViolation) as caught:
        await Bench().guard.require(scope)

    assert str(caught.value).startswith(starts)


async def test_cached_session_does_not_open_a_websocket_for_a_foreign_page() -> None:
    bench = Bench()
    await bench.outcome(SESSION_COOKIE)
    foreign = websocket_scope(headers=[SESSION_COOKIE, (b"origin", b"https://evil.test")])

    assert await bench.guard.authenticate(foreign) == Rejected("origin", "cookie")


async def test_requirement_is_enforced_on_exempt_path() -> None:
    bench = Bench(exempt_paths=("/health",))
    scope = request(path="/health")
    check = context_of(bench.guard, scope)
    assert check.outcome == Anonymous()
    assert bench.calls == 0

    assert (await bench.guard.require(scope)).id == SESSION_ID
    assert scope["state"]["session"].id == SESSION_ID
    with pytest.raises(SessionRequired):
        await bench.guard.require(request((b"accept", b"*/*"), path="/health"))


async def test_requirements_on_exempt_path_share_one_check() -> None:
    bench = Bench(exempt_paths=("/health",), cache_ttl=0)
    scope = request(path="/health")

    for _ in range(2):
        await bench.guard.require(scope)
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


async def test_override_applies_on_exempt_path() -> None:
    bench = Bench(exempt_paths=("/health",))
    session = Session.model_validate(session_body(id="overridden"))
    scope = request(path="/health")

    with bench.guard.override(session):
        context_of(bench.guard, scope).publish(scope, Anonymous())
        assert await bench.guard.require(scope) is session

    assert scope["state"]["session"] is session
    assert scope["user"].is_authenticated
    assert bench.calls == 0


async def test_refusal_of_a_jwt_stays_if_kratos_does_not_accept_jwts() -> None:
    """Kratos' response to the JWT says nothing about its claims."""
    bench = TokenBench(None, refused(401))

    with pytest.raises(RequirementNotMet):
        await bench.guard.require(bearer_scope(token_of(KEY)), aal="aal2")
    assert bench.calls == 1
