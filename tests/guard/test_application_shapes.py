"""Refusals get the right response in every kind of application, with any middlewares around the routes."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount
from support.asgi_calls import NAVIGATE, call, connect
from support.fastapi_applications import OURS, application, endpoint
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench
from support.scripted_kratos import APP, SESSION_ID, refused

from ory_guard import OryGuard, OrySessionMiddleware
from ory_guard.exceptions import OryGuardError, Refusal, SessionRequired
from ory_guard.fastapi import install, require_session

pytestmark = pytest.mark.anyio


Shape = Callable[[FastAPI], None]


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def routes_on(router: Any) -> None:
    router.add_api_route("/x", endpoint, methods=["GET"], dependencies=[Depends(require_session)])
    router.add_api_websocket_route("/ws", socket, dependencies=[Depends(require_session)])


def by_the_router(app: FastAPI) -> None:
    router = APIRouter(dependencies=[Depends(require_session)])
    router.add_api_route("/x", endpoint, methods=["GET"])
    router.add_api_websocket_route("/ws", socket)
    app.include_router(router)


def in_a_mounted_application(app: FastAPI) -> None:
    inner = FastAPI()
    routes_on(inner)
    app.mount("/", inner)


def mounted_twice(app: FastAPI) -> None:
    inner = FastAPI()
    in_a_mounted_application(inner)
    inner.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
    app.mount("/", inner)


async def pass_on(request: Request, call_next: Any) -> Any:
    """Do the minimum of an `@app.middleware("http")` function."""
    return await call_next(request)


class CatchAll:
    """Turns every error into a response, as logging and error middlewares do."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer 418 to whatever is raised."""
        try:
            await self.app(scope, receive, send)
        except Exception:  # noqa: BLE001 - the point of the middleware
            await PlainTextResponse("caught", status_code=418)(scope, receive, send)


SHAPES: list[Shape] = [routes_on, by_the_router, in_a_mounted_application, mounted_twice]
BETWEEN: dict[str, tuple[Any, dict[str, Any]] | None] = {
    "nothing": None,
    "BaseHTTPMiddleware": (BaseHTTPMiddleware, {"dispatch": pass_on}),
    "CORS": (CORSMiddleware, {"allow_origins": [APP], "allow_credentials": True}),
    "GZip": (GZipMiddleware, {"minimum_size": 10_000}),
    "except Exception": (CatchAll, {}),
}


def shaped(shape: Shape, between: str, guard: OryGuard, *, outside: bool = False) -> FastAPI:
    """Return an application with a middleware between ours and the routes, or around both."""
    app = FastAPI()
    middleware = BETWEEN[between]
    if outside:
        install(app, guard)
    if middleware is not None:
        app.add_middleware(middleware[0], **middleware[1])
    if not outside:
        install(app, guard)
    shape(app)
    return app


IN_EVERY_SHAPE = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
IN_BETWEEN = pytest.mark.parametrize("between", BETWEEN)
ON_EITHER_SIDE = pytest.mark.parametrize("outside", [False, True], ids=["inside ours", "around ours"])


@IN_EVERY_SHAPE
@IN_BETWEEN
@ON_EITHER_SIDE
async def test_request_gets_the_right_response(shape: Shape, between: str, outside: bool) -> None:
    """In every application, behind and in front of every middleware.

    A WebSocket gets a denial response if the server supports it, otherwise a close.
    """
    app = shaped(shape, between, Bench(refused(401)).guard, outside=outside)

    api = await call(app, "/x", headers=[SESSION_TOKEN, OURS])
    page = await call(app, "/x", headers=[NAVIGATE])
    start, _body = await connect(app, "/ws", headers=[SESSION_TOKEN])
    (close,) = await connect(app, "/ws", headers=[SESSION_TOKEN], denial=False)

    assert (api.status, api.error_id) == (401, "session_inactive")
    if between == "CORS":
        assert api.header(b"access-control-allow-origin") == APP.encode()
    assert (page.status, page.body) == (303, b"")
    assert (page.header(b"location") or b"").endswith(b"?return_to=https%3A%2F%2Fapp.example.com%2Fx")
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert (close["type"], close["code"]) == ("websocket.close", 1008)

    app = shaped(shape, between, Bench().guard, outside=outside)
    assert (await call(app, "/x", headers=[SESSION_TOKEN])).json == "in"
    sent = await connect(app, "/ws", headers=[SESSION_TOKEN])
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [(OryGuardError, b"own"), (Refusal, b"own"), (SessionRequired, b"own"), (401, None)],
    ids=["all errors", "all refusals", "one class", "HTTP exceptions"],
)
async def test_exception_handler_of_the_application_wins(kind: Any, body: bytes | None) -> None:
    """But not one for HTTP exceptions, which would drop `Location` and `WWW-Authenticate`."""
    app = application(Bench().guard)

    @app.exception_handler(kind)
    async def own(_request: Request, _error: Exception) -> PlainTextResponse:
        return PlainTextResponse("own", status_code=401)

    @app.get("/raised")
    async def raised() -> None:
        raise SessionRequired("Vote only once signed in.")

    for path, reason in (("/me", SessionRequired.default_reason), ("/raised", "Vote only once signed in.")):
        response = await call(app, path)
        assert response.status == 401
        assert response.body == body if body else response.json["error"]["reason"] == reason


async def test_websockets_get_their_session() -> None:
    """With a token from any page, with a cookie from a trusted origin; public websockets are open to all."""
    app = application(Bench().guard)

    for headers in ([SESSION_TOKEN], [SESSION_COOKIE, OURS]):
        assert SESSION_ID in (await connect(app, "/ws", headers=headers))[1]["text"]
    assert (await connect(app, "/ws", headers=[SESSION_COOKIE]))[0]["status"] == 403
    assert '"session":null' in (await connect(app, "/public", headers=[SESSION_COOKIE]))[1]["text"]


class Requiring:
    """A middleware that requires a session before the application runs."""

    def __init__(self, app: Any, guard: OryGuard) -> None:
        self.app, self.guard = app, guard

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Require a session, and pass the request on."""
        await self.guard.require(scope)
        await self.app(scope, receive, send)


async def home(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("home")


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("inner", [Starlette, FastAPI])
async def test_refusal_by_a_middleware_of_a_mounted_application_gets_its_response(
    inner: Any, debug: bool, depth: int
) -> None:
    """The mounted application makes a 500 of it, which the refusal replaces."""
    guard = Bench().guard
    app = inner(debug=debug, middleware=[Middleware(Requiring, guard=guard)])
    app.add_route("/", home)
    for _ in range(depth):
        app = Starlette(routes=[Mount("/", app)])
    app.add_middleware(OrySessionMiddleware, guard=guard)

    responses = [await call(app, headers=headers) for headers in ([], [NAVIGATE], [SESSION_TOKEN])]

    assert [response.status for response in responses] == [401, 303, 200]
    assert responses[0].error_id == "session_inactive"
    assert responses[1].all(b"location") != []
