"""Socket.IO: a handler requires a session; foreign origins are rejected unless a setting accepts all."""

from typing import Any, Final

import pytest
import socketio
from support.asgi_calls import call

from frameworks.requests_table import FOREIGN, OURS, World, open_websocket
from ory_guard import OrySessionMiddleware
from ory_guard.exceptions import Refusal
from ory_guard.starlette import SessionRequiredMiddleware

pytestmark = [pytest.mark.anyio, pytest.mark.frameworks]

POLL: Final[dict[str, Any]] = {"query_string": b"EIO=4&transport=polling"}
HOST = (b"host", b"127.0.0.1:8000")


def build(world: World, **options: Any) -> tuple[Any, list[str]]:
    """Return an application, and the identities that connect to it."""
    server, connected = socketio.AsyncServer(async_mode="asgi", **options), list[str]()

    @server.event
    async def connect(_sid: str, environ: dict[str, Any]) -> None:
        try:
            session = await world.guard.require(environ["asgi.scope"])
        except Refusal as refusal:
            raise socketio.exceptions.ConnectionRefusedError(refusal.code, refusal.extensions) from None
        connected.append(session.identity.id)

    return OrySessionMiddleware(socketio.ASGIApp(server), guard=world.guard), connected


async def poll(app: Any, *headers: tuple[bytes, bytes]) -> tuple[int, bytes]:
    """Connect by polling, and return the status and the packets."""
    opened = await call(app, "/socket.io/", headers=[HOST, *headers], **POLL)
    if opened.status != 200:
        return opened.status, opened.body
    sid = opened.body.decode().split('"sid":"')[1].split('"')[0]
    query: dict[str, Any] = {"query_string": f"EIO=4&transport=polling&sid={sid}".encode()}
    sized = [HOST, *headers, (b"content-length", b"2")]
    await call(app, "/socket.io/", method="POST", headers=sized, parts=[b"40"], **query)
    answered = await call(app, "/socket.io/", headers=[HOST, *headers], **query)
    return answered.status, answered.body


async def test_polling_connection_has_a_session(world: World) -> None:
    app, connected = build(world, cors_allowed_origins=["http://127.0.0.1:8000"])

    status, body = await poll(app, world.cookie, OURS)
    refused_status, refused = await poll(app)

    assert (status, connected) == (200, [world.user.session.identity.id])
    assert body.startswith(b"40")
    assert refused_status == 200
    assert refused.startswith(b"44")
    assert b"session_inactive" in refused


@pytest.mark.parametrize(
    ("origins", "status"),
    [(None, 400), (["http://127.0.0.1:8000"], 400), ("*", 200)],
    ids=["default", "list", "all"],
)
async def test_polling_from_a_foreign_origin_depends_on_a_setting(world: World, origins: Any, status: int) -> None:
    """Its first request is a GET, which the guard accepts with a cookie."""
    options = {} if origins is None else {"cors_allowed_origins": origins}
    app, _ = build(world, **options)

    answered = await call(app, "/socket.io/", headers=[HOST, world.cookie, FOREIGN], **POLL)

    assert answered.status == status


async def test_session_required_middleware_refuses_a_foreign_origin(world: World) -> None:
    """Even if Socket.IO accepts all origins: a connection by polling needs a POST request."""
    app, connected = build(world, cors_allowed_origins="*")
    protected = OrySessionMiddleware(SessionRequiredMiddleware(app), guard=world.guard)

    await poll(protected, world.cookie, FOREIGN)
    handshake = await open_websocket(protected, "/socket.io/", [HOST, world.cookie, FOREIGN], denial=True)

    assert connected == []
    assert handshake[0]["status"] == 403
    await poll(protected, world.cookie, OURS)
    assert connected == [world.user.session.identity.id]
