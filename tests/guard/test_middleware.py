"""The middleware: authentication, published names, headers of responses, and the lifespan."""

import asyncio
import copy
import gc
import weakref
from typing import Any

import pytest
from support.applications import gated, public, reply
from support.asgi_calls import Application, call, connect, http_scope, run_lifespan
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench, Pair, guard_of, optional_session
from support.scripted_kratos import (
    APP,
    IDENTITY_ID,
    KRATOS,
    SESSION_ID,
    STEP_UP,
    ScriptedKratos,
    refused,
    signed_in,
)

from ory_guard import OryGuard, OrySessionMiddleware
from ory_guard.exceptions import (
    ConfigurationError,
    KratosRateLimited,
    KratosTimeout,
    KratosUnavailable,
    SessionCheckUnavailable,
    SessionRequired,
)

pytestmark = pytest.mark.anyio

RENEWED = b"ory_kratos_session=renewed; Path=/; HttpOnly; SameSite=Lax"
OURS = (b"origin", APP.encode())
PRIVATE = b"private, no-store"


async def silent(_scope: Any, _receive: Any, _send: Any) -> None:
    pass


def renewing() -> Any:
    return signed_in().with_header("set-cookie", RENEWED.decode())


# --- published names


NO_SESSION = {"session": None, "is_authenticated": False, "identity": "", "display_name": ""}
ADA = {"session": SESSION_ID, "is_authenticated": True, "identity": IDENTITY_ID, "display_name": IDENTITY_ID}


@pytest.mark.parametrize(
    ("kratos_response", "headers", "published"),
    [
        (signed_in(), [SESSION_TOKEN], {"outcome": "Authenticated", **ADA}),
        (refused(401), [SESSION_TOKEN], {"outcome": "Rejected", **NO_SESSION}),
        (STEP_UP, [SESSION_TOKEN], {"outcome": "SecondFactorRequired", **NO_SESSION}),
        (refused(500), [SESSION_TOKEN], {"outcome": "Unavailable", **NO_SESSION}),
        (signed_in(), [], {"outcome": "Anonymous", **NO_SESSION}),
    ],
)
async def test_outcome_is_published_and_no_request_is_refused(
    kratos_response: Any, headers: list[Pair], published: dict[str, Any]
) -> None:
    answered = await call(public(Bench(kratos_response).guard), headers=headers)

    assert (answered.status, answered.json) == (200, published)


async def test_requests_that_share_a_state_do_not_share_a_session() -> None:
    """Some servers pass the same lifespan state to all requests."""
    shared = {"pool": 7}
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        seen.append(scope["state"])
        await reply(send, None)

    guarded = OrySessionMiddleware(app, guard=Bench().guard)
    await call(guarded, headers=[SESSION_TOKEN], state=shared)
    await call(guarded, state=shared)

    assert [state["session"] and state["session"].id for state in seen] == [SESSION_ID, None]
    assert [state["pool"] for state in seen] == [7, 7]
    assert shared == {"pool": 7}


async def test_nested_middleware_of_the_same_guard_uses_the_outcome() -> None:
    bench = Bench(cache_ttl=0)

    answered = await call(
        OrySessionMiddleware(OrySessionMiddleware(public(bench.guard), guard=bench.guard), guard=bench.guard),
        headers=[SESSION_TOKEN],
    )

    assert answered.json["outcome"] == "Authenticated"
    assert bench.calls == 1


@pytest.mark.parametrize(
    ("headers", "method", "outcome"),
    [
        ([SESSION_COOKIE], "GET", "Authenticated"),
        ([SESSION_COOKIE, (b"accept", b"*/*")], "GET", "Authenticated"),
        ([], "GET", "Anonymous"),
        ([SESSION_COOKIE, (b"x-session-token", b" ")], "GET", "Authenticated"),
        ([SESSION_COOKIE, (b"x-session-token", b"a b")], "GET", "Rejected"),
        ([SESSION_COOKIE, (b"sec-fetch-site", b"cross-site")], "POST", "Rejected"),
    ],
)
async def test_copy_of_the_scope_that_is_sent_through_the_middleware_again_is_another_request(
    headers: list[Pair], method: str, outcome: str
) -> None:
    """An endpoint for batches calls its application with the headers of each part."""
    bench = Bench()
    inner = OrySessionMiddleware(public(bench.guard), guard=bench.guard)

    async def batch(scope: Any, receive: Any, send: Any) -> None:
        await inner({**scope, "headers": headers, "method": method}, receive, send)
        assert scope["user"].identity == IDENTITY_ID

    answered = await call(OrySessionMiddleware(batch, guard=bench.guard), headers=[SESSION_COOKIE])

    assert answered.json["outcome"] == outcome
    assert answered.json["identity"] == (IDENTITY_ID if outcome == "Authenticated" else "")


@pytest.mark.parametrize("scope", [{"type": "mqtt"}, {}])
async def test_unknown_scope_type_is_rejected(scope: dict[str, Any]) -> None:
    """Such a scope can't be authenticated."""
    with pytest.raises(RuntimeError, match="does not support ASGI scopes of type"):
        await OrySessionMiddleware(silent, guard=Bench().guard)(scope, None, None)


# --- headers of responses


def requiring(guard: OryGuard, start: dict[str, Any]) -> Application:
    """Return an application that requires a session, and then responds with this start message."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        await guard.require(scope)
        await send({"type": "http.response.start", "status": 204, **start})
        await send({"type": "http.response.body"})

    return OrySessionMiddleware(app, guard=guard)


@pytest.mark.parametrize(
    ("application", "status", "cookies"),
    [
        pytest.param(
            lambda guard: public(guard, (b"Set-Cookie", b"a=b"), (b"Cache-Control", b"public, max-age=600")),
            200,
            [b"a=b", RENEWED],
            id="headers of the application",
        ),
        pytest.param(lambda guard: requiring(guard, {}), 204, [RENEWED], id="no headers"),
        pytest.param(lambda guard: gated(guard, organization="o1"), 403, [RENEWED], id="refusal"),
        pytest.param(lambda guard: gated(guard, revalidate=True), 200, [RENEWED], id="revalidation without cookie"),
    ],
)
async def test_renewed_cookie_is_forwarded(application: Any, status: int, cookies: list[bytes]) -> None:
    """No shared cache may store the response."""
    guard = Bench(renewing(), signed_in()).guard

    answered = await call(application(guard), headers=[SESSION_COOKIE])

    assert (answered.status, answered.all(b"set-cookie")) == (status, cookies)
    assert answered.header(b"cache-control") == PRIVATE


async def test_renewed_cookie_is_forwarded_to_all_waiting_requests_only() -> None:
    """It is not cached: a later request may come from another browser."""
    bench = Bench(renewing())
    bench.kratos.hold()
    app = public(bench.guard)
    waiting = [asyncio.ensure_future(call(app, headers=[SESSION_COOKIE])) for _ in range(3)]
    for _ in range(5):
        await asyncio.sleep(0)
    bench.kratos.release()

    assert [answered.all(b"set-cookie") for answered in await asyncio.gather(*waiting)] == [[RENEWED]] * 3
    later = await call(app, headers=[SESSION_COOKIE])
    assert bench.calls == 1
    assert later.all(b"set-cookie") == []
    assert later.header(b"cache-control") is None


async def deny(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "websocket.http.response.start", "status": 404})
    await send({"type": "websocket.http.response.body", "body": b""})


@pytest.mark.parametrize(
    "application",
    [
        lambda guard: public(guard, (b"x-own", b"1")),
        lambda guard: gated(guard, organization="o1"),
        lambda guard: OrySessionMiddleware(deny, guard=guard),
    ],
    ids=["accepted", "refused", "denied by the application"],
)
async def test_websocket_forwards_a_renewed_cookie(application: Any) -> None:
    start, *_ = await connect(application(Bench(renewing()).guard), headers=[SESSION_COOKIE, OURS])

    assert (b"set-cookie", RENEWED) in start["headers"]
    if start["type"] == "websocket.accept":
        assert start["headers"][0] == (b"x-own", b"1")


async def test_token_request_gets_no_cookie() -> None:
    """The cookie would belong to another user."""
    assert (await call(public(Bench(renewing()).guard), headers=[SESSION_TOKEN])).all(b"set-cookie") == []


@pytest.mark.parametrize(
    ("own", "headers"),
    [
        (None, [(b"cache-control", PRIVATE)]),
        ([(b"x-one", b"1")], [(b"x-one", b"1"), (b"cache-control", PRIVATE)]),
        ([(b"Cache-Control", b"max-age=5, no-store")], [(b"Cache-Control", b"max-age=5, no-store")]),
    ],
)
async def test_guarded_response_is_private(own: list[Pair] | None, headers: list[Pair]) -> None:
    """Unless the application sets `Cache-Control`."""
    start = {} if own is None else {"headers": iter(own)}  # ASGI makes them optional, and allows any iterable
    assert (await call(requiring(Bench().guard, start), headers=[SESSION_TOKEN])).headers == headers


@pytest.mark.parametrize("credential", [[], [SESSION_TOKEN]], ids=["anonymous", "token"])
async def test_response_without_requirement_is_unchanged(credential: list[Pair]) -> None:
    """Public pages stay cacheable."""
    headers = [(b"x-one", b"1"), (b"vary", b"Accept")]

    assert (await call(public(Bench().guard, *headers), headers=credential)).headers == headers


@pytest.mark.parametrize("send_request", [call, connect])
async def test_message_of_the_application_is_not_modified(send_request: Any) -> None:
    """An application may send the same message to several clients."""
    messages = {
        "http": {"type": "http.response.start", "status": 200, "headers": [(b"x-one", b"1")]},
        "websocket": {"type": "websocket.accept"},
    }
    before = copy.deepcopy(messages)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(messages[scope["type"]])

    wrapped = OrySessionMiddleware(app, guard=Bench(renewing()).guard)
    renewed, plain = [await send_request(wrapped, headers=[*more, OURS]) for more in ([SESSION_COOKIE], [])]

    assert str(RENEWED) in str(renewed)
    assert str(RENEWED) not in str(plain)
    assert messages == before


def optional(guard: OryGuard, *headers: Pair) -> Application:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        await optional_session(guard, scope)
        await reply(send, None, *headers)

    return OrySessionMiddleware(app, guard=guard)


CREDENTIALS = b"Cookie, Authorization, X-Session-Token"


@pytest.mark.parametrize(
    ("headers", "vary"),
    [
        ([], CREDENTIALS),
        ([(b"vary", b"Accept")], b"Accept, " + CREDENTIALS),
        ([(b"Vary", b"Accept, cookie"), (b"vary", b"")], b"Accept, cookie, Authorization, X-Session-Token"),
        ([(b"vary", b"Accept"), (b"vary", b"Origin")], b"Accept, Origin, " + CREDENTIALS),
        ([(b"vary", b"Origin, *")], b"Origin, *"),
        ([(b"cache-control", b"public, max-age=60")], CREDENTIALS),
        ([(b"cache-control", b"no-store")], None),
    ],
)
async def test_anonymous_response_with_an_optional_session_varies(headers: list[Pair], vary: bytes | None) -> None:
    """A shared cache must not use it for a request with a credential."""
    answered = await call(optional(Bench().guard, *headers))

    assert answered.header(b"vary") == vary
    assert answered.header(b"cache-control") == dict(headers).get(b"cache-control")


@pytest.mark.parametrize("headers", [[], [(b"cache-control", b"private, max-age=60"), (b"vary", CREDENTIALS)]])
async def test_cacheable_response_with_an_optional_session_varies(headers: list[Pair]) -> None:
    """Otherwise a browser would show it after the logout."""
    answered = await call(optional(Bench().guard, *headers[:1]), headers=[SESSION_TOKEN])

    assert answered.headers == (headers or [(b"cache-control", PRIVATE)])


# --- exceptions


def raising(error: Exception, *, first: Any = None) -> Application:
    """Return an application behind the middleware that raises, optionally after a first message."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        if first is not None:
            await send(first)
        raise error

    return OrySessionMiddleware(app, guard=Bench().guard)


@pytest.mark.parametrize(
    ("error", "retry_after"),
    [
        (KratosUnavailable("down"), b"1"),
        (KratosTimeout("slow"), b"1"),
        (KratosRateLimited("too often", retry_after=7), b"7"),
        (SessionCheckUnavailable(retry_after=9), b"9"),
    ],
)
async def test_unhandled_kratos_error_is_a_503(error: Exception, retry_after: bytes) -> None:
    """An application that calls Kratos itself need not handle its outages."""
    answered = await call(raising(error), headers=[SESSION_TOKEN])

    assert (answered.status, answered.error_id) == (503, "session_check_unavailable")
    assert answered.header(b"retry-after") == retry_after


@pytest.mark.parametrize(
    ("error", "first"),
    [
        (LookupError("of the application"), None),
        # A request must not get two responses.
        (SessionRequired(), {"type": "http.response.start", "status": 200, "headers": []}),
    ],
)
async def test_error_of_the_application_is_raised(error: Exception, first: Any) -> None:
    with pytest.raises(type(error)) as caught:
        await call(raising(error, first=first), headers=[SESSION_TOKEN])
    assert caught.value is error


async def test_refusal_closes_an_accepted_websocket() -> None:
    """The close code is 1008, policy violation."""
    sent = await connect(raising(SessionRequired(), first={"type": "websocket.accept"}), headers=[SESSION_TOKEN])

    assert sent[1:] == [{"type": "websocket.close", "code": 1008, "reason": ""}]


class Exchange:
    """A request of a server whose `receive` and `send` refer to the scope, such as uvicorn's."""

    def __init__(self, headers: list[Pair]) -> None:
        self.scope = http_scope(headers=headers)

    async def receive(self) -> Any:
        """Return the body of the request."""
        return {"type": "http.request"}

    async def send(self, message: Any) -> None:
        """Discard the message."""


@pytest.mark.parametrize("application", [public, gated])
@pytest.mark.parametrize("headers", [[], [SESSION_TOKEN], [SESSION_COOKIE]], ids=["anonymous", "token", "cookie"])
async def test_request_leaves_no_reference_cycle(application: Any, headers: list[Pair]) -> None:
    """With a reference cycle, only the garbage collector could free the request."""
    app, references = application(Bench().guard), list[weakref.ref[Exchange]]()
    gc.collect()
    gc.disable()
    try:
        for _ in range(2):
            exchange = Exchange(headers)
            references.append(weakref.ref(exchange))
            await app(exchange.scope, exchange.receive, exchange.send)
            del exchange
        await asyncio.sleep(0)
        assert [reference() for reference in references] == [None, None]
    finally:
        gc.enable()


async def test_message_after_the_return_of_the_application_is_an_error() -> None:
    """The server has ended the request."""
    kept: list[Any] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        kept.append(send)
        await reply(send, None)

    await call(OrySessionMiddleware(app, guard=Bench().guard))

    with pytest.raises(RuntimeError, match=r"sent 'http\.response\.body' after it has returned"):
        await kept[0]({"type": "http.response.body"})


# --- lifespan


@pytest.mark.parametrize("end", ["lifespan.shutdown.complete", "lifespan.shutdown.failed"])
async def test_guard_is_closed_before_the_shutdown_ends(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The application gets the messages; the server cancels later tasks."""
    guard, order = Bench().guard, list[Any]()

    async def aclose() -> None:
        order.append({"type": "closed"})

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        for answer in ("lifespan.startup.complete", end):
            order.append(await receive())
            await send({"type": answer})

    monkeypatch.setattr(guard, "aclose", aclose)
    await run_lifespan(OrySessionMiddleware(app, guard=guard), order)

    types = [message["type"] for message in order]
    assert types == ["lifespan.startup", "lifespan.startup.complete", "lifespan.shutdown", "closed", end]


WRONG = [
    ({"kratos_public_url": "kratos:4433", "app_url": APP}, "kratos_public_url: 'kratos:4433' is not allowed"),
    ({"kratos_public_url": KRATOS}, "app_url is required"),
    ({}, "kratos_public_url is required"),
    ({"kratos_public_url": KRATOS, "app_url": APP, "ttl": 3}, "unknown setting ttl"),
    ({"guard": "a guard"}, "guard must be an OryGuard or a plain function that returns one (got 'a guard')"),
    ({"guard": OryGuard}, "guard must be an OryGuard or a plain function that returns one"),
    ({"guard": silent}, "guard must be an OryGuard or a plain function that returns one"),
    *(
        ({"guard": guard, "timeout": 3}, "was given a guard and also timeout: pass one or the other")
        for guard in (guard_of(ScriptedKratos()), lambda _scope: None)
    ),
]


@pytest.mark.parametrize(("keywords", "text"), WRONG)
async def test_invalid_settings_fail_the_startup(keywords: dict[str, Any], text: str) -> None:
    """The server builds the middlewares at startup; requests fail, too."""
    app = OrySessionMiddleware(silent, **keywords)
    sent: list[Any] = []

    with pytest.raises(ConfigurationError) as caught:
        await run_lifespan(app, sent)

    assert text in str(caught.value)
    assert sent == [{"type": "lifespan.startup.failed", "message": str(caught.value)}]
    for again in (call, connect):
        with pytest.raises(ConfigurationError) as refusal:
            await again(app, headers=[SESSION_TOKEN])
        assert refusal.value is caught.value


async def test_keywords_are_settings_of_a_new_guard() -> None:
    """The application can be passed by name, as Litestar does."""
    app = OrySessionMiddleware(app=public(Bench().guard), kratos_public_url=KRATOS, credentials=("bearer",))

    assert (await call(app)).json["outcome"] == "Anonymous"
