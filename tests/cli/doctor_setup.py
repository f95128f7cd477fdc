"""Setups for the doctor: a fake Kratos, optionally behind a proxy, and the context of a check around it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx2

from ory_guard import GuardSettings
from ory_guard.cli.doctor import CHECKS, DoctorContext, Finding, run_checks
from ory_guard.cli.doctor.context import Probe
from ory_guard.testing import FakeKratos, SignedIn

__all__ = [
    "APP",
    "Application",
    "Row",
    "Setup",
    "adding",
    "assert_finding",
    "cookies",
    "findings_of",
    "replacing",
    "run_all",
    "run_check",
    "token",
]

APP = "http://127.0.0.1:4455"

Application = Callable[[Any, Any, Any], Awaitable[None]]
Header = tuple[bytes, bytes]

Row = tuple[Any, ...]
"""The name of a check, a setup, the level of the finding, and texts in its message and fix."""


def token(user: SignedIn) -> Header:
    """Return the header of a native client."""
    return b"x-session-token", user.token.encode()


def cookies(user: SignedIn) -> Header:
    """Return the Cookie header of a browser that has other cookies, too."""
    return b"cookie", f"theme=dark; {user.cookie_name}={user.cookie}".encode()


@dataclass(frozen=True)
class Setup:
    """The input of a check.

    Attributes:
        kratos: Arguments of the fake.
        settings: Settings of the guard.
        proxy: Wraps the fake's public API.
        admin: The admin API.
        user: Properties of an identity that is logged in.
        aal: The AAL of its session.
        credential: The credential, or a function that makes it from the user.
        over_sockets: Whether requests go to the URL instead of the fake.
        inputs: Other attributes of the context.
    """

    kratos: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    proxy: Callable[[Application], Application] | None = None
    admin: Application | None = None
    user: Mapping[str, Any] | None = None
    aal: Literal["aal1", "aal2"] = "aal1"
    credential: Header | Callable[[SignedIn], Header] | None = None
    over_sockets: bool = False
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def build(self, fake: FakeKratos | None = None) -> DoctorContext:
        """Return a context around a fake, by default a new one."""
        fake = fake or FakeKratos(**self.kratos)
        settings = GuardSettings(
            **{"kratos_public_url": fake.settings.public_url, "app_url": APP, "timeout": 30, **self.settings}
        )
        app = self.proxy(fake.app) if self.proxy else fake.app
        credential = self.credential
        if callable(credential):
            credential = credential(fake.sign_in(fake.add_identity(**self.user or {}), aal=self.aal))
        return DoctorContext(
            settings=settings,
            kratos=Probe(
                settings.kratos_public_url,
                None if self.over_sockets else httpx2.ASGITransport(app=app),
                timeout=settings.timeout,
            ),
            admin=self.admin and Probe("http://127.0.0.1:4434", httpx2.ASGITransport(app=self.admin), timeout=30),
            credential=credential,
            **{"clock": fake.clock, **self.inputs},
        )


async def findings_of(check: str, context: DoctorContext) -> list[Finding]:
    """Run one check and close its connections."""
    run = next(each.run for each in CHECKS if each.name == check)
    try:
        return [*await run(context)]
    finally:
        await context.kratos.aclose()


def run_check(check: str, context: DoctorContext) -> list[Finding]:
    """Run one check in an event loop of its own."""
    return asyncio.run(findings_of(check, context))


def assert_finding(row: Row) -> None:
    """Run the check of a row, and compare its one finding.

    Raises:
        AssertionError: If they differ.
    """
    check, setup, level, *texts = row
    (finding,) = run_check(check, setup.build())
    text = f"{finding.message} -> {finding.fix}"
    assert (finding.level, [expected for expected in texts if expected not in text]) == (level, []), text
    assert finding.fix or level != "problem"


def run_all(context: DoctorContext) -> list[Finding]:
    """Run all checks in an event loop of their own."""

    async def collect() -> list[Finding]:
        return [finding async for finding in run_checks(context)]

    return asyncio.run(collect())


def replacing(
    path: str, status: int, body: bytes = b"{}", content_type: bytes = b"application/json"
) -> Callable[[Application], Application]:
    """Return a proxy that responds to one path itself."""

    def wrap(app: Application) -> Application:
        async def proxy(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] != path:
                await app(scope, receive, send)
                return
            headers = [(b"content-type", content_type)]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

        return proxy

    return wrap


def adding(
    headers: Mapping[str, str], inner: Callable[[Application], Application] | None = None
) -> Callable[[Application], Application]:
    """Return a proxy that adds headers to every response, in front of another proxy."""

    def wrap(app: Application) -> Application:
        wrapped = inner(app) if inner else app

        async def proxy(scope: Any, receive: Any, send: Any) -> None:
            async def add(message: Any) -> None:
                if message["type"] == "http.response.start":
                    added = [(name.encode(), value.encode()) for name, value in headers.items()]
                    message = {**message, "headers": [*message["headers"], *added]}
                await send(message)

            await wrapped(scope, receive, add)

        return proxy

    return wrap
