"""A guard, a stub and a clock to turn by hand, for tests that are a sequence of requests."""

import asyncio
import time
from typing import Any

from httpx2 import AsyncHTTPTransport, Limits
from support.memory_store import SOON, eventually
from support.raw_kratos import RawKratos

from ory_guard import Authenticated, GuardSettings, OryGuard, OrySessionMiddleware, Outcome

from .harness import Reply, Request, call
from .users import ALICE, BOB

__all__ = ["Bench", "TurnedClock", "settings_for", "token", "transport_without_keep_alive"]


class TurnedClock:
    """Both clocks, real to begin with in what they show, moved by hand and each for itself."""

    def __init__(self, wall: float = 1_800_000_000.0) -> None:
        self.wall = wall
        self.steady = 1_000.0

    def time(self) -> float:
        """Return the wall clock's seconds."""
        return self.wall

    def monotonic(self) -> float:
        """Return the steady clock's seconds."""
        return self.steady

    def move(self, seconds: float) -> None:
        """Let time pass on both."""
        self.wall += seconds
        self.steady += seconds


def settings_for(kratos: RawKratos, **changes: object) -> GuardSettings:
    """Return the settings of every test here, but for some changes."""
    fields = {
        "kratos_public_url": kratos.url,
        "kratos_browser_url": "https://auth.example.com",
        "app_url": "https://app.example.com",
        "exempt_paths": ("/health",),
        "timeout": 60,
    }
    return GuardSettings.model_validate(fields | changes)


def token(value: str = "tok-A", **parts: Any) -> Request:
    """Return an API client's request."""
    return Request(((b"x-session-token", value.encode()),), **parts)


def transport_without_keep_alive() -> AsyncHTTPTransport:
    """Return a transport that opens a connection for each request."""
    return AsyncHTTPTransport(limits=Limits(max_keepalive_connections=0))


class Bench:
    """One guard on one stub, with a plain ASGI application behind it.

    Args:
        kratos: The stub.
        clock: A clock to turn, or None for the real one.
        **changes: Settings to change.
    """

    def __init__(
        self, kratos: RawKratos, clock: TurnedClock | None = None, transport: Any = None, **changes: object
    ) -> None:
        self.kratos = kratos
        self.guard = OryGuard(settings_for(kratos, **changes), clock=clock, transport=transport)

    async def ask(self, request: Request) -> Outcome:
        """Return who makes the request."""
        return await self.guard.authenticate(request.scope())

    async def who(self, value: str = "tok-A") -> str:
        """Return the identity behind a token, or the outcome's name and reason."""
        outcome = await self.ask(token(value))
        if isinstance(outcome, Authenticated):
            return outcome.session.identity.id
        return f"{type(outcome).__name__}:{getattr(outcome, 'reason', '')}"

    async def is_settled(self, slots: int) -> None:
        """Wait until no check is under way, and find every connection and every slot given back."""
        checks = self.guard.authentication.checker
        flights, connection = checks._single_flights.current(), checks._whoami._http._pools.current()
        await eventually(lambda: flights is None or not flights._running)
        assert flights is None or not (flights._running or flights._joinable)
        if connection is not None:
            assert connection.semaphore._value == slots
            assert isinstance(connection.transport, AsyncHTTPTransport)
            assert "Requests: 0 active, 0 queued" in repr(connection.transport._pool)

    async def heals(self) -> None:
        """Wait until both identities are served again."""
        started = time.monotonic()
        await self.guard.invalidate(identity_id=ALICE)
        await self.guard.invalidate(identity_id=BOB)
        while (await self.who("tok-A"), await self.who("tok-B")) != (ALICE, BOB):
            assert time.monotonic() - started < SOON
            await asyncio.sleep(0.01)

    async def get(self, request: Request, **conditions: Any) -> Reply:
        """Send a request through the middleware to an endpoint that asks for a session."""

        async def endpoint(scope: Any, _receive: Any, send: Any) -> None:
            await self.guard.require(scope, **conditions)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        return await call(OrySessionMiddleware(endpoint, guard=self.guard), request)
