"""A `FakeKratos` behind uvicorn, with its public and its admin API on separate ports."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from ory_guard.cli.fake import by_port
from ory_guard.testing import FakeKratos

KEEP_ALIVE: Final = 3_600
"""Seconds after which a server of a test closes an idle connection.

With uvicorn's five seconds, the server may close a connection while a client on a busy machine uses it again.
"""


@dataclass(frozen=True)
class ServedKratos:
    """A served fake.

    Attributes:
        public: The URL of the public API.
        admin: The URL of the admin API.
        fake: The fake.
    """

    public: str
    admin: str
    fake: FakeKratos


def listening_socket() -> socket.socket:
    """Return a socket that listens on a free port of 127.0.0.1 and sends small packets immediately."""
    listener = socket.create_server(("127.0.0.1", 0))
    # asyncio sets this option only on sockets that it creates. Without it, each response is delayed by 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, *listeners: socket.socket) -> AsyncIterator[None]:
    """Serve an application on listening sockets."""
    config = uvicorn.Config(app, log_level="critical", lifespan="off", timeout_keep_alive=KEEP_ALIVE)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=list(listeners)))
    try:
        yield
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def served_kratos() -> AsyncIterator[ServedKratos]:
    """Serve a fake with the settings of the recorded `server: default`, which has CORS."""
    with listening_socket() as public, listening_socket() as admin:
        fake = FakeKratos(public_url=_url(public), cors_enabled=True)
        both = by_port(fake.admin_app, admin.getsockname()[1], fake.app)
        async with serving(both, public, admin):
            yield ServedKratos(_url(public), _url(admin), fake)


def _url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"
