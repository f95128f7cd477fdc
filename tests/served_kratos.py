"""A fake Kratos behind a real server on real sockets, its public and its admin API on ports of their own."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from ory_guard.testing import FakeKratos, ManualClock


@dataclass(frozen=True)
class ServedKratos:
    """What is served, and where.

    Attributes:
        public: The public API's URL.
        admin: The admin API's URL.
        fake: The fake that answers; its clock is moved by hand.
    """

    public: str
    admin: str
    fake: FakeKratos


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
    with socket.create_server(("127.0.0.1", 0)) as public, socket.create_server(("127.0.0.1", 0)) as admin:
        urls = [f"http://127.0.0.1:{one.getsockname()[1]}" for one in (public, admin)]
        fake = FakeKratos(public_url=urls[0], clock=ManualClock())

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            asked = fake.app if scope["server"][1] == public.getsockname()[1] else fake.admin_app
            await asked(scope, receive, send)

        async with serving(app, public, admin):
            yield ServedKratos(*urls, fake)
