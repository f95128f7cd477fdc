"""A guard on a Kratos double with a manual clock, and requests to it."""

import asyncio
from typing import Any

from ory_guard import Authenticated, Outcome
from support.asgi_calls import http_scope
from support.stub_kratos import (
    COOKIE,
    TOKEN,
    StandingClock,
    StubKratos,
    guard_of,
    signed_in,
)

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


class Bench:
    """A guard on a Kratos double with a manual clock."""

    def __init__(self, *answers: Any, **changes: Any) -> None:
        self.kratos = StubKratos(*(answers or (signed_in(),)))
        self.clock = StandingClock()
        self.guard = guard_of(self.kratos, self.clock, **changes)

    async def outcome(self, *headers: Pair, **more: Any) -> Outcome:
        """Return the outcome of a request."""
        return await self.guard.authenticate(request(*headers, **more))

    @property
    def calls(self) -> int:
        """The number of calls to Kratos."""
        return len(self.kratos.asked)


async def requests(bench: "Bench", number: int) -> list["asyncio.Task[Outcome]"]:
    """Start requests with one uncached credential, and run them until all wait for Kratos."""
    tasks = [asyncio.ensure_future(bench.outcome()) for _ in range(number)]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks
