"""Requirements: asked again before a refusal that a sign-in cures, and the conditions of the application."""

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

from ory_guard import Anonymous, Authenticated, Outcome, Rejected, Session
from ory_guard.exceptions import (
    ConfigurationError,
    EnrollmentRequired,
    ReauthenticationRequired,
    RequirementNotMet,
    SessionCheckUnavailable,
    SessionRequired,
    StepUpRequired,
)

pytestmark = pytest.mark.anyio

OLD = session_body(authenticated_at=timestamp(-400))


async def test_a_user_who_comes_back_from_the_second_factor_is_let_in() -> None:
    """What was kept for over a second is asked for once more before a refusal, past every cache on the way."""
    bench = Bench(STEP_UP, signed_in(aal2_session()))
    with pytest.raises(StepUpRequired):
        await bench.guard.require(request(), aal="aal2")
    bench.clock.advance(1.5)
    scope = request()

    session = await bench.guard.require(scope, aal="aal2")

    assert session.authenticator_assurance_level == "aal2"
    assert scope["state"]["session"] is session
    assert scope["auth"].scopes == ("authenticated", "aal1", "aal2")
    assert [asked.header("cache-control") for asked in bench.kratos.requests] == [None, "max-age=0"]


@pytest.mark.parametrize(
    ("kept", "now", "conditions", "refusal"),
    [
        (signed_in(), signed_in(aal2_session()), {"aal": "aal2"}, EnrollmentRequired),
        (signed_in(OLD), signed_in(), {"max_age": 300}, ReauthenticationRequired),
        (ENROLL, signed_in(aal2_session()), {}, EnrollmentRequired),
    ],
)
async def test_so_is_who_enrolled_or_signed_in_again(
    kept: KratosResponse, now: KratosResponse, conditions: Any, refusal: Any
) -> None:
    """Every refusal that a sign-in cures is checked once more."""
    bench = Bench(kept, now)
    with pytest.raises(refusal):
        await bench.guard.require(request(), **conditions)
    bench.clock.advance(1.5)

    await bench.guard.require(request(), **conditions)

    assert bench.calls == 2


async def test_it_is_asked_again_only_once() -> None:
    """Who still lacks the factor is refused, and the newer answer is kept."""
    bench = Bench(STEP_UP)
    for _ in range(2):
        bench.clock.advance(1.5)
        with pytest.raises(StepUpRequired):
            await bench.guard.require(request(), aal="aal2")

    assert bench.calls == 2


async def test_an_answer_of_this_second_is_believed() -> None:
    """A client that hammers a gate does not hammer Kratos."""
    bench = Bench(STEP_UP)
    await bench.outcome()
    bench.clock.advance(1.0)

    for _ in range(10):
        with pytest.raises(StepUpRequired):
            await bench.guard.require(request(), aal="aal2")
    assert bench.calls == 1


async def test_a_request_that_waited_for_the_answer_is_not_made_to_wait_again() -> None:
    """However long Kratos took."""
    bench = Bench()

    def slowly(_asked: KratosRequest) -> KratosResponse:
        bench.clock.advance(1.9)
        return signed_in()

    bench.kratos.responses = [slowly]

    with pytest.raises(EnrollmentRequired):
        await bench.guard.require(request(), aal="aal2")
    assert bench.calls == 1


async def test_what_another_request_found_out_while_this_one_took_its_time_is_asked_again() -> None:
    """The answer that this request once waited for is not the one that counts by now."""
    bench = Bench(signed_in(), signed_in(), signed_in(aal2_session()))
    scope = request()
    await bench.guard.authenticate(scope)
    bench.clock.advance(35)
    await bench.outcome()
    bench.clock.advance(5)

    session = await bench.guard.require(scope, aal="aal2")

    assert session.authenticator_assurance_level == "aal2"
    assert bench.calls == 3


async def test_a_gate_that_is_reached_in_time_asks_nothing() -> None:
    """Not within the longest wait for Kratos and a second, and not because somebody else was invalidated."""
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
async def test_a_gate_that_is_reached_late_learns_of_a_sign_in_too(before: Any) -> None:
    """What was found at first may not be true any more, whichever way."""
    bench = Bench(before, signed_in())
    scope = request()
    await bench.guard.authenticate(scope)
    bench.clock.advance(6)

    assert (await bench.guard.require(scope)).id == SESSION_ID


async def test_a_credential_is_read_once() -> None:
    """Whatever other middlewares do with the headers meanwhile."""
    bench = Bench()
    scope = request()
    await bench.guard.authenticate(scope)
    scope["headers"] = [(b"x-session-token", b"another")]
    bench.clock.advance(40)

    await bench.guard.require(scope)

    assert [asked.header("x-session-token") for asked in bench.kratos.requests] == [TOKEN.decode()] * 2


async def test_what_was_kept_for_long_is_looked_up_once() -> None:
    """Its age is not the time that the request took."""
    bench = Bench()
    await bench.outcome()
    bench.clock.advance(20)

    await bench.guard.require(request())

    assert bench.guard.stats().hits == 1


async def test_what_no_sign_in_cures_is_not_asked_again() -> None:
    """The user can't have changed it at Kratos' login."""
    bench = Bench()
    await bench.outcome()
    bench.clock.advance(1.5)

    with pytest.raises(RequirementNotMet):
        await bench.guard.require(request(), organization="o1")
    with pytest.raises(SessionRequired):
        await Bench(refused(401)).guard.require(request())
    assert bench.calls == 1


async def test_the_new_answer_counts_whatever_it_is() -> None:
    """A session that ended meanwhile is no session; a Kratos that fails meanwhile is no refusal."""
    ended, down = Bench(signed_in(), refused(401)), Bench(signed_in(), refused(500))
    for bench in (ended, down):
        await bench.outcome()
        bench.clock.advance(1.5)

    with pytest.raises(SessionRequired):
        await ended.guard.require(request(), aal="aal2")
    with pytest.raises(SessionCheckUnavailable):
        await down.guard.require(request(), aal="aal2")


async def test_revalidate_asks_every_time() -> None:
    """Past the cache, past caches on the way, and past a check that is under way."""
    bench = Bench()
    for _ in range(3):
        assert (await bench.guard.require(request(), revalidate=True)).id == SESSION_ID

    # The first request asked twice: once to find out, once because the gate wants a question of its own.
    assert [asked.header("cache-control") for asked in bench.kratos.requests] == [None] + ["max-age=0"] * 3


async def test_revalidate_sees_a_logout_at_once() -> None:
    """The kept session does not count, and neither does it from then on."""
    bench = Bench(signed_in(), refused(401))
    await bench.outcome()

    with pytest.raises(SessionRequired):
        await bench.guard.require(request(), revalidate=True)
    assert await bench.outcome() == Rejected("inactive", "x_session_token")


async def test_revalidate_asks_nothing_about_nobody() -> None:
    """There is nothing to ask about."""
    bench = Bench()

    with pytest.raises(SessionRequired):
        await bench.guard.require(request((b"accept", b"*/*")), revalidate=True)
    assert bench.calls == 0


async def test_when_decides_and_may_wait() -> None:
    """A function or a coroutine function of the session; anything true passes."""

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


async def test_what_when_raises_is_the_applications_own_error() -> None:
    """And never a pass."""

    def broken(_session: Any) -> bool:
        raise LookupError("role")

    with pytest.raises(LookupError, match="role"):
        await Bench().guard.require(request(), when=broken)


async def test_when_is_not_asked_about_nobody() -> None:
    """It gets a session or nothing."""
    with pytest.raises(SessionRequired):
        await Bench(refused(401)).guard.require(request(), when=lambda _: pytest.fail("asked about nobody"))


async def test_a_condition_without_a_meaning_is_told() -> None:
    """Also in a call."""
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
async def test_a_websocket_with_a_cookie_must_come_from_a_page_of_ours(
    headers: list[Pair], outcome: Outcome | None
) -> None:
    """Browsers let any page open one, with the cookie; Kratos is not even asked."""
    bench = Bench()

    found = await bench.guard.authenticate(websocket_scope(headers=headers))

    assert isinstance(found, Authenticated) if outcome is None else found == outcome
    assert bench.calls == (1 if outcome is None else 0)


async def test_a_session_that_is_kept_opens_no_websocket_to_a_foreign_page() -> None:
    """The origin counts before what is known about the cookie."""
    bench = Bench()
    await bench.outcome(SESSION_COOKIE)
    foreign = websocket_scope(headers=[SESSION_COOKIE, (b"origin", b"https://evil.test")])

    assert await bench.guard.authenticate(foreign) == Rejected("origin", "cookie")


async def test_on_an_exempt_path_a_gate_still_asks() -> None:
    """Exempt means that nothing is asked ahead, not that the door is open."""
    bench = Bench(exempt_paths=("/health",))
    scope = request(path="/health")
    check = context_of(bench.guard, scope)
    assert check.outcome == Anonymous()
    assert bench.calls == 0

    assert (await bench.guard.require(scope)).id == SESSION_ID
    assert scope["state"]["session"].id == SESSION_ID
    with pytest.raises(SessionRequired):
        await bench.guard.require(request((b"accept", b"*/*"), path="/health"))


async def test_gates_on_an_exempt_path_ask_once_together() -> None:
    """The first one's answer is the request's from then on, also where nothing is kept."""
    bench = Bench(exempt_paths=("/health",), cache_ttl=0)
    scope = request(path="/health")

    for _ in range(2):
        await bench.guard.require(scope)
    assert bench.calls == 1


async def test_a_gate_that_is_given_up_leaves_nobody_unknown() -> None:
    """A handler that waits for a gate no longer than it likes may ask again."""
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
async def test_whoever_comes_to_a_gate_while_it_asks_gets_the_same_answer(*, exempt: bool) -> None:
    """Several resolvers of one GraphQL query, say, or the messages of one socket and its watch."""
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


async def test_what_another_guard_found_out_lets_nobody_in() -> None:
    """Each guard believes its own Kratos alone, whoever asked first about the request."""
    ours, theirs = Bench(refused(401)), Bench()
    scope = request()
    await theirs.guard.require(scope)

    with pytest.raises(SessionRequired):
        await ours.guard.require(scope)


async def test_an_override_reaches_gates_on_exempt_paths_too() -> None:
    """What a test puts in the place of Kratos stands everywhere that Kratos' answer would."""
    bench = Bench(exempt_paths=("/health",))
    session = Session.model_validate(session_body(id="overridden"))
    scope = request(path="/health")

    with bench.guard.override(session):
        context_of(bench.guard, scope).publish(scope, Anonymous())
        assert await bench.guard.require(scope) is session

    assert scope["state"]["session"] is session
    assert scope["user"].is_authenticated
    assert bench.calls == 0
