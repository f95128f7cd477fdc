"""Forty users and one attacker in front of a Kratos with limits and delays."""

import asyncio
import random
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final
from uuid import UUID, uuid4

from security.bench import request, session, token
from support.minting import token_of
from support.raw_kratos import UNAUTHORIZED, RawKratos, RawRequest, error_body, raw_response
from support.token_bench import KEY, bearer_scope

from ory_guard import Authenticated, OryGuard
from ory_guard.exceptions import OryGuardError

__all__ = ["Attack", "LimitedKratos", "Run"]

USERS: Final = 40
LOGINS: Final = 8
_PAUSE: Final = 0.1

Attack = Callable[["Run"], Awaitable[None]]


@dataclass
class LimitedKratos:
    """The behavior of Kratos and of the components in front of it.

    Attributes:
        delay: Seconds until a response.
        calls_per_second: The number of calls in a second above which the response is 429, or None.
        calls_per_session: The number of calls of one of the attacker's sessions above which the response is 429.
        retry_after: The `Retry-After` of a 429.
        blocked: Prefixes of tokens for which a firewall responds, with its response.
        identities: The identity of each valid token.
        counts: The number of responses by status.
    """

    delay: float = 0.02
    calls_per_second: int | None = None
    calls_per_session: int | None = None
    retry_after: int = 5
    blocked: dict[str, bytes] = field(default_factory=dict)
    identities: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    _calls: Counter[object] = field(default_factory=Counter)

    def log_in(self, name: str) -> str:
        """Return the token of a new session of an identity."""
        token = f"ory_st_{secrets.token_urlsafe(24)}"
        self.identities[token] = f"5c2d6a3e-0000-4000-8000-{abs(hash(name)) % 10**12:012}"
        return token

    async def respond(self, sent: RawRequest, writer: asyncio.StreamWriter) -> None:
        """Respond to a request, as the handler of a `RawKratos`."""
        token = sent.credential.decode()
        response = self._response(token) if b"whoami" in sent.target else self._log_out(token, sent.target)
        self.counts[response[9:12].decode()] += 1
        await asyncio.sleep(self.delay)
        writer.write(response)

    def _response(self, token: str) -> bytes:
        second = int(time.monotonic())
        self._calls[second] += 1
        self._calls[token] += 1
        limited = raw_response(error_body(429), 429, ("Retry-After", str(self.retry_after)))
        if self.calls_per_second is not None and self._calls[second] > self.calls_per_second:
            return limited
        identity = self.identities.get(token)
        if identity is None:
            return next((self.blocked[each] for each in self.blocked if token.startswith(each)), UNAUTHORIZED)
        if (
            self.calls_per_session is not None
            and token in self.limited
            and self._calls[token] > self.calls_per_session
        ):
            return limited
        session_id = f"77d1c4b0-0000-4000-8000-{abs(hash(token)) % 10**12:012}"
        return raw_response(session(identity, id=session_id))

    def _log_out(self, token: str, target: bytes) -> bytes:
        if token not in self.identities:
            return UNAUTHORIZED
        if b"/browser" in target:
            return raw_response({"logout_url": "https://auth.example.com/logout", "logout_token": "token"})
        del self.identities[token]
        return raw_response(b"", 204)

    limited: set[str] = field(default_factory=set)
    """The attacker's sessions, which Kratos limits."""


class Run:
    """Users and an attacker for some seconds.

    Args:
        kratos: The server.
        behavior: The behavior of the server.
        guard: The guard under test.
        seconds: The duration.
        with_jwts: Whether every other user has a JWT instead of a session token.

    Attributes:
        latencies: The seconds of each request of a user.
        failures: The failed requests of users, by outcome.
    """

    def __init__(
        self, kratos: RawKratos, behavior: LimitedKratos, guard: OryGuard, seconds: float, *, with_jwts: bool
    ) -> None:
        kratos.handler = behavior.respond
        self.kratos = kratos
        self.behavior = behavior
        self.guard = guard
        self._seconds = seconds
        self._with_jwts = with_jwts
        self._until = 0.0
        self.latencies: list[float] = []
        self.failures: Counter[str] = Counter()
        self.attacks = 0

    @property
    def is_running(self) -> bool:
        """Whether the run continues."""
        return time.monotonic() < self._until

    @property
    def success(self) -> float:
        """The share of successful requests of users."""
        return 1 - self.failures.total() / len(self.latencies)

    @property
    def p50(self) -> float:
        """The median duration of a request of a user, in seconds."""
        return median(self.latencies)

    async def start(self, *attacks: Attack) -> None:
        """Run until the end; the attacks begin when most users are logged in."""
        users = [
            _jwt() if self._with_jwts and number % 2 else self.behavior.log_in(f"user {number}")
            for number in range(USERS)
        ]
        for own in users[LOGINS:]:
            await self.request(own)
        self.latencies.clear()
        self.failures.clear()
        self._until = time.monotonic() + self._seconds
        await asyncio.gather(
            *(self._use(token, number) for number, token in enumerate(users)), *(attack(self) for attack in attacks)
        )

    async def _use(self, token: str, number: int) -> None:
        chance = random.Random(number)
        if number < LOGINS:  # the user logs in during the attack
            await asyncio.sleep(self._seconds * (0.2 + 0.05 * number))
        while self.is_running:
            started = time.perf_counter()
            outcome = await self.guard.authenticate(_scope(token))
            self.latencies.append(time.perf_counter() - started)
            if not isinstance(outcome, Authenticated):
                self.failures[repr(outcome)] += 1
            await asyncio.sleep(chance.uniform(0.5, 1.5) * _PAUSE)

    async def request(self, token: str, **requirements: Any) -> None:
        """Make a request of the attacker, whatever its outcome."""
        self.attacks += 1
        with suppress(OryGuardError):
            await self.guard.require(_scope(token), **requirements)

    async def log_out(self, token: str) -> None:
        """Log the attacker out, whatever the outcome."""
        self.attacks += 1
        with suppress(OryGuardError):
            await self.guard.logout(request((b"cookie", f"ory_kratos_session={token}".encode()), method="POST"))

    async def invalidate(self, session_id: UUID) -> None:
        """Revoke another session."""
        self.attacks += 1
        await self.guard.invalidate(session_id=session_id)

    async def flood(self, rate: float, make_request: Callable[[], Awaitable[None]]) -> None:
        """Make concurrent requests at a constant rate."""
        tasks: set[asyncio.Task[None]] = set()
        started = time.monotonic()
        count = 0
        while self.is_running:
            while count < (time.monotonic() - started) * rate:
                tasks.add(asyncio.ensure_future(make_request()))
                count += 1
            await asyncio.sleep(0.005)
        await asyncio.gather(*tasks)


def _scope(value: str) -> dict[str, Any]:
    return bearer_scope(value) if value.startswith("ey") else token(value)


def _jwt() -> str:
    now, id_ = int(time.time()), str(uuid4())
    return token_of(KEY, iat=now, nbf=now, exp=now + 600, sid=id_, sub=id_)
