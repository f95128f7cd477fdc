"""The application of the table in Quart."""

from quart import Quart, Response, request, websocket
from support.asgi_calls import Application

from ory_guard import OryGuard, OrySessionMiddleware


def build(guard: OryGuard) -> Application:
    """Return the application."""
    app = Quart(__name__)
    app.asgi_app = OrySessionMiddleware(app.asgi_app, guard=guard)

    @app.get("/public")
    async def public() -> str:
        return "public"

    @app.get("/defect")
    async def defect() -> str:
        raise ValueError("a defect")

    @app.route("/me", methods=["GET", "POST"])
    async def me() -> str:
        return (await guard.require(request.scope)).identity.id

    @app.get("/vault")
    async def vault() -> str:
        await guard.require(request.scope, aal="aal2")
        return "gold"

    @app.post("/logout")
    async def logout() -> Response:
        response = Response("", status=204)
        for value in await guard.logout(request.scope):
            response.headers.add("set-cookie", value)
        return response

    @app.websocket("/ws")
    async def socket() -> None:
        session = await guard.require(websocket.scope)
        await websocket.accept()
        await websocket.send(session.identity.id)
        await websocket.close(1000)

    return app
