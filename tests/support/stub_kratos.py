"""A Kratos that answers what it is told and records what was sent, a clock that stands, and a guard on both."""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import httpx2

from ory_guard import GuardSettings, OryGuard, Session
from ory_guard.events import Listener
from ory_guard.guard.context import AuthContext

KRATOS = "http://kratos.test:4433"
BROWSER = "https://id.example.com"
APP = "https://app.example.com"
NOW = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)
SESSION_ID = "5a1f0c1e-2f0b-4d0e-9a55-0f6d8d1c7a01"
IDENTITY_ID = "c3b7f0de-93a4-4c0e-8e6b-64d0c5a0b702"
COOKIE = b"ory_kratos_session=MTc5NTMwMDc4OHxRb09jMGRfaXlkaUhv"
TOKEN = b"ory_st_ivZW9aFsL0lU9MavgfaxGEjqklcAozIZ"

_JSON = (("content-type", "application/json; charset=utf-8"),)
_CREDENTIAL_HEADERS = frozenset({"cookie", "authorization", "x-session-token"})


class StandingClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self._wall = now.timestamp()
        self._monotonic = 1_000.0

    def time(self) -> float:
        """Return the wall-clock time."""
        return self._wall

    def monotonic(self) -> float:
        """Return the monotonic time."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self._wall += seconds
        self._monotonic += seconds

    def set_wall_clock(self, seconds: float) -> None:
        """Move the wall clock alone, as an operator or a resumed laptop does."""
        self._wall += seconds


@dataclass(frozen=True)
class Told:
    """An answer that the stub gives."""

    status: int
    body: Any = None
    headers: tuple[tuple[str, str], ...] = _JSON

    @property
    def raw(self) -> bytes:
        """The body as it is sent."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    def response(self) -> httpx2.Response:
        """Return it as the transport's answer."""
        headers = [*self.headers, ("content-length", str(len(self.raw)))]
        return httpx2.Response(self.status, headers=headers, stream=httpx2.ByteStream(self.raw))

    def with_header(self, name: str, value: str) -> "Told":
        """Return the same answer with one header more."""
        return Told(self.status, self.body, (*self.headers, (name, value)))


@dataclass(frozen=True)
class Asked:
    """A request that the stub saw."""

    method: str
    url: str
    headers: list[tuple[str, str]] = field(repr=False)

    def credentials(self) -> list[tuple[str, str]]:
        """Return every header that carries a credential."""
        return [(name, value) for name, value in self.headers if name in _CREDENTIAL_HEADERS]

    def header(self, name: str) -> str | None:
        """Return the first value of a header."""
        return next((value for key, value in self.headers if key == name), None)


Behaviour: TypeAlias = Told | Exception | Callable[[Asked], "Told"]


class StubKratos(httpx2.AsyncBaseTransport):
    """Gives the answers it was told, in their order and the last one for ever, and records the questions.

    Attributes:
        asked: What was sent, in the order of arrival.
        answers: What is answered next; an exception is raised, a callable is asked.
        closed: How often somebody closed it.
    """

    def __init__(self, *answers: Behaviour) -> None:
        self.asked: list[Asked] = []
        self.answers: list[Behaviour] = list(answers)
        self.closed = 0
        self._open = asyncio.Event()
        self._open.set()

    def hold(self) -> None:
        """Answer nobody from now on."""
        self._open.clear()

    def release(self) -> None:
        """Answer everybody who waits, and everybody to come."""
        self._open.set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Record the question, and answer it."""
        headers = [(name.decode().lower(), value.decode("latin-1")) for name, value in request.headers.raw]
        asked = Asked(request.method, str(request.url), headers)
        self.asked.append(asked)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await self._open.wait()
        if isinstance(answer, Exception):
            raise answer
        told = answer if isinstance(answer, Told) else answer(asked)
        return told.response()

    async def aclose(self) -> None:
        """Note that somebody closed it."""
        self.closed += 1


def moment(seconds_from_now: float) -> str:
    """Return a time as Kratos writes it."""
    return (NOW + timedelta(seconds=seconds_from_now)).strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z"


def step(method: str = "password", aal: str = "aal1", at: float = -10) -> dict[str, str]:
    """Return a completed step of a sign-in, `at` seconds from now."""
    return {"method": method, "aal": aal, "completed_at": moment(at)}


def session_body(*, identity: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return the body of a whoami answer: a session at aal1 that ends in an hour, with `changes`."""
    return {
        "id": SESSION_ID,
        "active": True,
        "expires_at": moment(3_600),
        "authenticated_at": moment(-10),
        "authenticator_assurance_level": "aal1",
        "authentication_methods": [step()],
        "issued_at": moment(-10),
        "identity": {
            "id": IDENTITY_ID,
            "schema_id": "default",
            "state": "active",
            "traits": {"email": "ada@example.com", "name": {"first": "Ada"}, "tags": ["a", "b"]},
            "verifiable_addresses": [{"value": "ada@example.com", "via": "email", "verified": True}],
            "metadata_public": {"roles": ["reader"]},
            **(identity or {}),
        },
        "devices": [{"id": "d1", "ip_address": "192.0.2.1"}],
        **changes,
    }


def aal2_session(password_at: float = -10, totp_at: float = -10) -> dict[str, Any]:
    """Return a session of two factors."""
    return session_body(
        authenticator_assurance_level="aal2",
        authenticated_at=moment(max(password_at, totp_at)),
        authentication_methods=[step(at=password_at), step("totp", "aal2", totp_at)],
    )


def signed_in(body: dict[str, Any] | None = None, **headers: str) -> Told:
    """Return Kratos' answer to a good credential; header names with underscores for dashes."""
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Told(200, session_body() if body is None else body, _JSON + pairs)


def refused(status: int = 401, error_id: str | None = None, **error: Any) -> Told:
    """Return Kratos' refusal: its 401 has no id."""
    named = {} if error_id is None else {"id": error_id}
    return Told(status, {"error": {**named, "code": status, "status": "…", "reason": "…", **error}})


STEP_UP = refused(403, "session_aal2_required")
ENROLL = refused(403, "session_aal2_enrollment_required")


def settings_of(**changes: Any) -> GuardSettings:
    """Return settings for the stub, with `changes`."""
    return GuardSettings(**{"kratos_public_url": KRATOS, "kratos_browser_url": BROWSER, "app_url": APP, **changes})


def context_of(guard: OryGuard, scope: dict[str, Any]) -> AuthContext:
    """Return the auth context of a request after the look-up in the cache."""
    context = AuthContext(guard, scope)
    context.outcome = guard.authentication.from_cache(scope, context)
    return context


async def optional_session(guard: OryGuard, scope: dict[str, Any]) -> Session[Any] | None:
    """Return the session as the dependency for an optional session does."""
    return await guard.enforcement.optional(scope, guard.enforcement.get_context(scope))


def guard_of(
    kratos: httpx2.AsyncBaseTransport | None,
    clock: StandingClock | None = None,
    *,
    listeners: Iterable[Listener] = (),
    traits: type[Any] | None = None,
    **changes: Any,
) -> OryGuard:
    """Return a guard that asks `kratos` and lives by `clock`; `changes` are settings."""
    return OryGuard(
        settings_of(**changes),
        transport=kratos,
        clock=clock or StandingClock(),
        listeners=listeners,
        traits=traits,
    )
