"""The application of the table in BlackSheep."""

from blacksheep import Application as BlackSheep
from blacksheep import Request, Response, WebSocket, text
from blacksheep.server.routing import Router
from support.asgi_calls import Application

from ory_guard import OryGuard, OrySessionMiddleware


def build(guard: OryGuard) -> Application:
    """Return the application."""
    router = Router()
    app = BlackSheep(router=router)

    @router.get("/public")
    async def public() -> Response:
        return text("public")

    @router.get("/defect")
    async def defect() -> Response:
        raise ValueError("a defect")

    @router.get("/me")
    @router.post("/me")
    async def me(request: Request) -> Response:
        return text((await guard.require(request)).identity.id)

    @router.get("/vault")
    async def vault(request: Request) -> Response:
        await guard.require(request, aal="aal2")
        return text("gold")

    @router.post("/logout")
    async def logout(request: Request) -> Response:
        response = Response(204)
        for value in await guard.logout(request):
            response.add_header(b"set-cookie", value.encode())
        return response

    @router.ws("/ws")
    async def socket(websocket: WebSocket) -> None:
        session = await guard.require(websocket)
        await websocket.accept()
        await websocket.send_text(session.identity.id)
        await websocket.close()

    return OrySessionMiddleware(app, guard=guard)
