"""The application of the table in FastAPI."""

from fastapi import Depends, FastAPI, Request, Response, WebSocket
from support.asgi_calls import Application

from ory_guard import OryGuard
from ory_guard.fastapi import CurrentIdentity, install, require_aal
from ory_guard.starlette import logout_response


def build(guard: OryGuard) -> Application:
    """Return the application."""
    app = FastAPI()
    install(app, guard)

    @app.get("/public")
    async def public() -> str:
        return "public"

    @app.get("/defect")
    async def defect() -> None:
        raise ValueError("a defect")

    @app.get("/me")
    @app.post("/me")
    async def me(identity: CurrentIdentity) -> str:
        return identity.id

    @app.get("/vault", dependencies=[Depends(require_aal("aal2"))])
    async def vault() -> str:
        return "gold"

    @app.post("/logout")
    async def logout(request: Request) -> Response:
        return await logout_response(request)

    @app.websocket("/ws")
    async def socket(websocket: WebSocket, identity: CurrentIdentity) -> None:
        await websocket.accept()
        await websocket.send_text(identity.id)
        await websocket.close()

    return app
