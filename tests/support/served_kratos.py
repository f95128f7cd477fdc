"""A fake Kratos behind a real server on real sockets, its public and its admin API on ports of their own."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from ory_guard.cli.fake import by_port
from ory_guard.testing import FakeKratos


@dataclass(frozen=True)
class ServedKratos:
    """What is served, and where.

    Attributes:
        public: The public API's URL.
        admin: The admin API's URL.
        fake: The fake that answers.
    """

    public: str
    admin: str
    fake: FakeKratos


def listening_socket() -> socket.socket:
    """Listen on a free port of 127.0.0.1, whose connections send small packets at once."""
    listener = socket.create_server(("127.0.0.1", 0))
    # asyncio sets this itself only on sockets that it made: without it, each answer waits 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, *listeners: socket.socket) -> AsyncIterator[None]:
    """Serve an application on sockets that listen already, for a block."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=list(listeners)))
    try:
        yield
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def served_kratos() -> AsyncIterator[ServedKratos]:
    """Serve a fake that is set up as the recorded `server: default`, on two free ports of 127.0.0.1."""
    with listening_socket() as public, listening_socket() as admin:
        fake = FakeKratos(public_url=_url(public))
        both = by_port(fake.admin_app, admin.getsockname()[1], fake.app)
        async with serving(both, public, admin):
            yield ServedKratos(_url(public), _url(admin), fake)


def _url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"
