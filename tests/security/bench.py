"""A guard on `RawKratos` with a clock that is moved by hand, behind an application of each kind."""

import asyncio
import time
from typing import Any

from httpx2 import AsyncBaseTransport
from support.clock import AdjustableClock
from support.memory_store import SOON, eventually
from support.raw_kratos import RawKratos

from ory_guard import Authenticated, GuardSettings, OryGuard

from .applications import application
from .harness import Reply, Request, call
from .users import ALICE, BOB

__all__ = ["Bench", "settings_for", "token"]


def settings_for(kratos: RawKratos, **changes: object) -> GuardSettings:
    """Return the settings of the security tests, with changes."""
    fields = {
        "kratos_public_url": kratos.url,
        "kratos_browser_url": "https://auth.example.com",
        "app_url": "https://app.example.com",
        "exempt_paths": ("/health",),
        "timeout": 60,
    }
    return GuardSettings.model_validate(fields | changes)


def token(value: str = "tok-A", **parts: Any) -> Request:
    """Return a request with a session token."""
    return Request(((b"x-session-token", value.encode()),), **parts)


class Bench:
    """A guard, and an application that it protects.

    Args:
        kratos: The Kratos double.
        clock: The clock, the real one by default.
        kind: The kind of application, one of `KINDS`.
        transport: The HTTP transport of the guard, its own by default.
        **changes: Changes to the settings.

    Attributes:
        clock: The clock that was passed.
        application: The application.
    """

    clock: AdjustableClock

    def __init__(
        self,
        kratos: RawKratos,
        clock: AdjustableClock | None = None,
        kind: str = "asgi",
        transport: AsyncBaseTransport | None = None,
        **changes: object,
    ) -> None:
        self.kratos = kratos
        if clock is not None:
            self.clock = clock
        self.guard = OryGuard(settings_for(kratos, **changes), clock=clock, transport=transport)
        self.application = application(kind, self.guard)

    async def get(self, request: Request) -> Reply:
        """Send a request to the application."""
        return await call(self.application, request)

    async def who(self, value: str = "tok-A") -> str:
        """Authenticate a token, and return its identity or the name and the reason of the outcome."""
        outcome = await self.guard.authenticate(token(value).scope())
        if isinstance(outcome, Authenticated):
            return outcome.session.identity.id
        return f"{type(outcome).__name__}:{getattr(outcome, 'reason', '')}"

    async def is_settled(self, slots: int) -> None:
        """Wait until no check is in progress, and assert that all connections and slots are free."""
        checks = self.guard.authentication.checker
        flights, pool = checks._single_flights.current(), checks._whoami._pools.current()
        await eventually(lambda: flights is None or not flights._in_flight)
        assert flights is None or not (flights._in_flight or flights._tasks or flights._joinable)
        if pool is not None:
            await eventually(lambda: not pool._connecting and pool._open == set(pool._idle))
            assert not pool.queue
            assert len(pool._open) <= slots
            assert all(connection._exchange is None for connection in pool._open)

    async def heals(self) -> None:
        """Wait until both identities are authenticated again."""
        started = time.monotonic()
        await self.guard.invalidate(identity_id=ALICE)
        await self.guard.invalidate(identity_id=BOB)
        while (await self.who("tok-A"), await self.who("tok-B")) != (ALICE, BOB):
            assert time.monotonic() - started < SOON
            await asyncio.sleep(0.01)
