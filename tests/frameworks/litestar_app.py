"""The application of the table in Litestar."""

from litestar import Litestar, Request, Response, WebSocket, get, post, route, websocket
from litestar.middleware import DefineMiddleware
from support.asgi_calls import Application

from ory_guard import OryGuard, OrySessionMiddleware


def build(guard: OryGuard) -> Application:
    """Return the application."""

    @get("/public")
    async def public() -> str:
        return "public"

    @get("/defect")
    async def defect() -> None:
        raise ValueError("a defect")

    @route("/me", http_method=["GET", "POST"], status_code=200)
    async def me(request: Request) -> str:
        return (await guard.require(request)).identity.id

    @get("/vault")
    async def vault(request: Request) -> str:
        await guard.require(request, aal="aal2")
        return "gold"

    @post("/logout", status_code=204)
    async def logout(request: Request) -> Response[None]:
        response: Response[None] = Response(None, status_code=204)
        for value in await guard.logout(request):
            response.headers["set-cookie"] = value
        return response

    @websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        session = await guard.require(socket)
        await socket.accept()
        await socket.send_text(session.identity.id)
        await socket.close()

    return Litestar(
        route_handlers=[public, defect, me, vault, logout, ws],
        middleware=[DefineMiddleware(OrySessionMiddleware, guard=guard)],
        openapi_config=None,
    )
