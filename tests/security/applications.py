"""The same routes as a plain ASGI application, a FastAPI and a Starlette application.

`/health` is public, and every other path requires a session. `/ws` is a websocket; `/live` is one that stays open
while its session is watched. In the plain application, some paths have further conditions. Each endpoint responds
with the id of the identity.
"""

import asyncio
import json
from typing import Any, Final

from fastapi import Depends, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from support.applications import reply
from support.asgi_calls import Application

from ory_guard import OryGuard, OrySessionMiddleware
from ory_guard.fastapi import CurrentSession, install, require_session
from ory_guard.starlette import session_required

__all__ = ["KINDS", "application"]

KINDS: Final = ("asgi", "fastapi", "starlette")
_CONDITIONS: Final[dict[str, dict[str, Any]]] = {
    "/aal2": {"aal": "aal2"},
    "/fresh": {"max_age": 900},
    "/revalidate": {"revalidate": True},
}


def application(kind: str, guard: OryGuard) -> Application:
    return {"asgi": _asgi, "fastapi": _fastapi, "starlette": _starlette}[kind](guard)


def _text(identity_id: str | None) -> str:
    return json.dumps({"identity": identity_id})


async def _stay_open(guard: OryGuard, websocket: WebSocket) -> None:
    await websocket.accept()
    async with guard.watch(websocket, every=0.05):
        await asyncio.sleep(5)


def _asgi(guard: OryGuard) -> Application:
    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        path, identity = scope["path"], None
        if path != "/health":
            identity = (await guard.require(scope, **_CONDITIONS.get(path, {}))).identity.id
        if path == "/live":
            await _stay_open(guard, WebSocket(scope, receive, send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": _text(identity)})
        else:
            await reply(send, {"identity": identity})

    return OrySessionMiddleware(endpoint, guard=guard)


def _fastapi(guard: OryGuard) -> Application:
    app = FastAPI()
    install(app, guard)

    @app.get("/health")
    async def health() -> dict[str, None]:
        return {"identity": None}

    @app.api_route("/{x:path}", methods=["GET", "POST"])
    async def page(session: CurrentSession) -> dict[str, str]:
        return {"identity": session.identity.id}

    @app.websocket("/ws")
    async def live(websocket: WebSocket, session: CurrentSession) -> None:
        await websocket.accept()
        await websocket.send_text(_text(session.identity.id))

    @app.websocket("/live", dependencies=[Depends(require_session)])
    async def stay(websocket: WebSocket) -> None:
        await _stay_open(guard, websocket)

    return app


def _starlette(guard: OryGuard) -> Application:
    @session_required
    async def page(request: Request) -> Response:
        return JSONResponse({"identity": request.state.ory_session.identity.id})

    async def health(_request: Request) -> Response:
        return JSONResponse({"identity": None})

    @session_required
    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(_text(websocket.state.ory_session.identity.id))

    @session_required
    async def stay(websocket: WebSocket) -> None:
        await _stay_open(guard, websocket)

    routes = [
        Route("/health", health),
        WebSocketRoute("/ws", live),
        WebSocketRoute("/live", stay),
        Route("/{rest:path}", page, methods=["GET", "POST"]),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(OrySessionMiddleware, guard=guard)
    return app
