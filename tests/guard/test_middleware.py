"""The middleware: it tells who is there, refuses nobody, and hands on what Kratos sends with an answer."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asgi_lifespan import LifespanManager
from support.applications import gated, public, reply
from support.asgi_calls import Application, call, connect, websocket_scope
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench, Pair, guard_of, optional_session
from support.scripted_kratos import (
    APP,
    KRATOS,
    SESSION_ID,
    STEP_UP,
    ScriptedKratos,
    refused,
    session_body,
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

ANEW = b"ory_kratos_session=anew; Path=/; HttpOnly; SameSite=Lax"
OURS = (b"origin", APP.encode())
PRIVATE = b"private, no-store"


async def silent(_scope: Any, _receive: Any, _send: Any) -> None:
    """Do nothing."""


def renewing() -> Any:
    """Return Kratos' answer with a cookie that was issued anew."""
    return signed_in().with_header("set-cookie", ANEW.decode())


# --- what applications see


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        (signed_in(), {"session": SESSION_ID, "outcome": "Authenticated", "is_authenticated": True}),
        (refused(401), {"session": None, "outcome": "Rejected", "is_authenticated": False}),
        (STEP_UP, {"session": None, "outcome": "SecondFactorRequired", "is_authenticated": False}),
        (refused(500), {"session": None, "outcome": "Unavailable", "is_authenticated": False}),
    ],
)
async def test_every_request_passes_and_knows_who_makes_it(told: Any, seen: dict[str, Any]) -> None:
    """The middleware never refuses; what it found out stands in the scope."""
    answered = await call(public(Bench(told).guard), headers=[SESSION_TOKEN])

    assert answered.status == 200
    assert answered.json.items() >= seen.items()


async def test_nobody_is_seen_too() -> None:
    """The four places are always set."""
    answered = await call(public(Bench().guard))

    assert answered.json == {
        "session": None,
        "outcome": "Anonymous",
        "is_authenticated": False,
        "identity": "",
        "display_name": "",
    }


async def test_a_websocket_passes_too() -> None:
    """A public one stays public, even with a cookie from a foreign page."""
    sent = await connect(public(Bench().guard), headers=[SESSION_COOKIE, (b"origin", b"https://evil.test")])

    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert '"outcome": "Rejected"' in sent[1]["text"]


async def test_an_exempt_path_is_nobodys_business() -> None:
    """Nothing is asked, for whomever; the path is matched decoded and whole."""
    bench = Bench(exempt_paths=("/health",))
    app = public(bench.guard)

    assert (await call(app, "/health", headers=[SESSION_TOKEN])).json["outcome"] == "Anonymous"
    assert bench.calls == 0
    assert (await call(app, "/health/", headers=[SESSION_TOKEN])).json["outcome"] == "Authenticated"


async def test_state_of_the_lifespan_is_left_alone() -> None:
    """Servers hand each request a copy of it; ours stands beside."""
    seen: dict[str, Any] = {}

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        seen.update(scope["state"])
        await reply(send, None)

    await call(OrySessionMiddleware(app, guard=Bench().guard), headers=[SESSION_TOKEN], state={"pool": 7})

    assert seen["pool"] == 7
    assert seen["session"].id == SESSION_ID


async def test_requests_that_share_a_state_never_share_a_session() -> None:
    """Some servers hand one lifespan state to all requests; each request still gets a state of its own."""
    shared = {"pool": 7}
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        seen.append(scope["state"])
        await reply(send, None)

    guarded = OrySessionMiddleware(app, guard=Bench().guard)
    await call(guarded, headers=[SESSION_TOKEN], state=shared)
    await call(guarded, state=shared)

    assert [state["session"] is None for state in seen] == [False, True]
    assert [state["pool"] for state in seen] == [7, 7]
    assert shared == {"pool": 7}


async def test_a_nested_middleware_of_the_same_guard_asks_nothing() -> None:
    """It finds its own outcome, and passes on."""
    bench = Bench(cache_ttl=0)

    answered = await call(
        OrySessionMiddleware(OrySessionMiddleware(public(bench.guard), guard=bench.guard), guard=bench.guard),
        headers=[SESSION_TOKEN],
    )

    assert answered.json["outcome"] == "Authenticated"
    assert bench.calls == 1


async def test_a_nested_middleware_of_another_guard_answers_for_its_part() -> None:
    """An admin application mounted in a shop may ask another Kratos; each gate goes by its own."""
    shop, admin = Bench(refused(401)), Bench(signed_in(session_body(id="admin")))

    answered = await call(OrySessionMiddleware(gated(admin.guard), guard=shop.guard), headers=[SESSION_TOKEN])

    assert answered.json == {"session": "admin"}
    assert (shop.calls, admin.calls) == (1, 1)


async def test_a_gate_without_a_middleware_finds_out_for_itself() -> None:
    """`guard.require` needs none: plain ASGI applications may do without."""
    bench = Bench()
    scope = websocket_scope(headers=[SESSION_TOKEN])

    assert (await bench.guard.require(scope)).id == SESSION_ID
    assert scope["state"]["session"].id == SESSION_ID


@pytest.mark.parametrize("scope", [{"type": "mqtt"}, {}])
async def test_a_scope_that_nobody_knows_is_not_passed_on(scope: dict[str, Any]) -> None:
    """Nobody could say who is there."""
    with pytest.raises(RuntimeError, match="does not support ASGI scopes of type"):
        await OrySessionMiddleware(silent, guard=Bench().guard)(scope, None, None)  # type: ignore[arg-type] # unused


# --- what the answers carry


async def test_a_cookie_that_kratos_issues_anew_reaches_the_browser() -> None:
    """Byte for byte, beside the application's own headers, and no shared cache may keep that answer."""
    bench = Bench(renewing())
    app = public(bench.guard, (b"Set-Cookie", b"theme=dark"), (b"Cache-Control", b"public, max-age=600"))

    answered = await call(app, headers=[SESSION_COOKIE])

    assert answered.all(b"set-cookie") == [b"theme=dark", ANEW]
    assert answered.header(b"cache-control") == PRIVATE


async def test_it_reaches_all_who_waited_for_it_and_nobody_later() -> None:
    """It never gets into the cache: a later request may be another browser's."""
    bench = Bench(renewing())
    bench.kratos.hold()
    app = public(bench.guard)
    waiting = [asyncio.ensure_future(call(app, headers=[SESSION_COOKIE])) for _ in range(3)]
    for _ in range(5):
        await asyncio.sleep(0)
    bench.kratos.release()

    assert [answered.all(b"set-cookie") for answered in await asyncio.gather(*waiting)] == [[ANEW]] * 3
    later = await call(app, headers=[SESSION_COOKIE])
    assert bench.calls == 1
    assert later.all(b"set-cookie") == []
    assert later.header(b"cache-control") is None


async def test_a_refusal_carries_it_too() -> None:
    """The session goes on, whatever this route thinks of it."""
    answered = await call(gated(Bench(renewing()).guard, organization="o1"), headers=[SESSION_COOKIE])

    assert (answered.status, answered.all(b"set-cookie")) == (403, [ANEW])
    assert answered.header(b"cache-control") == PRIVATE


async def test_it_is_not_lost_when_kratos_is_asked_again() -> None:
    """A gate that asks for itself may get no cookie, after the middleware got one."""
    bench = Bench(renewing(), signed_in())

    answered = await call(gated(bench.guard, revalidate=True), headers=[SESSION_COOKIE])

    assert bench.calls == 2
    assert answered.all(b"set-cookie") == [ANEW]


async def test_a_websocket_carries_it_when_it_is_accepted() -> None:
    """Beside the headers of the application's own."""
    app = public(Bench(renewing()).guard, (b"x-own", b"1"))

    accept, *_ = await connect(app, headers=[SESSION_COOKIE, OURS])

    assert accept["headers"] == [(b"x-own", b"1"), (b"set-cookie", ANEW)]


async def test_a_websocket_that_is_denied_carries_it_too() -> None:
    """By the gate, or by the application itself."""

    async def deny(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.http.response.start", "status": 404})
        await send({"type": "websocket.http.response.body", "body": b""})

    for app in (
        gated(Bench(renewing()).guard, organization="o1"),
        OrySessionMiddleware(deny, guard=Bench(renewing()).guard),
    ):
        start, _body = await connect(app, headers=[SESSION_COOKIE, OURS])

        assert (b"set-cookie", ANEW) in start["headers"]


async def test_a_token_gets_no_cookie() -> None:
    """The browser beside it is somebody else's."""
    assert (await call(public(Bench(renewing()).guard), headers=[SESSION_TOKEN])).all(b"set-cookie") == []


async def test_an_answer_that_a_gate_stood_before_is_private() -> None:
    """Unless the application says otherwise: it knows better."""
    assert (await call(gated(Bench().guard), headers=[SESSION_TOKEN])).header(b"cache-control") == PRIVATE

    guard = Bench().guard

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        await guard.require(scope)
        await reply(send, None, (b"Cache-Control", b"max-age=5"))

    own = await call(OrySessionMiddleware(app, guard=guard), headers=[SESSION_TOKEN])
    assert own.header(b"cache-control") == b"max-age=5"


async def test_headers_that_can_be_read_only_once_reach_the_client() -> None:
    """ASGI lets an application give any iterable."""
    guard = Bench().guard

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        await guard.require(scope)
        await send({"type": "http.response.start", "status": 204, "headers": iter([(b"x-one", b"1")])})
        await send({"type": "http.response.body"})

    answered = await call(OrySessionMiddleware(app, guard=guard), headers=[SESSION_TOKEN])

    assert answered.headers == [(b"x-one", b"1"), (b"cache-control", PRIVATE)]


async def test_an_answer_on_an_exempt_path_with_a_gate_is_private_too() -> None:
    """The gate asked after all."""
    guard = Bench(exempt_paths=("/health",)).guard

    answered = await call(gated(guard), "/health", headers=[SESSION_TOKEN])

    assert (answered.status, answered.header(b"cache-control")) == (200, PRIVATE)


async def test_an_answer_that_nobody_asked_the_session_for_is_the_applications_own() -> None:
    """Public pages stay cacheable for everybody."""
    answered = await call(public(Bench().guard), headers=[SESSION_TOKEN])

    assert answered.header(b"cache-control") is None


async def test_a_message_without_headers_is_a_message() -> None:
    """ASGI lets an application leave them out."""
    guard = Bench(renewing()).guard

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        await guard.require(scope)
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    wrapped = OrySessionMiddleware(app, guard=guard)
    first = await call(wrapped, headers=[SESSION_COOKIE])
    second = await call(wrapped, headers=[SESSION_COOKIE])

    assert first.headers == [(b"set-cookie", ANEW), (b"cache-control", PRIVATE)]
    assert second.headers == [(b"cache-control", PRIVATE)]


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_message_that_goes_to_everybody_takes_nobodys_cookie_along(kind: str) -> None:
    """An application may send one and the same message again and again, and a middleware may keep it."""
    start = {"type": "http.response.start", "status": 200, "headers": [(b"x-one", b"1")]}
    accept = {"type": "websocket.accept"}
    kept = dict(start), dict(accept)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send(start)
            await send({"type": "http.response.body"})
        else:
            await receive()
            await send(accept)
            await send({"type": "websocket.close"})

    wrapped = OrySessionMiddleware(app, guard=Bench(renewing()).guard)
    if kind == "http":
        renewed, nobody = await call(wrapped, headers=[SESSION_COOKIE]), await call(wrapped)
        assert (renewed.all(b"set-cookie"), nobody.headers) == ([ANEW], [(b"x-one", b"1")])
    else:
        first, _ = await connect(wrapped, headers=[SESSION_COOKIE, OURS])
        second, _ = await connect(wrapped, headers=[OURS])
        assert (first["headers"], second.get("headers")) == ([(b"set-cookie", ANEW)], None)
    assert (start, accept) == kept


def optional(guard: OryGuard, *headers: Pair) -> Application:
    """Return an application that looks for a session and answers with `headers`."""

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
async def test_the_anonymous_variant_of_an_optional_session_varies(headers: list[Pair], vary: bytes | None) -> None:
    """A cache that keeps it must not give it to a browser that is signed in."""
    answered = await call(optional(Bench().guard, *headers))

    assert answered.header(b"vary") == vary
    assert answered.header(b"cache-control") == dict(headers).get(b"cache-control")


async def test_the_other_variant_varies_when_the_application_lets_a_cache_keep_it() -> None:
    """Else a browser would show it after the sign-out."""
    kept = [(b"cache-control", b"private, max-age=60")]

    answered = await call(optional(Bench().guard, *kept), headers=[SESSION_TOKEN])

    assert answered.headers == [*kept, (b"vary", CREDENTIALS)]
    assert (await call(optional(Bench().guard), headers=[SESSION_TOKEN])).headers == [(b"cache-control", PRIVATE)]


async def test_nothing_is_added_to_an_anonymous_answer_that_no_gate_looked_at() -> None:
    """It is the application's own, to the byte."""
    headers = (b"x-one", b"1"), (b"vary", b"Accept")

    assert (await call(public(Bench().guard, *headers))).headers == [*headers]


# --- what is raised through it


def raising(error: Exception, *, first: Callable[[Any], Any] | None = None) -> Application:
    """Return an application behind the middleware that raises, perhaps after it began to answer."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        if first is not None:
            await first(send)
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
async def test_a_failing_kratos_that_escapes_a_handler_is_a_503(error: Exception, retry_after: bytes) -> None:
    """An application that asks Kratos itself need not catch what is not its fault."""
    answered = await call(raising(error), headers=[SESSION_TOKEN])

    assert (answered.status, answered.error_id) == (503, "session_check_unavailable")
    assert answered.header(b"retry-after") == retry_after


async def test_an_error_of_the_applications_own_goes_through() -> None:
    """It is none of ours."""
    with pytest.raises(LookupError, match="own"):
        await call(raising(LookupError("own")), headers=[SESSION_TOKEN])


async def test_a_refusal_after_the_answer_began_goes_through() -> None:
    """Two answers to one request would be worse than an error."""

    async def begin(send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    with pytest.raises(SessionRequired):
        await call(raising(SessionRequired(), first=begin), headers=[SESSION_TOKEN])


async def test_a_refusal_after_a_websocket_was_accepted_closes_it() -> None:
    """There is no answer any more, and 1008 says that a policy was violated."""

    async def accept(send: Any) -> None:
        await send({"type": "websocket.accept"})

    sent = await connect(raising(SessionRequired(), first=accept), headers=[SESSION_TOKEN])

    assert sent[1:] == [{"type": "websocket.close", "code": 1008, "reason": ""}]


# --- start and stop


async def test_a_guard_is_closed_before_the_server_is_told_that_all_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What comes after is cancelled; a shutdown that failed closes it as well."""
    for end in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
        guard, order = Bench().guard, list[str]()
        messages: list[Any] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

        async def aclose(order: list[str] = order) -> None:
            order.append("closed")

        async def app(_scope: Any, receive: Any, send: Any, end: str = end) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": end})

        async def receive(messages: list[Any] = messages) -> Any:
            return messages.pop(0)

        async def send(message: Any, order: list[str] = order) -> None:
            order.append(message["type"])

        monkeypatch.setattr(guard, "aclose", aclose)
        await OrySessionMiddleware(app, guard=guard)({"type": "lifespan"}, receive, send)

        assert order == ["lifespan.startup.complete", "closed", end]


async def test_an_application_starts_and_stops_as_without_it() -> None:
    """The lifespan passes through, state included."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(2):
            message = await receive()
            seen.append(message["type"])
            await send({"type": message["type"] + ".complete"})

    async with LifespanManager(OrySessionMiddleware(app, guard=Bench().guard)):
        assert seen == ["lifespan.startup"]
    assert seen == ["lifespan.startup", "lifespan.shutdown"]


WRONG = [
    ({"kratos_public_url": "kratos:4433", "app_url": APP}, "kratos_public_url: 'kratos:4433' is not allowed"),
    ({"kratos_public_url": KRATOS}, "app_url is required"),
    ({}, "kratos_public_url is required"),
    ({"kratos_public_url": KRATOS, "app_url": APP, "ttl": 3}, "unknown setting ttl"),
    ({"guard": "a guard"}, "guard must be an OryGuard or a plain function that returns one (got 'a guard')"),
    (
        {"guard": guard_of(ScriptedKratos()), "timeout": 3},
        "was given a guard and also timeout: pass one or the other",
    ),
]


@pytest.mark.parametrize(("keywords", "text"), WRONG)
async def test_wrong_settings_stop_the_server_with_the_message(keywords: dict[str, Any], text: str) -> None:
    """The stack is built when the server starts, and that is when it has to fail; requests fail too."""
    app = OrySessionMiddleware(silent, **keywords)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(ConfigurationError) as caught:
        await app({"type": "lifespan"}, receive, send)

    assert text in str(caught.value)
    assert sent == [{"type": "lifespan.startup.failed", "message": str(caught.value)}]
    for again in (call, connect):
        with pytest.raises(ConfigurationError) as refusal:
            await again(app, headers=[SESSION_TOKEN])
        assert refusal.value is caught.value


async def test_settings_can_be_given_as_keywords() -> None:
    """The middleware then makes a guard of its own."""
    app = OrySessionMiddleware(public(Bench().guard), kratos_public_url=KRATOS, credentials=("bearer",))

    assert (await call(app)).json["outcome"] == "Anonymous"
