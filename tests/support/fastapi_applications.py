"""A FastAPI application with a protected route of each kind."""

from typing import Any

from fastapi import Depends, FastAPI, Request, WebSocket

from ory_guard import OryGuard
from ory_guard.fastapi import (
    CurrentIdentity,
    CurrentSession,
    OptionalSession,
    install,
    require_aal,
    require_fresh,
    require_session,
)
from support.scripted_kratos import APP

OURS = (b"origin", APP.encode())


def application(guard: OryGuard) -> FastAPI:
    """Return an application with one route of each kind."""
    app = FastAPI()
    install(app, guard)

    @app.get("/")
    async def home(session: OptionalSession) -> dict[str, Any]:
        return {"session": session and session.id}

    @app.get("/me")
    @app.post("/me")
    async def me(session: CurrentSession, identity: CurrentIdentity, request: Request) -> dict[str, Any]:
        assert request.state.session is session
        return {"session": session.id, "identity": identity.id, "email": identity.traits["email"]}

    @app.get("/sync", dependencies=[Depends(require_session)])
    def in_a_thread() -> str:
        return "ok"

    @app.get("/vault", dependencies=[Depends(require_aal("aal2"))])
    async def vault() -> str:
        return "gold"

    @app.get("/transfer", dependencies=[Depends(require_fresh(60))])
    async def transfer() -> str:
        return "sent"

    @app.get("/open")
    async def public_page() -> str:
        return "open"

    @app.websocket("/ws")
    async def ws(websocket: WebSocket, session: CurrentSession) -> None:
        await websocket.accept()
        await websocket.send_json({"session": session.id})
        await websocket.close()

    @app.websocket("/public")
    async def public(websocket: WebSocket, session: OptionalSession) -> None:
        await websocket.accept()
        await websocket.send_json({"session": session and session.id})
        await websocket.close()

    return app


async def endpoint() -> str:
    """Return a body, for routes that are added to an application."""
    return "in"
