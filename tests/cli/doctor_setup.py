"""Setups for the doctor: a fake Kratos, optionally behind a proxy, and the context of a check around it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx2
import pytest

from ory_guard import GuardSettings
from ory_guard.cli.doctor import CHECKS, PAGES, DoctorContext, Finding, run_checks
from ory_guard.cli.doctor.probe import Probe
from ory_guard.testing import FakeKratos, SignedIn

APP = "http://127.0.0.1:4455"

Application = Callable[[Any, Any, Any], Awaitable[None]]
Proxy = Callable[[Application], Application]
Header = tuple[bytes, bytes]


def token(user: SignedIn) -> Header:
    """Return the header of a native client."""
    return b"x-session-token", user.token.encode()


def cookies(user: SignedIn) -> Header:
    """Return the Cookie header of a browser that has other cookies, too."""
    return b"cookie", f"theme=dark; {user.cookie_name}={user.cookie}".encode()


def setup(
    kratos: FakeKratos | Mapping[str, Any] | None = None,
    guard: Mapping[str, Any] | None = None,
    *,
    proxy: Proxy | None = None,
    admin: Application | None = None,
    user: Mapping[str, Any] | None = None,
    credential: Header | Callable[[SignedIn], Header] | None = None,
    **inputs: Any,
) -> DoctorContext:
    """Return the context of a check.

    Args:
        kratos: The fake, or its arguments.
        guard: Settings of the guard.
        proxy: Wraps the public API of the fake; `over_sockets` sends requests to its URL instead.
        admin: The admin API.
        user: Properties of the identity that is logged in, and the `aal` of its session.
        credential: The credential, or a function that makes it for the user.
        inputs: Other attributes of the context.
    """
    fake = kratos if isinstance(kratos, FakeKratos) else FakeKratos(**kratos or {})
    settings = GuardSettings(
        **{"kratos_public_url": fake.settings.public_url, "app_url": APP, "timeout": 30, **(guard or {})}
    )
    if callable(credential):
        properties = {"aal": "aal1", **(user or {})}
        aal = properties.pop("aal")
        credential = credential(fake.sign_in(fake.add_identity(**properties), aal=aal))
    transport = None if proxy is over_sockets else httpx2.ASGITransport(app=proxy(fake.app) if proxy else fake.app)
    return DoctorContext(
        settings=settings,
        kratos=Probe(settings.kratos_public_url, transport, timeout=settings.timeout),
        admin=admin and Probe("http://127.0.0.1:4434", httpx2.ASGITransport(app=admin), timeout=30),
        credential=credential,
        **{"clock": fake.clock, **inputs},
    )


def row(expected: str, texts: str, *arguments: Any, **keywords: Any) -> Any:
    """Return a row of a table of checks, for `assert_finding`.

    Args:
        expected: The name of the check and the level of its finding.
        texts: Texts in the message and, after `->`, in the fix, separated by ` … `.
        arguments: Positional arguments of `setup()`.
        keywords: Keyword arguments of `setup()`.
    """
    return pytest.param(expected, texts, arguments, keywords, id=f"{expected}: {texts}")


def assert_finding(expected: str, texts: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    """Run the check of a row and compare its one finding.

    Raises:
        AssertionError: If they differ.
    """
    check, level = expected.split()
    (finding,) = run_check(check, setup(*arguments, **keywords))
    actual = f"{finding.message} -> {finding.fix}"
    assert (finding.level, [text for text in texts.split(" … ") if text not in actual]) == (level, []), actual
    assert finding.fix or level != "problem"


async def findings_of(check: str, context: DoctorContext) -> list[Finding]:
    """Run one check and close its connections."""
    run = next(each.run for each in (*CHECKS, PAGES) if each.name == check)
    try:
        return [*await run(context)]
    finally:
        await context.kratos.aclose()


def run_check(check: str, context: DoctorContext) -> list[Finding]:
    """Run one check in an event loop of its own."""
    return asyncio.run(findings_of(check, context))


def run_all(context: DoctorContext) -> dict[str, Finding]:
    """Run all checks in one event loop, and return the last finding of each."""

    async def collect() -> dict[str, Finding]:
        return {finding.check: finding async for finding in run_checks(context)}

    return asyncio.run(collect())


def over_sockets(app: Application) -> Application:
    """Make `setup()` send requests to the URL instead of the fake."""
    return app


def replacing(path: str, status: int, body: bytes = b"{}", content_type: bytes = b"application/json") -> Proxy:
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


def adding(headers: Mapping[str, str], inner: Proxy | None = None) -> Proxy:
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
