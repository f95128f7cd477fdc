"""Kratos servers for tests: a fake in this process, a fake on sockets, or a real Kratos."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx2

from ory_guard.testing import FakeKratos, ManualClock
from support.live_kratos import NEWEST, Version, live_kratos
from support.served_kratos import served_kratos

IN_PROCESS_ADMIN = "http://127.0.0.1:4434"


@dataclass(frozen=True)
class KratosServer:
    """A Kratos with its two APIs and its clock.

    Attributes:
        public: The URL of the public API.
        admin: The URL of the admin API.
        transport: The transport to both APIs.
        time: Returns the number of seconds since 1970 on the server.
        wait: Waits until a number of seconds has passed on the server.
        ui_url: The origin of the pages.
        version: The release.
        is_real: Whether it is a real Kratos.
    """

    public: str
    admin: str
    transport: httpx2.AsyncBaseTransport
    time: Callable[[], float]
    wait: Callable[[float], Awaitable[None]]
    ui_url: str = "http://127.0.0.1:4455"
    version: Version = NEWEST
    is_real: bool = False


class FakeTransport(httpx2.AsyncBaseTransport):
    """Routes requests to the two ASGI applications of a fake."""

    def __init__(self, fake: FakeKratos) -> None:
        self._public = httpx2.ASGITransport(app=fake.app)
        self._admin = httpx2.ASGITransport(app=fake.admin_app)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request to the application at its URL."""
        transport = self._admin if str(request.url).startswith(IN_PROCESS_ADMIN) else self._public
        return await transport.handle_async_request(request)


def in_process(**settings: Any) -> KratosServer:
    """Return a fake in this process with a manual clock."""
    fake = FakeKratos(clock=ManualClock(), **settings)
    transport = FakeTransport(fake)
    return KratosServer(fake.settings.public_url, IN_PROCESS_ADMIN, transport, fake.clock.time, _advance(fake))


@contextlib.asynccontextmanager
async def on_sockets() -> AsyncIterator[KratosServer]:
    """Serve a fake on sockets of this machine."""
    async with served_kratos() as served, httpx2.AsyncHTTPTransport(trust_env=False) as transport:
        clock = served.fake.clock
        yield KratosServer(served.public, served.admin, transport, clock.time, _advance(served.fake))


@contextlib.asynccontextmanager
async def live() -> AsyncIterator[KratosServer]:
    """Provide the real Kratos of the environment, or skip the test."""
    real = live_kratos()
    async with httpx2.AsyncHTTPTransport(trust_env=False) as transport:
        yield KratosServer(
            real.public,
            real.admin,
            transport,
            time.time,
            asyncio.sleep,
            real.ui_url,
            real.version,
            is_real=True,
        )


def _advance(fake: FakeKratos) -> Callable[[float], Awaitable[None]]:
    async def wait(seconds: float) -> None:
        fake.clock.advance(seconds)

    return wait
