"""`session_required`, `SessionRequiredMiddleware` and Starlette's `@requires`."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket
from support.asgi_calls import NAVIGATE, call, connect, run_lifespan
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench
from support.scripted_kratos import IDENTITY_ID, SESSION_ID, STEP_UP, aal2_session, refused, signed_in

from ory_guard import OrySessionMiddleware
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.requirements import ANY_SESSION
from ory_guard.starlette import SessionRequiredMiddleware, get_requirement, session_required

pytestmark = pytest.mark.anyio


@session_required
async def me(request: Request) -> Response:
    return PlainTextResponse(request.state.ory_session.id)


@session_required
def in_a_thread(request: Request) -> Response:
    return PlainTextResponse(request.user.identity)


@session_required(aal="aal2")
async def vault(request: Request) -> Response:
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
    await websocket.accept()
    await websocket.send_text(websocket.state.ory_session.id)
    await websocket.close()


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
    return PlainTextResponse("in")


@requires(["authenticated", "aal2"], status_code=404)
def hidden(request: Request) -> Response:
    return PlainTextResponse("in")


@session_required
async def double(number: int, request: Request) -> int:
    return 2 * number


async def by_keyword(request: Request) -> Response:
    return PlainTextResponse(str(await double(7, request=request)))


ROUTES = [
    Route("/keyword", by_keyword),
    Route("/me", me),
    Route("/thread", in_a_thread),
    Route("/vault", vault),
    Route("/profile", Profile),
    Route("/async-object", session_required(AsyncObject())),
    Route("/blocking-object", session_required(BlockingObject())),
    WebSocketRoute("/ws", socket),
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


# --- session_required


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/me", SESSION_ID),
        ("/thread", IDENTITY_ID),
        ("/profile", SESSION_ID),
        ("/async-object", IDENTITY_ID),
        ("/blocking-object", IDENTITY_ID),
        ("/keyword", "14"),
        ("/inner/me", SESSION_ID),
    ],
)
async def test_endpoint_runs_only_with_a_session(path: str, body: str) -> None:
    """Without one, an API client gets 401, and a browser is redirected to log in."""
    allowed = await call(application(), path, headers=[SESSION_TOKEN])
    refused_app = application(refused(401))
    response = await call(refused_app, path, headers=[SESSION_TOKEN])
    page = await call(refused_app, path, headers=[NAVIGATE])

    assert allowed.body == body.encode()
    assert (response.status, response.error_id) == (401, "session_inactive")
    assert page.status == 303
    assert path.replace("/", "%2F").encode() in (page.header(b"location") or b"")


async def test_websocket_is_rejected_before_it_is_accepted() -> None:
    assert (await connect(application(), "/ws", headers=[SESSION_TOKEN]))[1]["text"] == SESSION_ID
    start, _body = await connect(application(refused(401)), "/ws", headers=[SESSION_TOKEN])
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)


async def test_conditions_are_enforced() -> None:
    """By the decorator and by the middleware; other methods of an endpoint class stay public."""
    for app in (application(), protected(aal="aal2")):
        assert (await call(app, "/vault", headers=[SESSION_TOKEN])).error_id == "session_aal2_enrollment_required"
    assert (await call(application(signed_in(aal2_session())), "/vault", headers=[SESSION_TOKEN])).body == b"gold"
    assert (await call(application(refused(401)), "/profile", method="OPTIONS")).body == b"get"


def test_endpoint_without_request_parameter_is_rejected() -> None:
    with pytest.raises(ConfigurationError, match="has no parameter 'request' or 'websocket'"):

        @session_required
        async def nothing() -> None: ...


async def test_decorated_endpoint_raises_without_the_middleware() -> None:
    with pytest.raises(ConfigurationError, match="OrySessionMiddleware is not installed for this route"):
        await call(Starlette(routes=ROUTES), "/me", headers=[SESSION_TOKEN])


def test_decorated_endpoint_has_its_name_and_requirement() -> None:
    """Starlette names routes by it."""
    requirement = get_requirement(vault)

    assert me.__name__ == "me"
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
    coarse, hidden = [
        await call(application(kratos_response), path, headers=[SESSION_TOKEN]) for path in ("/coarse", "/hidden")
    ]

    assert (coarse.status, hidden.status) == (coarse_status, hidden_status)
    assert coarse.header(b"retry-after") == (b"1" if coarse_status == 503 else None)


# --- SessionRequiredMiddleware


def protected(kratos_response: Any = None, **options: Any) -> Starlette:
    return application(kratos_response, Middleware(SessionRequiredMiddleware, **options))


async def test_middleware_protects_every_path_that_is_not_public() -> None:
    """That includes endpoints without a decorator, and paths without a route. Public paths are exact."""
    app = protected(refused(401), public=("/public",))

    for path in ("/me", "/coarse", "/nowhere", "/public/else"):
        assert (await call(app, path, headers=[SESSION_TOKEN])).status == 401
    assert (await call(app, "/public")).status == 404
    start, _body = await connect(app, "/nowhere", headers=[SESSION_TOKEN])
    assert start["status"] == 401
    assert (await call(protected(), "/me", headers=[SESSION_COOKIE])).status == 200


def test_public_must_not_be_a_string() -> None:
    """Each letter of a string would be a path, and one of them is the start page."""
    with pytest.raises(ConfigurationError, match=r"public is a string: pass a list of paths, \['/health'\]"):
        SessionRequiredMiddleware(app=Starlette(), public="/health")


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

    await run_lifespan(protected(), sent, state={})

    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
