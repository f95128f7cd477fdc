"""Refusals get the right response in every kind of application, with any middlewares around the routes."""

import asyncio
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
from starlette.routing import Mount, Route
from support.asgi_calls import NAVIGATE, call, connect, http_scope
from support.fastapi_applications import OURS, application, endpoint
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench
from support.scripted_kratos import APP, SESSION_ID, refused

from ory_guard import OryGuard, OrySessionMiddleware
from ory_guard.exceptions import OryGuardError, Refusal, SessionRequired
from ory_guard.fastapi import install, require_session

pytestmark = pytest.mark.anyio


Shape = Callable[[FastAPI], None]


async def socket(websocket: WebSocket) -> None:
    """Accept the websocket."""
    await websocket.accept()
    await websocket.close()


def routes_on(router: Any) -> None:
    """Guard two routes by dependencies of their own."""
    router.add_api_route("/x", endpoint, methods=["GET"], dependencies=[Depends(require_session)])
    router.add_api_websocket_route("/ws", socket, dependencies=[Depends(require_session)])


def plainly(app: FastAPI) -> None:
    """Routes of the application itself."""
    routes_on(app)


def in_a_router(app: FastAPI) -> None:
    """Routes of an included router."""
    router = APIRouter(prefix="")
    routes_on(router)
    app.include_router(router)


def by_the_router(app: FastAPI) -> None:
    """Routes of a router with dependencies for all of them."""
    router = APIRouter(dependencies=[Depends(require_session)])
    router.add_api_route("/x", endpoint, methods=["GET"])
    router.add_api_websocket_route("/ws", socket)
    app.include_router(router)


def in_a_mounted_application(app: FastAPI) -> None:
    """Routes of a mounted application without a middleware."""
    inner = FastAPI()
    routes_on(inner)
    app.mount("/", inner)


def mounted_twice(app: FastAPI) -> None:
    """Routes of an application that is mounted twice, with a middleware."""
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


SHAPES: list[Shape] = [plainly, in_a_router, by_the_router, in_a_mounted_application, mounted_twice]
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
async def test_refusal_gets_the_right_response(shape: Shape, between: str, outside: bool) -> None:
    """As an API call and as a navigation, in every application, behind and in front of every middleware."""
    bench = Bench(refused(401))
    app = shaped(shape, between, bench.guard, outside=outside)

    api = await call(app, "/x", headers=[SESSION_TOKEN, OURS])
    page = await call(app, "/x", headers=[NAVIGATE])

    assert (api.status, api.error_id) == (401, "session_inactive")
    assert (page.status, page.body) == (303, b"")
    assert (page.header(b"location") or b"").endswith(b"?return_to=https%3A%2F%2Fapp.example.com%2Fx")
    if between == "CORS":
        assert api.header(b"access-control-allow-origin") == APP.encode()


@IN_EVERY_SHAPE
@IN_BETWEEN
@ON_EITHER_SIDE
async def test_websocket_refusal_gets_the_right_response(shape: Shape, between: str, outside: bool) -> None:
    """A denial response if the server supports it, otherwise a close."""
    app = shaped(shape, between, Bench(refused(401)).guard, outside=outside)

    start, _body = await connect(app, "/ws", headers=[SESSION_TOKEN])
    (close,) = await connect(app, "/ws", headers=[SESSION_TOKEN], denial=False)

    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert (close["type"], close["code"]) == ("websocket.close", 1008)


@IN_EVERY_SHAPE
@IN_BETWEEN
async def test_authenticated_request_is_allowed_in_every_application(shape: Shape, between: str) -> None:
    app = shaped(shape, between, Bench().guard)

    assert (await call(app, "/x", headers=[SESSION_TOKEN])).json == "in"
    sent = await connect(app, "/ws", headers=[SESSION_TOKEN])
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]


@pytest.mark.parametrize("kind", [OryGuardError, Refusal, SessionRequired])
async def test_exception_handler_of_the_application_wins(kind: type[OryGuardError]) -> None:
    """For all errors, for all refusals, or for one class."""
    app = application(Bench(refused(401)).guard)

    @app.exception_handler(kind)
    async def own(_request: Request, refusal: Refusal) -> PlainTextResponse:
        return PlainTextResponse(refusal.code, status_code=refusal.status_code)

    answered = await call(app, "/me", headers=[SESSION_TOKEN])

    assert (answered.status, answered.body) == (401, b"session_inactive")


async def test_handler_for_http_exceptions_does_not_handle_refusals() -> None:
    """Applications replace it, and would drop `Location` and `WWW-Authenticate`."""
    app = application(Bench(refused(401)).guard)

    @app.exception_handler(401)
    async def own(_request: Request, _error: Exception) -> PlainTextResponse:
        return PlainTextResponse("own", status_code=401)

    assert (await call(app, "/me", headers=[SESSION_TOKEN])).error_id == "session_inactive"


async def test_refusal_that_a_handler_raises_gets_a_response() -> None:
    app = FastAPI()
    install(app, Bench().guard)

    @app.get("/")
    async def own() -> None:
        raise SessionRequired("Vote only once signed in.")

    answered = await call(app, headers=[SESSION_TOKEN])

    assert (answered.status, answered.json["error"]["reason"]) == (401, "Vote only once signed in.")


async def test_websockets_get_their_session() -> None:
    """With a token from any page, with a cookie from a trusted origin; public websockets are open to all."""
    app = application(Bench().guard)

    for headers in ([SESSION_TOKEN], [SESSION_COOKIE, OURS]):
        assert SESSION_ID in (await connect(app, "/ws", headers=headers))[1]["text"]
    assert (await connect(app, "/ws", headers=[SESSION_COOKIE]))[0]["status"] == 403
    assert '"session":null' in (await connect(app, "/public", headers=[SESSION_COOKIE]))[1]["text"]


class Asks:
    """A middleware that requires a session before the application runs, and may handle the refusal itself."""

    def __init__(self, app: Any, guard: OryGuard, then: Callable[[Refusal], None] | None = None) -> None:
        self.app, self.guard, self.then = app, guard, then

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Ask, and pass on."""
        try:
            await self.guard.require(scope)
        except Refusal as refusal:
            if self.then is None:
                raise
            self.then(refusal)
        await self.app(scope, receive, send)


def mounts(guard: OryGuard, inner: Any, depth: int = 1) -> Starlette:
    """Return an application that mounts `inner` at this depth, with our middleware around everything."""
    for _ in range(depth - 1):
        inner = Starlette(routes=[Mount("/", inner)])
    return Starlette(routes=[Mount("/", inner)], middleware=[Middleware(OrySessionMiddleware, guard=guard)])


async def home(_request: Request) -> PlainTextResponse:
    """Respond."""
    return PlainTextResponse("home")


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("inner", [Starlette, FastAPI])
async def test_refusal_by_a_middleware_of_a_mounted_application_gets_its_response(
    inner: Any, debug: bool, depth: int
) -> None:
    """The mounted application makes a 500 of it, which the refusal replaces."""
    guard = Bench().guard
    mounted = inner(debug=debug, middleware=[Middleware(Asks, guard=guard)])
    mounted.add_route("/", home)
    app = mounts(guard, mounted, depth)

    answers = [await call(app, headers=headers) for headers in ([], [NAVIGATE], [SESSION_TOKEN])]

    assert [answered.status for answered in answers] == [401, 303, 200]
    assert answers[0].error_id == "session_inactive"
    assert answers[1].all(b"location") != []
    assert answers[2].body == b"home"


def fail(_refusal: Refusal) -> None:
    """Raise an error that is not related to the refusal."""
    raise ValueError("a defect")


def fail_because(refusal: Refusal) -> None:
    """Raise an error whose cause is the refusal."""
    raise ValueError("a defect") from refusal


@pytest.mark.parametrize("then", [fail, fail_because])
@pytest.mark.parametrize("headers", [[], [(b"x-session-token", b"unknown")]], ids=["anonymous", "unknown"])
async def test_defect_after_a_handled_refusal_stays_a_500(then: Any, headers: Any) -> None:
    """The 500 is about the defect, and the error reaches the server."""
    guard = Bench(refused()).guard
    app = mounts(guard, Starlette(middleware=[Middleware(Asks, guard=guard, then=then)]))
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(ValueError, match="a defect"):
        await app(http_scope(headers=headers), receive_nothing, send)

    assert [message.get("status") for message in sent] == [500, None]


async def receive_nothing() -> Any:
    """Send nothing, like a silent client."""
    await asyncio.Event().wait()


async def test_other_status_after_a_handled_refusal_is_kept() -> None:
    """A page may show other content to anonymous users."""
    guard = Bench().guard
    app = mounts(
        guard, Starlette(middleware=[Middleware(Asks, guard=guard, then=lambda _: None)], routes=[Route("/", home)])
    )

    assert (await call(app)).body == b"home"
