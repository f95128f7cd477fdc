"""Alice and Bob, their requests, and a guard with an adjustable clock in front of a raw Kratos."""

import time
from typing import Any, Final

from httpx2 import AsyncBaseTransport
from support.asgi_calls import Application, SentResponse, http_scope, websocket_scope
from support.clock import AdjustableClock
from support.guard_bench import settings_of
from support.memory_store import SOON, eventually
from support.raw_kratos import RawKratos, raw_response
from support.scripted_kratos import session_body

from ory_guard import Authenticated, GuardSettings, OryGuard

from .applications import application

ALICE: Final = "5c2d6a3e-0000-4000-8000-00000000a11c"
BOB: Final = "5c2d6a3e-0000-4000-8000-000000000b0b"
COOKIE: Final = (b"cookie", b"ory_kratos_session=ck-A")

Pair = tuple[bytes, bytes]
Scope = dict[str, Any]


def session(identity_id: str = ALICE, **changes: Any) -> dict[str, Any]:
    """Return a whoami document, valid on any clock; `changes` replace its keys, `...` removes one."""
    own = {"id": f"77d1c4b0{identity_id[8:]}", "expires_at": "2099-01-01T00:00:00Z"}
    document = {**session_body(identity={"id": identity_id}), **own, **changes}
    return {key: value for key, value in document.items() if value is not ...}


def kratos_with_users(host: str = "127.0.0.1", port: int = 0) -> RawKratos:
    """Return a Kratos at which Alice and Bob are logged in, each with a token and a cookie."""
    alice, bob = raw_response(session(ALICE)), raw_response(session(BOB))
    responses = {b"ck-A": alice, b"tok-A": alice, b"ck-B": bob, b"tok-B": bob}
    return RawKratos(responses=responses, host=host, port=port)


def settings_for(kratos: RawKratos, **changes: object) -> GuardSettings:
    """Return the settings of an application at https://app.example.com with the exempt path `/health`."""
    return settings_of(**{"kratos_public_url": kratos.url, "exempt_paths": ("/health",), **changes})


def request(*headers: Pair, path: str = "/p", **parts: Any) -> Scope:
    return http_scope(path, headers=headers, **parts)


def token(value: str = "tok-A", **parts: Any) -> Scope:
    return request((b"x-session-token", value.encode()), **parts)


def navigation(*headers: Pair, **parts: Any) -> Scope:
    return request((b"sec-fetch-mode", b"navigate"), (b"accept", b"text/html"), *headers, **parts)


def socket(*headers: Pair, **parts: Any) -> Scope:
    return {**websocket_scope("/ws", headers=headers), **parts}


async def call(app: Application, scope: Scope) -> SentResponse:
    """Send a request or a handshake; the status of an accepted websocket is 101, and its body the sent text."""
    inbox = [{"type": "websocket.connect"} if scope["type"] == "websocket" else {"type": "http.request"}]
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return inbox.pop() if inbox else {"type": f"{scope['type']}.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await app(scope, receive, send)
    first = messages[0]
    status = 101 if first["type"] == "websocket.accept" else first.get("status") or first["code"]
    body = b"".join(message.get("body", b"") + message.get("text", "").encode() for message in messages)
    return SentResponse(status, list(first.get("headers", ())), body)


def identity_of(response: SentResponse) -> str | None:
    """Return the identity that the endpoint responded with, or None if no endpoint ran."""
    identity: str | None = response.json["identity"] if response.status in (101, 200) else None
    return identity


class Bench:
    """A guard, and an application that it protects."""

    def __init__(self, kratos: RawKratos, transport: AsyncBaseTransport | None = None, **changes: object) -> None:
        self.kratos = kratos
        self.clock = AdjustableClock()
        self.guard = OryGuard(settings_for(kratos, **changes), clock=self.clock, transport=transport)
        self.application = application("asgi", self.guard)

    async def get(self, scope: Scope) -> SentResponse:
        """Send a request to the application."""
        return await call(self.application, scope)

    async def who(self, value: str = "tok-A") -> str:
        """Authenticate a token, and return its identity or the name and the reason of the outcome."""
        outcome = await self.guard.authenticate(token(value))
        if isinstance(outcome, Authenticated):
            return outcome.session.identity.id
        return f"{type(outcome).__name__}:{getattr(outcome, 'reason', '')}"

    def has_requests(self, number: int) -> bool:
        """Return whether Kratos has received this number of requests."""
        return len(self.kratos.requests) >= number

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
            self.clock.advance(1)
