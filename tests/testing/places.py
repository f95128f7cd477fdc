"""The places where a Kratos can be asked: in this process, on sockets of this machine, or a real one."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from served_kratos import served_kratos

from ory_guard.testing import FakeKratos, ManualClock

PUBLIC, ADMIN = "ORY_GUARD_LIVE_KRATOS", "ORY_GUARD_LIVE_KRATOS_ADMIN"
IN_PROCESS_ADMIN = "http://127.0.0.1:4434"


@dataclass(frozen=True)
class Place:
    """A Kratos, and all that a test needs of it: its two APIs and its time.

    Attributes:
        public: The public API's URL.
        admin: The admin API's URL.
        transport: How both are reached.
        time: Gives the seconds since 1970 there.
        wait: Lets seconds pass there.
    """

    public: str
    admin: str
    transport: httpx2.AsyncBaseTransport
    time: Callable[[], float]
    wait: Callable[[float], Awaitable[None]]


class BothApplications(httpx2.AsyncBaseTransport):
    """Reaches the two applications of a fake, each under its own URL."""

    def __init__(self, fake: FakeKratos) -> None:
        self._public = httpx2.ASGITransport(app=fake.app)
        self._admin = httpx2.ASGITransport(app=fake.admin_app)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Ask the one that the URL names."""
        asked = self._admin if str(request.url).startswith(IN_PROCESS_ADMIN) else self._public
        return await asked.handle_async_request(request)


def in_process(**settings: Any) -> Place:
    """Return a fake in this process, whose time is moved by hand."""
    fake = FakeKratos(clock=ManualClock(), **settings)
    return Place(
        fake.settings.public_url, IN_PROCESS_ADMIN, BothApplications(fake), fake.clock.time, _advance(fake)
    )


@contextlib.asynccontextmanager
async def on_sockets() -> AsyncIterator[Place]:
    """Give a fake behind a real server: all that a real Kratos is, but for the waiting."""
    async with served_kratos() as served, httpx2.AsyncHTTPTransport(trust_env=False) as transport:
        yield Place(served.public, served.admin, transport, served.fake.clock.time, _advance(served.fake))


@contextlib.asynccontextmanager
async def live() -> AsyncIterator[Place]:
    """Give the real Kratos that the environment names, or skip the test."""
    public, admin = os.environ.get(PUBLIC, "").rstrip("/"), os.environ.get(ADMIN, "").rstrip("/")
    if not public or not admin:
        pytest.skip(f"set {PUBLIC} and {ADMIN} to a Kratos' public and admin URL")
    async with httpx2.AsyncHTTPTransport(trust_env=False) as transport:
        yield Place(public, admin, transport, time.time, asyncio.sleep)


def _advance(fake: FakeKratos) -> Callable[[float], Awaitable[None]]:
    async def wait(seconds: float) -> None:
        fake.clock.advance(seconds)

    return wait
