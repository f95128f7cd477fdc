"""Tokens that did not come in a header, and copies of a scope with other headers."""

import asyncio
from typing import Any

import pytest
from support.asgi_calls import call, websocket_scope
from support.guard_bench import BEARER, SESSION_COOKIE, SESSION_TOKEN, Bench, Pair, by, guard_of, request
from support.minting import token_of
from support.scripted_kratos import (
    APP,
    IDENTITY_ID,
    STEP_UP,
    TOKEN,
    KratosRequest,
    KratosResponse,
    ScriptedKratos,
    aal2_session,
    refused,
    session_body,
    signed_in,
)
from support.token_bench import KEY, TokenBench

from ory_guard import (
    Anonymous,
    Authenticated,
    OryGuard,
    OrySessionMiddleware,
    Outcome,
    Rejected,
    SecondFactorRequired,
    Session,
    Unavailable,
)
from ory_guard.exceptions import (
    ConfigurationError,
    CsrfViolation,
    RequirementNotMet,
    SessionCheckUnavailable,
    SessionRequired,
    StepUpRequired,
)

pytestmark = pytest.mark.anyio

OTHER = b"ory_st_other"
OTHER_ID = "0d0a8ba3-6a7b-4a7c-9a3f-2f1f4b6c9e02"
OURS = (b"origin", APP.encode())
FOREIGN = (b"origin", b"https://evil.test")


def by_token(asked: KratosRequest) -> KratosResponse:
    """Respond with one identity for the token `OTHER`, and with another for all other credentials."""
    other = asked.header("x-session-token") == OTHER.decode()
    return signed_in(session_body(id=OTHER_ID, identity={"id": OTHER_ID}) if other else None)


def who(outcome: Outcome) -> str:
    assert isinstance(outcome, Authenticated)
    return outcome.session.identity.id


def with_headers(scope: Any, *headers: Pair, **more: Any) -> Any:
    return {**scope, "headers": [*headers], **more}


async def inside(guard: OryGuard, scope: Any, act: Any) -> dict[str, Any]:
    """Call `act` with the scope behind the middleware; return the published objects afterwards."""
    published: dict[str, Any] = {}

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        before = {**scope["state"], "user": scope["user"], "view": scope["auth"]}
        await act(scope)
        published.update(scope["state"], user=scope["user"], view=scope["auth"])
        assert all(published[name] is before[name] for name in before)

    async def never(_message: Any = None) -> Any:
        raise AssertionError("nothing is received or sent")

    await OrySessionMiddleware(app, guard=guard)(scope, never, never)
    return published


class Socket:
    """A websocket that records its close code."""

    def __init__(self, scope: Any = None) -> None:
        self.scope = scope or websocket_scope()
        self.closed: list[int] = []

    async def close(self, code: int) -> None:
        """Record the close code."""
        self.closed.append(code)


SCOPES = [
    request(),
    request(path="/exempt"),
    websocket_scope(headers=[SESSION_COOKIE, OURS]),
    websocket_scope(headers=[SESSION_COOKIE, FOREIGN]),
    websocket_scope(),
]


@pytest.mark.parametrize("scope", SCOPES, ids=["request", "exempt path", "websocket", "cross-site", "anonymous"])
async def test_copy_of_the_scope_is_authenticated_by_its_own_headers(scope: Any) -> None:
    """The request itself does not change."""
    kratos = ScriptedKratos(by_token)
    guard = guard_of(kratos, exempt_paths=("/exempt",))

    async def act(scope: Any) -> None:
        copy = with_headers(scope, (b"x-session-token", OTHER))
        assert who(await guard.authenticate(copy)) == OTHER_ID
        assert (await guard.require(copy, revalidate=True)).identity.id == OTHER_ID
        assert await guard.authenticate(with_headers(scope)) == Anonymous()
        with pytest.raises(SessionRequired):
            await guard.require(with_headers(scope))
        async with guard.watch(Socket(with_headers(scope))) as watch:
            await asyncio.Event().wait()
        assert isinstance(watch.refusal, SessionRequired)
        await guard.authenticate({**scope})

    before = await inside(guard, {**scope}, act) if scope["path"] != "/exempt" else None

    if before is not None and isinstance(before["auth"], Authenticated):
        assert who(before["auth"]) == IDENTITY_ID
    assert all(len(asked.credentials()) == 1 for asked in kratos.requests)


async def test_copy_on_an_exempt_path_leaves_the_request_anonymous() -> None:
    """A later requirement uses the request's own credential."""
    guard = guard_of(ScriptedKratos(by_token), exempt_paths=("/exempt",))

    async def act(scope: Any) -> None:
        copy = with_headers(scope, (b"x-session-token", OTHER))
        assert who(await guard.authenticate(copy)) == OTHER_ID

    published = await inside(guard, request(path="/exempt"), act)

    assert published["auth"] == Anonymous()
    assert not published["user"]


@pytest.mark.parametrize(
    "headers",
    [(FOREIGN,), (FOREIGN, OURS), ((b"sec-fetch-site", b"cross-site"),)],
    ids=["foreign", "two origins", "site"],
)
async def test_cross_site_copy_is_rejected(headers: tuple[Pair, ...]) -> None:
    """It has the cookie of the request."""
    guard = guard_of(ScriptedKratos(signed_in()))

    async def act(scope: Any) -> None:
        copy = with_headers(scope, SESSION_COOKIE, *headers, method="POST")
        assert await guard.authenticate(copy) == Rejected("origin", "cookie")
        with pytest.raises(CsrfViolation):
            await guard.require(copy)

    assert (await inside(guard, request(SESSION_COOKIE), act))["user"].identity == IDENTITY_ID


async def test_copy_with_the_same_credential_is_the_same_request() -> None:
    """Middlewares and frameworks copy scopes; Kratos is called once, and an override applies to all."""
    bench = Bench()

    async def act(scope: Any) -> None:
        copy = {**scope, "headers": [*scope["headers"], (b"accept", b"*/*")], "path": "/elsewhere"}
        first, second = await bench.guard.authenticate(scope), await bench.guard.authenticate(copy)
        assert first is second
        with bench.guard.override(None):
            assert await bench.guard.authenticate(with_headers(scope, BEARER)) is first

    await inside(bench.guard, request(), act)
    assert bench.calls == 1


async def test_copy_that_outlives_its_request_uses_its_own_headers() -> None:
    """Python may have reused the id of the request's scope."""
    guard = guard_of(ScriptedKratos(by_token))
    kept: list[Any] = []

    async def act(scope: Any) -> None:
        kept.append(scope)

    await inside(guard, request(), act)
    kept[0]["headers"] = [(b"x-session-token", OTHER)]

    assert who(await guard.authenticate(kept[0])) == OTHER_ID


async def test_response_is_private_after_another_credential_was_checked() -> None:
    """It may depend on it; an unhandled refusal gets its usual response."""
    guard = guard_of(ScriptedKratos(signed_in(), refused()))

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        await guard.authenticate(with_headers(scope, BEARER))
        if scope["path"] == "/refused":
            await guard.require(with_headers(scope))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    wrapped = OrySessionMiddleware(app, guard=guard)

    assert (await call(wrapped, headers=[SESSION_TOKEN])).header(b"cache-control") == b"private, no-store"
    assert (await call(wrapped, "/refused", headers=[SESSION_TOKEN])).error_id == "session_inactive"


# --- tokens that did not come in a header


@pytest.mark.parametrize(
    "token",
    ["a b", "x\r\ny", "tökén", "\udc80", "x" * 8_193, b"bytes", 7, {"token": "x"}],
    ids=["space", "line break", "umlaut", "surrogate", "long", "bytes", "number", "object"],
)
async def test_malformed_token_is_rejected(token: Any) -> None:
    """A client may send any value; Kratos is not called."""
    bench = Bench()

    assert await bench.guard.authenticate_token(token, kind="bearer") == Rejected("malformed", "bearer")
    assert bench.calls == 0


@pytest.mark.parametrize("token", ["", None])
async def test_missing_token_is_anonymous(token: Any) -> None:
    assert await Bench().guard.authenticate_token(token, kind="bearer") == Anonymous()


@pytest.mark.parametrize(("kind", "header"), [("x_session_token", "x-session-token"), ("bearer", "authorization")])
async def test_token_shares_the_cache_entry_of_its_header(kind: Any, header: str) -> None:
    bench = Bench()

    first = await bench.guard.authenticate_token(TOKEN.decode(), kind=kind)
    second = await bench.outcome(SESSION_TOKEN if kind == "x_session_token" else BEARER)

    assert (by(first), by(second)) == (("upstream", 0), ("cache", 0))
    assert isinstance(first, Authenticated)
    assert first.credential == kind
    assert [name for name, _ in bench.kratos.requests[0].credentials()] == [header]
    assert bench.calls == 1


@pytest.mark.parametrize(
    ("response", "outcome", "refusal", "code"),
    [
        (refused(), Rejected("inactive", "x_session_token"), SessionRequired, 1008),
        (STEP_UP, SecondFactorRequired("x_session_token", enrolled=True), StepUpRequired, 1008),
        (refused(500), Unavailable("unreachable"), SessionCheckUnavailable, 1013),
    ],
)
async def test_outcome_without_a_session_is_refused(
    response: KratosResponse, outcome: Outcome, refusal: type[Exception], code: int
) -> None:
    """A handler that ignores the outcome leaves no watched websocket open."""
    guard, socket = Bench(response).guard, Socket()

    found = await guard.authenticate_token("x", kind="x_session_token")

    assert found == outcome
    with pytest.raises(refusal):
        await guard.require(websocket_scope(), outcome=found)
    async with guard.watch(socket, outcome=found):
        await asyncio.Event().wait()
    assert socket.closed == [code]


@pytest.mark.parametrize(
    ("credentials", "kind", "message"),
    [
        (("cookie", "bearer"), "cookie", "kind: 'cookie'"),
        (("cookie", "bearer"), None, "kind: None"),
        (("cookie",), "bearer", "'bearer' is not allowed"),
    ],
)
async def test_kind_must_be_an_accepted_token(credentials: Any, kind: Any, message: str) -> None:
    """The value of a cookie would bypass the CSRF policy."""
    with pytest.raises(ConfigurationError, match=message):
        await Bench(credentials=credentials).guard.authenticate_token("x", kind=kind)


async def test_override_applies_to_tokens() -> None:
    """A test can log in a websocket without a valid token."""
    bench = Bench()
    with bench.guard.override(Session.model_validate(session_body())):
        outcome = await bench.guard.authenticate_token("x", kind="bearer")
        assert (await bench.guard.require(websocket_scope(), outcome=outcome)).identity.id == IDENTITY_ID
    assert bench.calls == 0


async def test_jwt_is_verified_and_confirmed_with_kratos() -> None:
    """Like a JWT in a header."""
    bench = TokenBench(None, signed_in(aal2_session()))
    token = token_of(KEY)
    outcome = await bench.guard.authenticate_token(token, kind="bearer")
    assert isinstance(outcome, Authenticated)
    assert (outcome.source, bench.kratos.requests) == ("token", [])

    session = await bench.guard.require(websocket_scope(), outcome=outcome, aal="aal2", verified="email")

    assert session.authenticator_assurance_level == "aal2"
    assert [asked.header("authorization") for asked in bench.kratos.requests] == [f"Bearer {token}"]


async def test_require_uses_the_given_outcome() -> None:
    """Not the connection's own credential, which does not change."""
    kratos = ScriptedKratos(by_token)
    guard = guard_of(kratos)

    async def act(scope: Any) -> None:
        outcome = await guard.authenticate_token(OTHER.decode(), kind="x_session_token")
        for revalidate in (False, True):
            session = await guard.require(scope, outcome=outcome, revalidate=revalidate)
            assert session.identity.id == OTHER_ID
        with pytest.raises(RequirementNotMet):
            await guard.require(scope, outcome=outcome, organization="acme")
        assert (await guard.require(scope)).identity.id == IDENTITY_ID

    await inside(guard, websocket_scope(headers=[SESSION_COOKIE, OURS]), act)
    assert len(kratos.requests) == 3


@pytest.mark.parametrize("outcome", ["session", "plain", "another guard", "coroutine"])
async def test_outcome_must_come_from_this_guard(outcome: str) -> None:
    """An outcome without its token could not be revalidated."""
    guard, other = Bench().guard, Bench().guard
    plain = await guard.authenticate(request())
    given: Any = {
        "session": Session.model_validate(session_body()),
        "plain": plain,
        "another guard": await other.authenticate_token("x", kind="bearer"),
        "coroutine": Bench,
    }[outcome]

    with pytest.raises(ConfigurationError, match="was not returned by authenticate_token"):
        await guard.require(websocket_scope(), outcome=given)
    with pytest.raises(ConfigurationError, match="was not returned by authenticate_token"):
        guard.watch(websocket_scope(), outcome=given)


@pytest.mark.parametrize("ending", ["revoked", "expired", "requirement"])
async def test_watch_ends_with_the_session_of_the_token(ending: str) -> None:
    """Also if the session no longer meets a requirement."""
    bench = Bench(signed_in(session_body(identity={"organization_id": "acme"})), refused())
    if ending == "requirement":
        bench.kratos.responses[1] = signed_in()
    outcome = await bench.guard.authenticate_token("x", kind="x_session_token")
    socket = Socket()
    await bench.guard.require(socket, outcome=outcome, organization="acme")
    if ending == "expired":
        bench.clock.advance(40)

    async with bench.guard.watch(socket, every=10, outcome=outcome) as watch:
        for _ in range(5):
            await asyncio.sleep(0)
        await bench.guard.invalidate(identity_id=IDENTITY_ID)
        await asyncio.Event().wait()

    assert socket.closed == [1008]
    assert type(watch.refusal) is (RequirementNotMet if ending == "requirement" else SessionRequired)
    assert bench.calls == 2


async def test_outcome_does_not_contain_the_token() -> None:
    """It may be logged."""
    outcome: Any = await Bench().guard.authenticate_token("ory_st_secret", kind="bearer")

    context = outcome.context
    assert outcome == Authenticated(*outcome)
    assert "secret" not in f"{outcome!r} {vars(outcome)!r} {[getattr(context, name) for name in context.__slots__]}"
