"""A guard on a Kratos double with a manual clock, and requests to it."""

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Any

import httpx2

from ory_guard import Authenticated, GuardSettings, OryGuard, Outcome
from ory_guard.cache import SessionStore
from ory_guard.events import Event, Listener
from ory_guard.guard.context import AuthContext
from ory_guard.guard.jwt import TokenVerifierProtocol
from ory_guard.kratos.cache_lifetimes import CacheLifetimes
from ory_guard.kratos.session_parser import SessionParser
from ory_guard.models.session import Session
from support.asgi_calls import http_scope
from support.clock import AdjustableClock
from support.memory_store import SOON
from support.scripted_kratos import APP, BROWSER, COOKIE, KRATOS, TOKEN, ScriptedKratos, signed_in

Pair = tuple[bytes, bytes]
SESSION_TOKEN = (b"x-session-token", TOKEN)
SESSION_COOKIE = (b"cookie", COOKIE)
BEARER = (b"authorization", b"Bearer " + TOKEN)


def request(*headers: Pair, path: str = "/", **more: Any) -> dict[str, Any]:
    """Return the scope of a request, with a session token unless other headers are given."""
    return http_scope(path, headers=headers or [SESSION_TOKEN], **more)


def by(outcome: Outcome) -> tuple[str, float]:
    """Return the source and the age of an authenticated outcome."""
    assert isinstance(outcome, Authenticated)
    return outcome.source, outcome.age


def settings_of(**changes: Any) -> GuardSettings:
    """Return settings for `KRATOS` with a timeout that no slow machine exceeds, and `changes`."""
    urls = {"kratos_public_url": KRATOS, "kratos_browser_url": BROWSER, "app_url": APP}
    return GuardSettings(**{**urls, "timeout": SOON, **changes})


def context_of(guard: OryGuard, scope: dict[str, Any]) -> AuthContext:
    """Return the auth context of a request after the look-up in the cache."""
    context = AuthContext().start(guard, scope)
    context.outcome = guard.authentication.from_cache(scope, context)
    return context


async def optional_session(guard: OryGuard, scope: dict[str, Any]) -> Session[Any] | None:
    """Return the session as the dependency for an optional session does."""
    return await guard.enforcement.optional(scope, guard.enforcement.get_context(scope))


def guard_of(
    kratos: httpx2.AsyncBaseTransport | None,
    clock: AdjustableClock | None = None,
    *,
    listeners: Iterable[Listener] = (),
    traits: type[Any] | None = None,
    store: SessionStore | None = None,
    tokens: TokenVerifierProtocol | None = None,
    **changes: Any,
) -> OryGuard:
    """Return a guard that calls `kratos`; `changes` are settings."""
    return OryGuard(
        settings_of(**changes),
        transport=kratos,
        clock=clock or AdjustableClock(),
        listeners=listeners,
        traits=traits,
        store=store,
        tokens=tokens,
    )


def parser_of(
    settings: GuardSettings, traits: type[Any] | None = None, random: Callable[[], float] = random.random
) -> SessionParser:
    """Return the session parser of a guard with these settings."""
    return SessionParser(
        traits,
        lifetimes=CacheLifetimes(settings.cache_ttl, settings.negative_ttl, random),
        clock_skew=settings.clock_skew,
    )


class Bench:
    """A guard on a scripted Kratos with an adjustable clock.

    Args:
        responses: The responses of Kratos, a session by default.
        options: The settings and other arguments of `guard_of`.

    Attributes:
        events: All events of the guard.
    """

    def __init__(self, *responses: Any, listeners: Iterable[Listener] = (), **options: Any) -> None:
        self.kratos = ScriptedKratos(*(responses or (signed_in(),)))
        self.clock = AdjustableClock()
        self.events: list[Event] = []
        self.guard = guard_of(self.kratos, self.clock, listeners=[self.events.append, *listeners], **options)

    async def outcome(self, *headers: Pair, **more: Any) -> Outcome:
        """Return the outcome of a request."""
        return await self.guard.authenticate(request(*headers, **more))

    def emitted(self, kind: type[Event]) -> list[Event]:
        """Return the events of a class."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def calls(self) -> int:
        """The number of calls to Kratos."""
        return len(self.kratos.requests)


async def requests(bench: "Bench", number: int) -> list["asyncio.Task[Outcome]"]:
    """Start requests with one uncached credential, and run them until all wait for Kratos."""
    tasks = [asyncio.ensure_future(bench.outcome()) for _ in range(number)]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks
