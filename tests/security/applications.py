"""The same routes three times: on the guard alone, with FastAPI and with Starlette.

`/p` and every other path ask for a session, `/aal2` for a second factor, `/fresh` for a sign-in at most 900
seconds ago, `/health` for nothing; `/ws` is a websocket. Each endpoint names the identity that it was given. The
websocket `/live` is watched, and stays open for five seconds.
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
from ory_guard.fastapi import CurrentSession, install, require_aal, require_fresh, require_session
from ory_guard.starlette import session_required

from .harness import Application

__all__ = ["KINDS", "application"]

KINDS: Final = ("guard", "fastapi", "starlette")


def application(kind: str, guard: OryGuard) -> Application:
    """Return the application of one kind."""
    return {"guard": _alone, "fastapi": _with_fastapi, "starlette": _with_starlette}[kind](guard)


async def _stay(guard: OryGuard, websocket: StarletteWebSocket) -> None:
    await websocket.accept()
    async with guard.watch(websocket, every=0.05):
        await asyncio.sleep(5)


def _alone(guard: OryGuard) -> Application:
    asks: dict[str, dict[str, Any]] = {"/aal2": {"aal": "aal2"}, "/fresh": {"max_age": 900}}

    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/health":
            named = None
        else:
            named = (await guard.require(scope, **asks.get(scope["path"], {}))).identity.id
        if scope["path"] == "/live":
            await _stay(guard, StarletteWebSocket(scope, receive, send))
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": named})
            await send({"type": "websocket.close", "code": 1000})
            return
        body = json.dumps({"identity": named}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return OrySessionMiddleware(endpoint, guard=guard)


def _with_fastapi(guard: OryGuard) -> Application:
    app = FastAPI()
    install(app, guard)

    @app.get("/health")
    async def health() -> dict[str, None]:
        return {"identity": None}

    async def named(session: CurrentSession) -> dict[str, str]:
        return {"identity": session.identity.id}

    for path, gate in (
        ("/aal2", require_aal("aal2")),
        ("/fresh", require_fresh(900)),
        ("/{x:path}", require_session),
    ):
        app.add_api_route(path, named, dependencies=[Depends(gate)])

    @app.websocket("/ws")
    async def live(websocket: WebSocket, session: CurrentSession) -> None:
        await websocket.accept()
        await websocket.send_text(session.identity.id)

    @app.websocket("/live", dependencies=[Depends(require_session)])
    async def stay(websocket: WebSocket) -> None:
        await _stay(guard, websocket)

    return app


def _with_starlette(guard: OryGuard) -> Application:
    async def named(request: StarletteRequest) -> Response:
        return JSONResponse({"identity": request.state.ory_session.identity.id})

    async def health(_request: StarletteRequest) -> Response:
        return JSONResponse({"identity": None})

    @session_required
    async def live(websocket: StarletteWebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(websocket.state.ory_session.identity.id)

    @session_required
    async def stay(websocket: StarletteWebSocket) -> None:
        await _stay(guard, websocket)

    routes = [
        Route("/health", health),
        Route("/aal2", session_required(aal="aal2")(named)),
        Route("/fresh", session_required(max_age=900)(named)),
        WebSocketRoute("/ws", live),
        WebSocketRoute("/live", stay),
        Route("/{rest:path}", session_required(named)),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(OrySessionMiddleware, guard=guard)
    return app
