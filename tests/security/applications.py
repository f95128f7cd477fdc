"""The same routes as a plain ASGI application, a FastAPI and a Starlette application.

`/health` is public. `/aal2` requires a second factor, `/fresh` a login in the last 900 seconds, `/revalidate` a
call to Kratos, and every other path a session. `/ws` is a websocket; `/live` is a websocket that stays open for
five seconds while its session is watched. Each endpoint responds with the id of the identity.
"""

import asyncio
import json
from typing import Any, Final

from fastapi import Depends, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket as StarletteWebSocket

from ory_guard import OryGuard, OrySessionMiddleware
from ory_guard.fastapi import CurrentSession, install, require, require_session
from ory_guard.starlette import session_required

from .harness import Application

__all__ = ["KINDS", "application"]

KINDS: Final = ("asgi", "fastapi", "starlette")
_CONDITIONS: Final[dict[str, dict[str, Any]]] = {
    "/aal2": {"aal": "aal2"},
    "/fresh": {"max_age": 900},
    "/revalidate": {"revalidate": True},
}


def application(kind: str, guard: OryGuard) -> Application:
    """Return the application of one kind."""
    return {"asgi": _asgi, "fastapi": _fastapi, "starlette": _starlette}[kind](guard)


async def _stay_open(guard: OryGuard, websocket: StarletteWebSocket) -> None:
    await websocket.accept()
    async with guard.watch(websocket, every=0.05):
        await asyncio.sleep(5)


def _asgi(guard: OryGuard) -> Application:
    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/health":
            identity = None
        else:
            identity = (await guard.require(scope, **_CONDITIONS.get(scope["path"], {}))).identity.id
        if scope["path"] == "/live":
            await _stay_open(guard, StarletteWebSocket(scope, receive, send))
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": identity})
            await send({"type": "websocket.close", "code": 1000})
            return
        body = json.dumps({"identity": identity}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return OrySessionMiddleware(endpoint, guard=guard)


def _fastapi(guard: OryGuard) -> Application:
    app = FastAPI()
    install(app, guard)

    @app.get("/health")
    async def health() -> dict[str, None]:
        return {"identity": None}

    async def page(session: CurrentSession) -> dict[str, str]:
        return {"identity": session.identity.id}

    for path in (*_CONDITIONS, "/{x:path}"):
        dependency = require(**_CONDITIONS.get(path, {}))
        app.add_api_route(path, page, dependencies=[Depends(dependency)], methods=["GET", "POST"])

    @app.websocket("/ws")
    async def live(websocket: WebSocket, session: CurrentSession) -> None:
        await websocket.accept()
        await websocket.send_text(session.identity.id)

    @app.websocket("/live", dependencies=[Depends(require_session)])
    async def stay(websocket: WebSocket) -> None:
        await _stay_open(guard, websocket)

    return app


def _starlette(guard: OryGuard) -> Application:
    async def page(request: StarletteRequest) -> Response:
        return JSONResponse({"identity": request.state.ory_session.identity.id})

    async def health(_request: StarletteRequest) -> Response:
        return JSONResponse({"identity": None})

    @session_required
    async def live(websocket: StarletteWebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(websocket.state.ory_session.identity.id)

    @session_required
    async def stay(websocket: StarletteWebSocket) -> None:
        await _stay_open(guard, websocket)

    routes = [
        Route("/health", health),
        *(
            Route(path, session_required(**conditions)(page), methods=["GET", "POST"])
            for path, conditions in _CONDITIONS.items()
        ),
        WebSocketRoute("/ws", live),
        WebSocketRoute("/live", stay),
        Route("/{rest:path}", session_required(page), methods=["GET", "POST"]),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(OrySessionMiddleware, guard=guard)
    return app
