"""`session_required`, `SessionRequiredMiddleware` and Starlette's `@requires`."""

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
from support.asgi_calls import NAVIGATE, SentResponse, call, connect
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench
from support.scripted_kratos import IDENTITY_ID, SESSION_ID, STEP_UP, aal2_session, refused, signed_in

from ory_guard import OrySessionMiddleware
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.requirements import ANY_SESSION
from ory_guard.starlette import SessionRequiredMiddleware, get_requirement, session_required

pytestmark = pytest.mark.anyio


@session_required
async def me(request: Request) -> Response:
    """Respond with the session id."""
    return PlainTextResponse(request.state.ory_session.id)


@session_required
def in_a_thread(request: Request) -> Response:
    """Respond with the identity id from a thread."""
    return PlainTextResponse(request.user.identity)


@session_required(aal="aal2")
async def vault(request: Request) -> Response:
    """Respond to sessions with two factors."""
    return PlainTextResponse("gold")


class Profile(HTTPEndpoint):
    """An endpoint with a protected and a public method."""

    @session_required
    async def get(self, request: Request) -> Response:
        """Respond with the session id."""
        return PlainTextResponse(request.state.ory_session.id)

    async def options(self, _request: Request) -> Response:
        """Respond without a check."""
        return PlainTextResponse("get")


@session_required
async def socket(websocket: WebSocket) -> None:
    """Send the session id."""
    await websocket.accept()
    await websocket.send_text(websocket.state.ory_session.id)
    await websocket.close()


class Chat(WebSocketEndpoint):
    """A websocket endpoint with a protected `on_connect`."""

    @session_required
    async def on_connect(self, websocket: WebSocket) -> None:
        """Accept the connection."""
        await websocket.accept()


class AsyncObject:
    """An object with an async `__call__`."""

    async def __call__(self, request: Request) -> Response:
        """Respond with the identity id."""
        return PlainTextResponse(request.user.identity)


class BlockingObject:
    """An object with a blocking `__call__`."""

    def __call__(self, request: Request) -> Response:
        """Respond with the identity id."""
        return PlainTextResponse(request.user.identity)


@requires("authenticated")
async def coarse(request: Request) -> Response:
    """Respond to any session."""
    return PlainTextResponse("in")


@requires(["authenticated", "aal2"], status_code=404)
def hidden(request: Request) -> Response:
    """Respond to sessions with two factors, otherwise with 404."""
    return PlainTextResponse("in")


ROUTES = [
    Route("/me", me),
    Route("/thread", in_a_thread),
    Route("/vault", vault),
    Route("/profile", Profile),
    Route("/async-object", session_required(AsyncObject())),
    Route("/blocking-object", session_required(BlockingObject())),
    WebSocketRoute("/ws", socket),
    WebSocketRoute("/chat", Chat),
    Route("/coarse", coarse),
    Route("/hidden", hidden),
]


def application(kratos_response: Any = None, *more: Middleware) -> Starlette:
    """Return an application whose Kratos sends this response, a session by default."""
    guard = Bench(kratos_response or signed_in()).guard
    return Starlette(
        routes=[*ROUTES, Mount("/inner", routes=ROUTES)],
        middleware=[Middleware(OrySessionMiddleware, guard=guard), *more],
    )


def with_endpoint(endpoint: Any) -> Starlette:
    """Return an application with one endpoint."""
    guard = Bench().guard
    return Starlette(routes=[Route("/", endpoint)], middleware=[Middleware(OrySessionMiddleware, guard=guard)])


async def get(path: str, kratos_response: Any = None, *headers: tuple[bytes, bytes]) -> SentResponse:
    """Send a request to the application, with a token unless other headers are given."""
    return await call(application(kratos_response), path, headers=headers or [SESSION_TOKEN])


# --- session_required


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/me", SESSION_ID),
        ("/thread", IDENTITY_ID),
        ("/profile", SESSION_ID),
        ("/async-object", IDENTITY_ID),
        ("/blocking-object", IDENTITY_ID),
        ("/inner/me", SESSION_ID),
    ],
)
async def test_endpoint_runs_with_a_session(path: str, body: str) -> None:
    assert (await get(path)).body == body.encode()


@pytest.mark.parametrize(
    "path", ["/me", "/thread", "/profile", "/vault", "/async-object", "/blocking-object", "/inner/me"]
)
async def test_endpoint_does_not_run_without_a_session(path: str) -> None:
    """An API client gets 401, a browser is redirected to log in."""
    response = await get(path, refused(401))
    page = await get(path, refused(401), NAVIGATE)

    assert (response.status, response.error_id) == (401, "session_inactive")
    assert page.status == 303
    assert path.replace("/", "%2F").encode() in (page.header(b"location") or b"")


async def test_conditions_are_enforced() -> None:
    assert (await get("/vault")).error_id == "session_aal2_enrollment_required"
    assert (await get("/vault", signed_in(aal2_session()))).body == b"gold"


async def test_other_methods_of_an_endpoint_class_stay_public() -> None:
    assert (await call(application(refused(401)), "/profile", method="OPTIONS")).body == b"get"


async def test_websocket_is_rejected_before_it_is_accepted() -> None:
    assert (await connect(application(), "/ws", headers=[SESSION_TOKEN]))[1]["text"] == SESSION_ID
    assert (await connect(application(), "/chat", headers=[SESSION_TOKEN]))[0]["type"] == "websocket.accept"
    for path in ("/ws", "/chat", "/inner/ws"):
        start, _body = await connect(application(refused(401)), path, headers=[SESSION_TOKEN])
        assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)


async def test_request_can_be_passed_by_keyword() -> None:
    @session_required
    async def double(number: int, request: Request) -> int:
        return 2 * number

    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(str(await double(7, request=request)))

    assert (await call(with_endpoint(endpoint), headers=[SESSION_TOKEN])).body == b"14"


def test_endpoint_without_request_parameter_is_rejected() -> None:
    with pytest.raises(ConfigurationError, match="has no parameter 'request' or 'websocket'"):

        @session_required
        async def nothing() -> None: ...


def test_invalid_condition_is_rejected_by_the_decorator() -> None:
    with pytest.raises(ConfigurationError, match="aal: 'aal3'"):
        session_required(aal="aal3")  # type: ignore[call-overload] # the point of the test


async def test_decorated_endpoint_raises_without_the_middleware() -> None:
    with pytest.raises(ConfigurationError, match="OrySessionMiddleware is not installed for this route"):
        await call(Starlette(routes=ROUTES), "/me", headers=[SESSION_TOKEN])


def test_decorated_endpoint_keeps_its_name() -> None:
    """Starlette names routes by it."""
    assert me.__name__ == "me"


def test_get_requirement_returns_the_requirement_of_an_endpoint() -> None:
    requirement = get_requirement(vault)

    assert get_requirement(me) is ANY_SESSION
    assert requirement is not None
    assert requirement.aal == "aal2"
    assert get_requirement(hidden) is None


# --- Starlette's `@requires`


@pytest.mark.parametrize(
    ("kratos_response", "coarse_status", "hidden_status"),
    [
        (signed_in(), 200, 404),
        (signed_in(aal2_session()), 200, 200),
        (refused(401), 403, 404),
        (STEP_UP, 403, 404),
        (refused(500), 503, 503),
    ],
)
async def test_requires_checks_scopes(kratos_response: Any, coarse_status: int, hidden_status: int) -> None:
    """The scopes are `authenticated`, `aal1` and `aal2`; if Kratos fails, the status is 503, not 403."""
    assert (await get("/coarse", kratos_response)).status == coarse_status
    assert (await get("/hidden", kratos_response)).status == hidden_status


async def test_requires_sends_retry_after_if_kratos_fails() -> None:
    response = await get("/coarse", refused(500))

    assert (response.error_id, response.header(b"retry-after")) == ("session_check_unavailable", b"1")


# --- SessionRequiredMiddleware


def protected(kratos_response: Any, **options: Any) -> Starlette:
    """Return an application with the middleware."""
    return application(kratos_response, Middleware(SessionRequiredMiddleware, **options))


async def test_middleware_protects_every_path() -> None:
    """That includes endpoints without a decorator, and paths without a route."""
    app = protected(refused(401))

    for path in ("/me", "/coarse", "/nowhere"):
        assert (await call(app, path, headers=[SESSION_TOKEN])).status == 401
    start, _body = await connect(app, "/nowhere", headers=[SESSION_TOKEN])
    assert start["status"] == 401


async def test_public_paths_are_compared_exactly() -> None:
    app = protected(refused(401), public=("/nowhere",))

    assert (await call(app, "/nowhere")).status == 404
    assert (await call(app, "/nowhere/else")).status == 401


def test_public_must_not_be_a_string() -> None:
    """Each letter of a string would be a path, and one of them is the start page."""
    with pytest.raises(ConfigurationError, match=r"public is a string: pass a list of paths, \['/health'\]"):
        SessionRequiredMiddleware(app=Starlette(), public="/health")


async def test_middleware_enforces_conditions() -> None:
    app = protected(None, aal="aal2")

    assert (await call(app, "/me", headers=[SESSION_TOKEN])).error_id == "session_aal2_enrollment_required"
    assert (await call(protected(None), "/me", headers=[SESSION_COOKIE])).status == 200


METADATA = "https://api.example.com/.well-known/oauth-protected-resource/mcp"


@pytest.mark.parametrize("metadata", [None, METADATA])
async def test_challenge_names_the_resource_metadata(metadata: str | None) -> None:
    """RFC 9728, section 5.1: an MCP client finds its authorization server there."""
    required = Middleware(SessionRequiredMiddleware, resource_metadata=metadata)
    app = Starlette(middleware=[Middleware(OrySessionMiddleware, guard=Bench().guard), required])

    answered = await call(app, headers=[(b"sec-fetch-mode", b"cors")])

    parameter = f', resource_metadata="{metadata}"' if metadata else ""
    assert (answered.header(b"www-authenticate") or b"").decode() == f'Bearer realm="ory_guard"{parameter}'


@pytest.mark.parametrize(
    "url", ["", "/metadata", "ftp://x", METADATA + '"', METADATA + "\\", METADATA + "\r\nx: y", METADATA + "é"]
)
def test_invalid_resource_metadata_is_rejected(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"resource_metadata: .* is not allowed"):
        SessionRequiredMiddleware(Starlette(), resource_metadata=url)


async def test_middleware_forwards_the_lifespan() -> None:
    sent: list[Any] = []
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await protected(None)({"type": "lifespan", "state": {}}, receive, send)

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
