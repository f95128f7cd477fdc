"""A FastAPI and a Starlette application with a route of each kind, and the expected requirements."""

import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, WebSocket
from fastapi.requests import HTTPConnection
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles

from ory_guard import Session
from ory_guard.fastapi import CurrentIdentity, CurrentSession, OptionalSession, require, require_session
from ory_guard.guard.guard import get_guard
from ory_guard.guard.requirements import Requirement
from ory_guard.starlette import SessionRequiredMiddleware, session_required

INSIDE_MIDDLEWARE = Middleware(SessionRequiredMiddleware, public=["/inside/open", "/inside/static/logo.svg"])


async def hello(request: Request) -> Response:
    """Respond without a check."""
    return PlainTextResponse("hello")


async def hello_live(websocket: Any) -> None:
    """Accept the connection without a check."""
    await websocket.accept()
    await websocket.close()


async def foreign(scope: Any, receive: Any, send: Any) -> None:
    """Act as an application of another framework."""
    await PlainTextResponse("hello")(scope, receive, send)


members = session_required(hello)


class CustomDependency:
    """A custom dependency that declares its requirement."""

    requirement = Requirement(aal="aal2", max_age=300)

    async def __call__(self, connection: HTTPConnection) -> Session:
        """Call the guard in its own code."""
        return await get_guard(connection.scope).require(connection, aal="aal2", max_age=300)


async def requires_session(session: CurrentSession) -> str:
    """Return the session id."""
    return session.id


async def requires_session_in_code(connection: HTTPConnection) -> None:
    """Call the guard without declaring the requirement, so the audit can't see it."""
    await get_guard(connection.scope).require(connection)


def shop(files: Path) -> FastAPI:
    """Return a FastAPI application with a route of each kind."""
    app = FastAPI()

    @app.get("/open")
    @app.get("/by-aal", dependencies=[Depends(require(aal="aal2", max_age=300))])
    @app.get("/by-custom-dependency", dependencies=[Depends(CustomDependency())])
    async def page() -> str:
        return "hello"

    @app.post("/identity")
    async def identity(identity: CurrentIdentity) -> str:
        return identity.id

    @app.get("/maybe")
    async def maybe(session: OptionalSession) -> str:
        return "anonymous" if session is None else session.id

    @app.get("/below")
    async def below(name: Annotated[str, Depends(requires_session)]) -> str:
        return name

    @app.delete("/decorated")
    @session_required
    async def decorated(request: Request) -> str:
        return "hello"

    @app.websocket("/live")
    async def live(websocket: WebSocket, session: CurrentSession) -> None:
        await hello_live(websocket)

    app.include_router(orders(files), prefix="/orders", dependencies=[Depends(require(verified="email"))])
    app.include_router(orders(files), prefix="/open-orders")
    app.frontend("/site", directory=files)
    app.mount("/inner", inner())
    app.mount("/foreign", foreign)
    return app


def orders(files: Path) -> APIRouter:
    """Return a router with a route of each kind, all of them open."""
    router, nested = APIRouter(), APIRouter()

    @nested.get("/{number}")
    async def order(number: str) -> str:
        return number

    @nested.websocket("/live/{number}")
    async def live(websocket: WebSocket, number: str) -> None:
        await hello_live(websocket)

    router.include_router(nested, prefix="/by-number")
    router.add_route("/plain", hello)
    router.mount("/files", StaticFiles(directory=files))
    router.frontend("/pages", directory=files)
    return router


def inner() -> FastAPI:
    """Return an application with a requirement for all routes."""
    app = FastAPI(dependencies=[Depends(require_session)], openapi_url=None)

    @app.get("/page")
    async def page() -> str:
        return "hello"

    return app


SHOP = {
    "GET /open": "nothing",
    "GET /by-aal": "aal2, max age 300 s",
    "GET /by-custom-dependency": "aal2, max age 300 s",
    "POST /identity": "session",
    "GET /maybe": "nothing",
    "GET /below": "session",
    "DELETE /decorated": "session",
    "WEBSOCKET /live": "session",
    "GET /orders/by-number/{number}": "session, verified email",
    "WEBSOCKET /orders/by-number/live/{number}": "session, verified email",
    "GET /orders/plain": "nothing",
    "* /orders/files/{path:path}": "nothing",
    "GET /orders/pages/{path:path}": "session, verified email",
    "GET /open-orders/by-number/{number}": "nothing",
    "WEBSOCKET /open-orders/by-number/live/{number}": "nothing",
    "GET /open-orders/plain": "nothing",
    "* /open-orders/files/{path:path}": "nothing",
    "GET /open-orders/pages/{path:path}": "nothing",
    "GET /site/{path:path}": "nothing",
    "GET /inner/page": "session",
    "* /foreign/{path:path}": "nothing",
}


class Handlers(HTTPEndpoint):
    """An endpoint class with one protected handler."""

    async def get(self, request: Request) -> Response:
        """Respond without a check."""
        return PlainTextResponse("hello")

    @session_required(max_age=60)
    async def post(self, request: Request) -> Response:
        """Respond to users with a recent login."""
        return PlainTextResponse("hello")


class GuardedSocket(WebSocketEndpoint):
    """A websocket endpoint class with a protected `on_connect`."""

    @session_required
    async def on_connect(self, websocket: Any) -> None:
        """Accept the connection."""
        await websocket.accept()
        await websocket.close()


class OpenSocket(WebSocketEndpoint):
    """A websocket endpoint class without a requirement."""

    async def on_connect(self, websocket: Any) -> None:
        """Accept the connection without a check."""
        await hello_live(websocket)


def library(_files: Path) -> Starlette:
    """Return a Starlette application with a route of each kind."""
    only_members = Middleware(SessionRequiredMiddleware, aal="aal1")
    routes: list[BaseRoute] = [
        Route("/open", hello),
        Route("/members", members),
        Route("/partial", functools.partial(members)),
        Route("/method", Librarian().desk),
        Route("/handlers", Handlers),
        Route("/around", hello, middleware=[Middleware(GZipMiddleware), only_members]),
        Route("/wrapped", around(members)),
        Route("/by-scope", requires("authenticated", status_code=401)(hello)),
        WebSocketRoute("/live", OpenSocket),
        WebSocketRoute("/members/live", GuardedSocket),
        WebSocketRoute("/function/live", hello_live),
        Mount("/mounted", routes=[Route("/page", hello)], middleware=[only_members]),
        Mount("/router", app=Router([Route("/page", hello)], middleware=[only_members])),
        Mount("/inside", app=Starlette(routes=inside(), middleware=[INSIDE_MIDDLEWARE])),
        Host("api.example.com", app=Router([Route("/page", members)])),
    ]
    return Starlette(routes=routes)


def inside() -> list[BaseRoute]:
    """Return routes for a middleware with the public paths `/inside/open` and `/inside/static/logo.svg`."""
    return [Route("/open", members), Route("/page", hello), Mount("/static", foreign), Route("/{name}", hello)]


class Librarian:
    """A class with a method that is an endpoint."""

    @session_required
    async def desk(self, request: Request) -> Response:
        """Respond."""
        return PlainTextResponse("hello")


def around(endpoint: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    """Wrap an endpoint in a decorator that does not always call it."""

    @functools.wraps(endpoint)
    async def wrapped(request: Request) -> Response:
        return PlainTextResponse("from a cache") if request.url.query else await endpoint(request)

    return wrapped


LIBRARY = {
    "GET /open": "nothing",
    "GET /members": "session",
    "GET /partial": "session",
    "GET /method": "session",
    "GET /handlers": "nothing",
    "POST /handlers": "session, max age 60 s",
    "GET /around": "aal1",
    "GET /wrapped": "nothing",
    "GET /by-scope": "nothing",
    "WEBSOCKET /live": "nothing",
    "WEBSOCKET /members/live": "session",
    "WEBSOCKET /function/live": "nothing",
    "GET /mounted/page": "aal1",
    "GET /router/page": "aal1",
    "GET /inside/open": "session",
    "GET /inside/page": "session",
    "* /inside/static/{path:path}": "nothing",
    "GET /inside/{name}": "nothing",
    "GET api.example.com/page": "session",
}
