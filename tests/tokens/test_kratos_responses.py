"""JWTs that Kratos does not accept: its responses are remembered apart from the session of the JWT."""

from typing import Any

import pytest
from support.guard_bench import guard_of
from support.minting import token_of
from support.raw_kratos import RawKratos, raw_response
from support.scripted_kratos import SESSION_ID, KratosResponse, refused, session_body, signed_in
from support.token_bench import KEY, TokenBench, bearer_scope, verifier_of

from ory_guard import Authenticated, Rejected
from ory_guard.exceptions import Refusal, SessionCheckUnavailable, SessionRequired, StepUpRequired

pytestmark = pytest.mark.anyio

REFUSED = {"error": {"code": 401, "status": "Unauthorized", "reason": "No valid session", "message": "refused"}}
AAL2 = signed_in(session_body(authenticator_assurance_level="aal2"))


def bench_of(*responses: Any, **settings: Any) -> TokenBench:
    """Return a guard with a verifier; a failed requirement of `aal2` is a step-up."""
    return TokenBench(None, *responses, whoami_required_aal="aal1", **settings)


def aal1_token(**claims: Any) -> str:
    """Return a token whose claims do not meet `aal2`."""
    return token_of(KEY, authenticator_assurance_level="aal1", **claims)


async def require_aal2(bench: TokenBench, token: str, **conditions: Any) -> None:
    """Require the level in a new request."""
    await bench.guard.require(bearer_scope(token), aal="aal2", **conditions)


async def test_refusal_is_remembered_for_negative_ttl() -> None:
    """The claims still count: requests without that requirement are accepted, and get 403 with it."""
    bench = bench_of(negative_ttl=5)
    token = aal1_token()
    for second in range(12):
        with pytest.raises(StepUpRequired):
            await require_aal2(bench, token)
        assert isinstance(await bench.ask(token), Authenticated)
        assert len(bench.kratos.requests) == second // 5 + 1
        bench.clock.advance(1)


async def test_revalidate_calls_kratos_and_updates_the_memory() -> None:
    """Its refusal is remembered for other requirements, and an accepted token is not refused any more."""
    bench = bench_of(refused(), refused(), AAL2)
    token = aal1_token()
    for _ in range(2):
        with pytest.raises(SessionRequired):
            await bench.guard.require(bearer_scope(token), revalidate=True)
    with pytest.raises(StepUpRequired):
        await require_aal2(bench, token)
    assert len(bench.kratos.requests) == 2

    await bench.guard.require(bearer_scope(token), revalidate=True)
    await require_aal2(bench, token)
    assert len(bench.kratos.requests) == 4


@pytest.mark.parametrize(
    "failure", [pytest.param(ConnectionError(), id="unreachable"), pytest.param(refused(503), id="503")]
)
async def test_failure_is_not_remembered(failure: Any) -> None:
    """It does not replace a remembered refusal, either."""
    bench = bench_of(failure, refused(), failure)
    token = aal1_token()
    with pytest.raises(SessionCheckUnavailable):
        await require_aal2(bench, token)
    with pytest.raises(StepUpRequired):
        await require_aal2(bench, token)
    with pytest.raises(SessionCheckUnavailable):
        await require_aal2(bench, token, revalidate=True)
    with pytest.raises(StepUpRequired):
        await require_aal2(bench, token)

    assert len(bench.kratos.requests) == 3


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(KratosResponse(403, b"<html>", (("content-type", "text/html"),)), id="403 of a firewall"),
        pytest.param(KratosResponse(401, b""), id="401 without a body"),
        pytest.param(KratosResponse(200, b"{"), id="truncated session"),
    ],
)
async def test_unreadable_response_is_remembered_for_a_second(response: KratosResponse) -> None:
    """Of the token at this requirement: other requests with the token are accepted even without a cache."""
    bench = bench_of(response, cache_ttl=0)
    token = aal1_token()
    for second in (1, 2):
        for _ in range(3):
            with pytest.raises(SessionCheckUnavailable):
                await require_aal2(bench, token)
            assert isinstance(await bench.ask(token), Authenticated)
        assert len(bench.kratos.requests) == second
        bench.clock.advance(1)

    with pytest.raises(SessionCheckUnavailable):
        await require_aal2(bench, token, revalidate=True)
    assert len(bench.kratos.requests) == 3


@pytest.mark.parametrize(
    ("response", "refusal"),
    [(raw_response(b"<html>", 403), SessionCheckUnavailable), (raw_response(REFUSED, 401), StepUpRequired)],
    ids=["unreadable", "401"],
)
async def test_responses_over_the_connection_pool_are_remembered(response: bytes, refusal: type[Refusal]) -> None:
    token = aal1_token()
    async with RawKratos(response) as kratos:
        guard = guard_of(
            None, tokens=verifier_of(), kratos_public_url=kratos.url, cache_ttl=0, whoami_required_aal="aal1"
        )
        for _ in range(3):
            with pytest.raises(refusal):
                await guard.require(bearer_scope(token), aal="aal2")
            assert isinstance(await guard.authenticate(bearer_scope(token)), Authenticated)
        assert len(kratos.requests) == 1
        await guard.aclose()


async def test_invalidated_token_is_refused_in_spite_of_the_memory() -> None:
    bench = bench_of()
    token = aal1_token()
    with pytest.raises(StepUpRequired):
        await require_aal2(bench, token)

    await bench.guard.invalidate(session_id=SESSION_ID)

    with pytest.raises(SessionRequired):
        await require_aal2(bench, token)


async def test_revocation_ends_the_memory() -> None:
    """Of its session; other revocations do not cause calls."""
    bench = bench_of()
    scope = bearer_scope(aal1_token())
    with pytest.raises(StepUpRequired):
        await bench.guard.require(scope, aal="aal2")
    context, responses = scope["ory_guard"], bench.guard.authentication.checker.calls.jwt_rejections
    await bench.guard.invalidate(session_id="of-another-user")
    assert responses.recent(context.key, context.outcome) == Rejected("inactive", "bearer")

    await bench.guard.invalidate(session_id=SESSION_ID)
    assert responses.recent(context.key, context.outcome) is None
