"""Users and one attacker at the same application: what the users notice of the attack.

Forty users send requests at random intervals. Ten of them log in while the attack runs, so their sessions are
unknown before. A scenario runs twice, without and with the attack.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final
from uuid import UUID

from security.bench import settings_for
from security.harness import Request, call
from security.users import session
from support.minting import token_of
from support.raw_kratos import UNAUTHORIZED, RawKratos, RawRequest, raw_response
from support.token_bench import KEY, verifier_of

from ory_guard import OryGuard, OrySessionMiddleware

__all__ = ["Attack", "Experience", "Scenario", "run"]

USERS: Final = 40
LATE_USERS: Final = 10
_DELAY: Final = 0.1
_INTERVAL: Final = 0.05


class Service:
    """A guarded application with a logout, and its Kratos.

    Args:
        kratos: The Kratos double.

    Attributes:
        active: The values of the cookies with an active session.
        guard: The guard.
    """

    def __init__(self, kratos: RawKratos) -> None:
        kratos.handler = self._respond
        self.active: set[str] = set()
        self.guard = OryGuard(settings_for(kratos, cache_ttl=0.5, timeout=2.0), tokens=verifier_of())
        self._application = OrySessionMiddleware(self._endpoint, guard=self.guard)

    async def status(self, request: Request) -> int:
        """Send a request to the application, and return the status of the response."""
        return (await call(self._application, request)).status

    async def _endpoint(self, scope: Any, _receive: Any, send: Any) -> None:
        if scope["path"] == "/logout":
            await self.guard.logout(scope)
        else:
            await self.guard.require(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def _respond(self, request: RawRequest, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(_DELAY)
        name = request.credential.decode()
        if name not in self.active:
            writer.write(UNAUTHORIZED)
        elif b"whoami" in request.target:
            writer.write(raw_response(session(id_of(name), id=id_of(name))))
        elif b"/browser" in request.target:
            writer.write(raw_response({"logout_url": "https://auth.example.com/logout", "logout_token": "token"}))
        else:
            self.active.discard(name)
            writer.write(raw_response(b"", 204))


Attack = Callable[[Service], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """An attack that goes on until it is cancelled.

    Attributes:
        name: The name of the scenario.
        attack: The attack.
        with_jwts: Whether every other user has a JWT instead of a cookie.
    """

    name: str
    attack: Attack
    with_jwts: bool = False


@dataclass
class Experience:
    """The responses to all users: their number by status, and the seconds of each."""

    statuses: dict[int, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def add(self, status: int, seconds: float) -> None:
        """Add a response."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.seconds.append(seconds)

    @property
    def success(self) -> float:
        """The share of responses with the status 200."""
        return self.statuses.get(200, 0) / sum(self.statuses.values())

    @property
    def p50(self) -> float:
        """The median duration in seconds."""
        return median(self.seconds)

    def __str__(self) -> str:
        return f"{len(self.seconds):,} requests, {self.success:.2%} successful, p50 {self.p50 * 1e3:.2f} ms"


def id_of(name: str) -> str:
    """Return the id of the session and the identity of a user."""
    return str(UUID(int=random.Random(name).getrandbits(128), version=4))


def cookie_of(name: str, path: str = "/p", method: str = "GET") -> Request:
    """Return a request with a session cookie."""
    return Request(((b"cookie", b"ory_kratos_session=" + name.encode()),), path=path, method=method)


def _request_of(number: int, *, with_jwts: bool) -> Request:
    name = f"user-{number}"
    if not with_jwts or number % 2:
        return cookie_of(name)
    now = int(time.time())
    token = token_of(KEY, iat=now, nbf=now, exp=now + 600, sid=id_of(name), sub=id_of(name))
    return Request(((b"authorization", b"Bearer " + token.encode()),))


@asynccontextmanager
async def _attacked(attack: Attack | None, service: Service) -> AsyncIterator[None]:
    task = None if attack is None else asyncio.create_task(_run_attack(attack, service))
    yield
    if task is not None:
        assert not task.done(), "the attack has ended early"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _run_attack(attack: Attack, service: Service) -> None:
    await attack(service)


async def run(scenario: Scenario, seconds: float, *, attacked: bool) -> Experience:
    """Return the experience of all users in a scenario, with or without its attack."""
    experience = Experience()
    async with RawKratos() as kratos:
        service = Service(kratos)
        started = time.monotonic()

        async def use(number: int) -> None:
            chance = random.Random(number)
            is_late = number < LATE_USERS
            await asyncio.sleep(seconds * chance.uniform(0.2, 0.6) if is_late else chance.uniform(0, _INTERVAL))
            service.active.add(f"user-{number}")
            request = _request_of(number, with_jwts=scenario.with_jwts)
            while time.monotonic() - started < seconds:
                sent = time.perf_counter()
                status = await service.status(request)
                experience.add(status, time.perf_counter() - sent)
                await asyncio.sleep(chance.uniform(0.5, 1.5) * _INTERVAL)

        async with _attacked(scenario.attack if attacked else None, service):
            await asyncio.gather(*map(use, range(USERS)))
        await service.guard.aclose()
    return experience
