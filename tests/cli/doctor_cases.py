"""Set-ups for the doctor to look at: a fake Kratos behind a misbehaving proxy, and a standing context around it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2

from ory_guard import GuardSettings
from ory_guard.cli.doctor import CHECKS, DoctorContext, Finding, run_checks
from ory_guard.cli.doctor.context import Probe
from ory_guard.models import Clock
from ory_guard.testing import FakeKratos, SignedIn

APP = "http://127.0.0.1:4455"

Application = Callable[[Any, Any, Any], Awaitable[None]]


def cookie_of(user: SignedIn, *others: str) -> tuple[bytes, bytes]:
    """Return the Cookie header of a browser that is signed in."""
    return b"cookie", "; ".join([*others, f"{user.cookie_name}={user.cookie}"]).encode()


def token_of(user: SignedIn) -> tuple[bytes, bytes]:
    """Return the header of a native client that is signed in."""
    return b"x-session-token", user.token.encode()


def make_context(
    fake: FakeKratos,
    *,
    app: Application | None = None,
    admin: Application | None = None,
    credential: tuple[bytes, bytes] | None = None,
    redis_url: str | None = None,
    jwks: str | Path | None = None,
    template: str | None = None,
    clock: Clock | None = None,
    over_sockets: bool = False,
    **settings: Any,
) -> DoctorContext:
    """Return a context around a fake; `app` answers in its place, or whoever listens at its URL."""
    url = fake.settings.public_url
    given = GuardSettings(**{"kratos_public_url": url, "app_url": APP, "timeout": 30, **settings})
    transport = None if over_sockets else httpx2.ASGITransport(app=app or fake.app)
    return DoctorContext(
        settings=given,
        kratos=Probe(given.kratos_public_url, transport, timeout=given.timeout),
        admin=admin and Probe("http://127.0.0.1:4434", httpx2.ASGITransport(app=admin), timeout=given.timeout),
        credential=credential,
        redis_url=redis_url,
        jwks=jwks,
        template=template,
        clock=clock or fake.clock,
    )


def findings_in(context: DoctorContext) -> list[Finding]:
    """Return everything that is found."""

    async def look() -> list[Finding]:
        return [finding async for finding in run_checks(context)]

    return asyncio.run(look())


def found(check: str, fake: FakeKratos, **around: Any) -> Finding:
    """Return the one thing that a check finds."""
    (finding,) = found_all(check, make_context(fake, **around))
    return finding


def found_all(check: str, context: DoctorContext) -> list[Finding]:
    """Return what one check finds."""
    look = next(one.run for one in CHECKS if one.name == check)
    return [*asyncio.run(_looked(look, context))]


async def _looked(look: Callable[[DoctorContext], Awaitable[Any]], context: DoctorContext) -> Any:
    return await look(context)


def answering(
    app: Application, path: str, status: int, body: bytes = b"{}", content_type: bytes = b"application/json"
) -> Application:
    """Return a server that answers one path in its own way, and leaves the rest to `app`."""

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != path:
            await app(scope, receive, send)
            return
        headers = [(b"content-type", content_type)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return proxy


def adding(app: Application, headers: Mapping[str, str]) -> Application:
    """Return a proxy that adds headers to every answer."""

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        async def add(message: Any) -> None:
            if message["type"] == "http.response.start":
                more = [(name.encode(), value.encode()) for name, value in headers.items()]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        await app(scope, receive, add)

    return proxy
