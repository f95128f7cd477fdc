"""The application of the table in Falcon."""

from typing import Any

import falcon
import falcon.asgi
from support.asgi_calls import Application

from ory_guard import OryGuard, OrySessionMiddleware


def build(guard: OryGuard) -> Application:
    """Return the application."""

    class Public:
        async def on_get(self, _req: Any, resp: Any) -> None:
            resp.text = "public"

    class Defect:
        async def on_get(self, _req: Any, _resp: Any) -> None:
            raise ValueError("a defect")

    class Me:
        async def on_get(self, req: Any, resp: Any) -> None:
            resp.text = (await guard.require(req)).identity.id

        on_post = on_get

    class Vault:
        async def on_get(self, req: Any, resp: Any) -> None:
            await guard.require(req, aal="aal2")
            resp.text = "gold"

    class Logout:
        async def on_post(self, req: Any, resp: Any) -> None:
            resp.status = falcon.HTTP_204
            for value in await guard.logout(req):
                resp.append_header("set-cookie", value)

    class Socket:
        async def on_websocket(self, req: Any, ws: Any) -> None:
            session = await guard.require(req)
            await ws.accept()
            await ws.send_text(session.identity.id)
            await ws.close()

    app = falcon.asgi.App()
    routes = {"/public": Public, "/defect": Defect, "/me": Me, "/vault": Vault, "/logout": Logout, "/ws": Socket}
    for path, resource in routes.items():
        app.add_route(path, resource())
    return OrySessionMiddleware(app, guard=guard)
