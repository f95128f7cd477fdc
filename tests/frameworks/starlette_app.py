"""The application of the table in Starlette."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from support.asgi_calls import Application

from ory_guard import OryGuard, OrySessionMiddleware
from ory_guard.starlette import logout_response, session_required


def build(guard: OryGuard) -> Application:
    """Return the application."""

    async def public(request: Request) -> Response:
        return PlainTextResponse("public")

    async def defect(request: Request) -> Response:
        raise ValueError("a defect")

    @session_required
    async def me(request: Request) -> Response:
        return PlainTextResponse(request.state.ory_session.identity.id)

    @session_required(aal="aal2")
    async def vault(request: Request) -> Response:
        return PlainTextResponse("gold")

    async def socket(websocket: WebSocket) -> None:
        session = await guard.require(websocket)
        await websocket.accept()
        await websocket.send_text(session.identity.id)
        await websocket.close()

    return Starlette(
        routes=[
            Route("/public", public),
            Route("/defect", defect),
            Route("/me", me, methods=["GET", "POST"]),
            Route("/vault", vault),
            Route("/logout", logout_response, methods=["POST"]),
            WebSocketRoute("/ws", socket),
        ],
        middleware=[Middleware(OrySessionMiddleware, guard=guard)],
    )
