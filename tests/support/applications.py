"""Small ASGI applications behind a guard."""

import json
from typing import Any

from ory_guard import OryGuard, OrySessionMiddleware
from support.asgi_calls import Application


async def reply(send: Any, body: Any, *headers: tuple[bytes, bytes]) -> None:
    """Send a response with status 200 and a JSON body."""
    await send({"type": "http.response.start", "status": 200, "headers": [*headers]})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


def gated(guard: OryGuard, **conditions: Any) -> Application:
    """Return an ASGI application that requires a session which meets `conditions`, and responds with its id."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        session = await guard.require(scope, **conditions)
        if scope["type"] == "http":
            await reply(send, {"session": session.id})
        else:
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})

    return OrySessionMiddleware(app, guard=guard)


def public(guard: OryGuard, *headers: tuple[bytes, bytes]) -> Application:
    """Return a public ASGI application that responds with the names that the middleware published."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        state, user = scope["state"], scope["user"]
        published = {
            "session": state["session"] and state["session"].id,
            "outcome": type(state["auth"]).__name__,
            "is_authenticated": user.is_authenticated,
            "identity": user.identity,
            "display_name": user.display_name,
        }
        if scope["type"] == "http":
            await reply(send, published, *headers)
        else:
            await receive()
            await send({"type": "websocket.accept", "headers": [*headers]})
            await send({"type": "websocket.send", "text": json.dumps(published)})
            await send({"type": "websocket.close"})

    return OrySessionMiddleware(app, guard=guard)
