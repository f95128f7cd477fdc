"""Starlette without FastAPI: endpoints, `@requires`, whole applications."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket
from support.asgi_calls import NAVIGATE, CacheableOutcome, call, connect
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench
from support.stub_kratos import IDENTITY_ID, SESSION_ID, STEP_UP, aal2_session, refused, signed_in

from ory_guard import OrySessionMiddleware
from ory_guard.exceptions import ConfigurationError, SessionRequired
from ory_guard.guard.requirements import ANY_SESSION
from ory_guard.starlette import SessionRequiredMiddleware, get_requirement, session_required

pytestmark = pytest.mark.anyio


@session_required
async def me(request: Request) -> Response:
    """Answer who is there."""
    return PlainTextResponse(request.state.ory_session.id)


@session_required
def in_a_thread(request: Request) -> Response:
    """Answer from a thread."""
    return PlainTextResponse(request.user.identity)


@session_required(aal="aal2")
async def vault(request: Request) -> Response:
    """Answer with two factors only."""
    return PlainTextResponse("gold")


class Profile(HTTPEndpoint):
    """An endpoint with a guarded and a public method."""

    @session_required
    async def get(self, request: Request) -> Response:
        """Answer who is there."""
        return PlainTextResponse(request.state.ory_session.id)

    async def options(self, _request: Request) -> Response:
        """Answer everybody."""
        return PlainTextResponse("get")


@session_required
async def socket(websocket: WebSocket) -> None:
    """Talk to who is there."""
    await websocket.accept()
    await websocket.send_text(websocket.state.ory_session.id)
    await websocket.close()


class Chat(WebSocketEndpoint):
    """An endpoint that asks before it accepts."""

    @session_required
    async def on_connect(self, websocket: WebSocket) -> None:
        """Accept who is there."""
        await websocket.accept()


@requires("authenticated")
async def coarse(request: Request) -> Response:
    """Answer anybody with a session."""
    return PlainTextResponse("in")


@requires(["authenticated", "aal2"], status_code=404)
def hidden(request: Request) -> Response:
    """Answer with two factors, and hide from everybody else."""
    return PlainTextResponse("in")


ROUTES = [
    Route("/me", me),
    Route("/thread", in_a_thread),
    Route("/vault", vault),
    Route("/profile", Profile),
    WebSocketRoute("/ws", socket),
    WebSocketRoute("/chat", Chat),
    Route("/coarse", coarse),
    Route("/hidden", hidden),
]


def application(told: Any = None, *more: Middleware) -> Starlette:
    """Return an application whose Kratos answers so."""
    guard = Bench(told or signed_in()).guard
    return Starlette(
        routes=[*ROUTES, Mount("/inner", routes=ROUTES)],
        middleware=[Middleware(OrySessionMiddleware, guard=guard), *more],
    )


async def ask(path: str, told: Any = None, *headers: tuple[bytes, bytes]) -> CacheableOutcome:
    """Ask for a path, with a token unless other headers are given."""
    return await call(application(told), path, headers=headers or [SESSION_TOKEN])


# --- session_required


@pytest.mark.parametrize(
    ("path", "body"),
    [("/me", SESSION_ID), ("/thread", IDENTITY_ID), ("/profile", SESSION_ID), ("/inner/me", SESSION_ID)],
)
async def test_an_endpoint_runs_for_a_session(path: str, body: str) -> None:
    """Asynchronous or not, function or method, mounted or not."""
    assert (await ask(path)).body == body.encode()


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_an_object_can_be_an_endpoint(*, asynchronous: bool) -> None:
    """One that is called, in a thread where that blocks."""

    class Asynchronous:
        async def __call__(self, request: Request) -> Response:
            return PlainTextResponse(request.user.identity)

    class Blocking:
        def __call__(self, request: Request) -> Response:
            return PlainTextResponse(request.user.identity)

    endpoint = session_required(Asynchronous() if asynchronous else Blocking())
    app = Starlette(
        routes=[Route("/", endpoint)], middleware=[Middleware(OrySessionMiddleware, guard=Bench().guard)]
    )

    assert (await call(app, "/", headers=[SESSION_TOKEN])).body == IDENTITY_ID.encode()
    assert (await call(app, "/")).status == 401


@pytest.mark.parametrize("path", ["/me", "/thread", "/profile", "/vault", "/inner/me"])
async def test_an_endpoint_does_not_run_without_one(path: str) -> None:
    """A program is told, a person is led to the login."""
    answered = await ask(path, refused(401))
    page = await ask(path, refused(401), NAVIGATE)

    assert (answered.status, answered.error_id) == (401, "session_inactive")
    assert page.status == 303
    assert path.replace("/", "%2F").encode() in (page.header(b"location") or b"")


async def test_conditions_are_those_of_a_gate() -> None:
    """As in FastAPI's `require`."""
    assert (await ask("/vault")).error_id == "session_aal2_enrollment_required"
    assert (await ask("/vault", signed_in(aal2_session()))).body == b"gold"


async def test_only_the_decorated_method_is_guarded() -> None:
    """The rest of the endpoint stays as it was."""
    app = application(refused(401))

    assert (await call(app, "/profile", method="OPTIONS")).body == b"get"


async def test_websockets() -> None:
    """Functions and endpoint classes, before they accept."""
    assert (await connect(application(), "/ws", headers=[SESSION_TOKEN]))[1]["text"] == SESSION_ID
    assert (await connect(application(), "/chat", headers=[SESSION_TOKEN]))[0]["type"] == "websocket.accept"
    for path in ("/ws", "/chat", "/inner/ws"):
        start, _body = await connect(application(refused(401)), path, headers=[SESSION_TOKEN])
        assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)


async def test_keyword_arguments_work_too() -> None:
    """A wrapper around the endpoint may call it by name."""

    @session_required
    async def named(first: int, request: Request) -> int:
        return first

    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(str(await named(7, request=request)))

    guard = Bench().guard
    app = Starlette(routes=[Route("/", endpoint)], middleware=[Middleware(OrySessionMiddleware, guard=guard)])
    assert (await call(app, headers=[SESSION_TOKEN])).body == b"7"


def test_what_takes_no_request_cannot_be_guarded() -> None:
    """It is told where it is decorated."""
    with pytest.raises(ConfigurationError, match="has no parameter 'request' or 'websocket'"):

        @session_required
        async def nothing() -> None: ...


def test_a_condition_without_a_meaning_is_told_where_it_is_written() -> None:
    """At import."""
    with pytest.raises(ConfigurationError, match="aal: 'aal3'"):
        session_required(aal="aal3")  # type: ignore[call-overload] # the point of the test


async def test_without_the_middleware_it_is_no_open_door() -> None:
    """It says how to mend the set-up."""
    with pytest.raises(ConfigurationError, match="OrySessionMiddleware is not installed for this route"):
        await call(Starlette(routes=ROUTES), "/me", headers=[SESSION_TOKEN])


async def test_a_decorated_endpoint_keeps_its_name() -> None:
    """Routes are named by it."""
    assert me.__name__ == "me"


def test_an_audit_can_see_what_an_endpoint_asks_for() -> None:
    """And that an undecorated one asks for nothing."""
    requirement = get_requirement(vault)

    assert get_requirement(me) is ANY_SESSION
    assert requirement is not None
    assert requirement.aal == "aal2"
    assert get_requirement(hidden) is None


# --- Starlette's own


@pytest.mark.parametrize(
    ("told", "coarse_status", "hidden_status"),
    [
        (signed_in(), 200, 404),
        (signed_in(aal2_session()), 200, 200),
        (refused(401), 403, 404),
        (STEP_UP, 403, 404),
        (refused(500), 503, 503),
    ],
)
async def test_requires_makes_coarse_checks(told: Any, coarse_status: int, hidden_status: int) -> None:
    """`authenticated`, `aal1`, `aal2`; and not knowing is a 503, never a 403."""
    assert (await ask("/coarse", told)).status == coarse_status
    assert (await ask("/hidden", told)).status == hidden_status


async def test_requires_says_when_to_come_again() -> None:
    """As every 503 of ours."""
    answered = await ask("/coarse", refused(500))

    assert (answered.error_id, answered.header(b"retry-after")) == ("session_check_unavailable", b"1")


# --- whole applications


def closed(told: Any, **options: Any) -> Starlette:
    """Return an application where no is the default."""
    return application(told, Middleware(SessionRequiredMiddleware, **options))


async def test_a_default_of_no_reaches_everything() -> None:
    """Also what no decorator stands on, and paths that are not there."""
    app = closed(refused(401))

    for path in ("/me", "/coarse", "/nowhere"):
        assert (await call(app, path, headers=[SESSION_TOKEN])).status == 401
    start, _body = await connect(app, "/nowhere", headers=[SESSION_TOKEN])
    assert start["status"] == 401


async def test_a_default_of_no_has_exceptions() -> None:
    """Exact paths, and no others."""
    app = closed(refused(401), public=("/nowhere",))

    assert (await call(app, "/nowhere")).status == 404
    assert (await call(app, "/nowhere/else")).status == 401


def test_one_public_path_is_a_list_of_one() -> None:
    """A string would be its letters, of which one is the start page."""
    with pytest.raises(ConfigurationError, match=r"public is a string: pass a list of paths, \['/health'\]"):
        SessionRequiredMiddleware(Starlette(), public="/health")


async def test_a_default_may_ask_for_more() -> None:
    """Any condition of a gate."""
    app = closed(None, aal="aal2")

    assert (await call(app, "/me", headers=[SESSION_TOKEN])).error_id == "session_aal2_enrollment_required"
    assert (await call(closed(None), "/me", headers=[SESSION_COOKIE])).status == 200


async def test_a_default_of_no_lets_the_lifespan_through() -> None:
    """An application can start."""
    sent: list[Any] = []
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await closed(None)({"type": "lifespan", "state": {}}, receive, send)

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_refusal_of_the_applications_own_is_answered() -> None:
    """Without a gate that arranged for it."""

    async def endpoint(_request: Request) -> Response:
        raise SessionRequired

    guard = Bench().guard
    app = Starlette(routes=[Route("/", endpoint)], middleware=[Middleware(OrySessionMiddleware, guard=guard)])

    assert (await call(app, headers=[SESSION_TOKEN])).status == 401
