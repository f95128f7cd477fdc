"""A Kratos double that returns given responses and records the requests."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias

import httpx2

from support.clock import NOW

KRATOS = "http://kratos.test:4433"
BROWSER = "https://id.example.com"
APP = "https://app.example.com"
SESSION_ID = "5a1f0c1e-2f0b-4d0e-9a55-0f6d8d1c7a01"
IDENTITY_ID = "c3b7f0de-93a4-4c0e-8e6b-64d0c5a0b702"
COOKIE = b"ory_kratos_session=MTc5NTMwMDc4OHxRb09jMGRfaXlkaUhv"
TOKEN = b"ory_st_ivZW9aFsL0lU9MavgfaxGEjqklcAozIZ"

_JSON = (("content-type", "application/json; charset=utf-8"),)
_CREDENTIAL_HEADERS = frozenset({"cookie", "authorization", "x-session-token"})


@dataclass(frozen=True)
class KratosResponse:
    """A response of Kratos; a body that is not bytes is sent as JSON."""

    status: int
    body: Any = None
    headers: tuple[tuple[str, str], ...] = _JSON

    @property
    def raw(self) -> bytes:
        """The body as bytes."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    def response(self) -> httpx2.Response:
        """Return the response of a transport."""
        headers = [*self.headers, ("content-length", str(len(self.raw)))]
        return httpx2.Response(self.status, headers=headers, stream=httpx2.ByteStream(self.raw))

    def with_header(self, name: str, value: str) -> "KratosResponse":
        """Return a copy with an additional header."""
        return KratosResponse(self.status, self.body, (*self.headers, (name, value)))


@dataclass(frozen=True)
class KratosRequest:
    """A request to Kratos; header names are in lower case."""

    method: str
    url: str
    headers: list[tuple[str, str]] = field(repr=False)

    @classmethod
    def of(cls, request: httpx2.Request) -> "KratosRequest":
        """Return the request to a transport."""
        headers = [(name.decode().lower(), value.decode("latin-1")) for name, value in request.headers.raw]
        return cls(request.method, str(request.url), headers)

    def credentials(self) -> list[tuple[str, str]]:
        """Return the headers that carry a credential."""
        return [(name, value) for name, value in self.headers if name in _CREDENTIAL_HEADERS]

    def header(self, name: str) -> str | None:
        """Return the first value of a header, or None."""
        return next((value for key, value in self.headers if key == name), None)


ScriptedReply: TypeAlias = KratosResponse | Exception | Callable[[KratosRequest], KratosResponse]


class ScriptedKratos(httpx2.AsyncBaseTransport):
    """A transport that returns its responses in order, and repeats the last one.

    Attributes:
        requests: All requests so far.
        responses: The remaining responses. An exception is raised, a function is called with the request.
        closed: How often the transport was closed.
    """

    def __init__(self, *responses: ScriptedReply) -> None:
        self.requests: list[KratosRequest] = []
        self.responses: list[ScriptedReply] = list(responses)
        self.closed = 0
        self._may_respond = asyncio.Event()
        self._may_respond.set()

    def hold(self) -> None:
        """Delay all responses until `release` is called."""
        self._may_respond.clear()

    def release(self) -> None:
        """Send the delayed responses, and later ones at once."""
        self._may_respond.set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Record the request and return the next response."""
        received = KratosRequest.of(request)
        self.requests.append(received)
        reply = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        await self._may_respond.wait()
        if isinstance(reply, Exception):
            raise reply
        response = reply if isinstance(reply, KratosResponse) else reply(received)
        return response.response()

    async def aclose(self) -> None:
        """Count the call."""
        self.closed += 1


def timestamp(seconds_from_now: float) -> str:
    """Return a time in Kratos' format."""
    return (NOW + timedelta(seconds=seconds_from_now)).strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z"


def step(method: str = "password", aal: str = "aal1", at: float = -10) -> dict[str, str]:
    """Return an authentication method that was completed `at` seconds from now."""
    return {"method": method, "aal": aal, "completed_at": timestamp(at)}


def session_body(*, identity: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return the body of a whoami response: an aal1 session that expires in an hour, with `changes`."""
    return {
        "id": SESSION_ID,
        "active": True,
        "expires_at": timestamp(3_600),
        "authenticated_at": timestamp(-10),
        "authenticator_assurance_level": "aal1",
        "authentication_methods": [step()],
        "issued_at": timestamp(-10),
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
    """Return an aal2 session: password and TOTP."""
    return session_body(
        authenticator_assurance_level="aal2",
        authenticated_at=timestamp(max(password_at, totp_at)),
        authentication_methods=[step(at=password_at), step("totp", "aal2", totp_at)],
    )


def signed_in(body: dict[str, Any] | None = None, **headers: str) -> KratosResponse:
    """Return the whoami response to a valid credential; header names have underscores for dashes."""
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return KratosResponse(200, session_body() if body is None else body, _JSON + pairs)


def refused(status: int = 401, error_id: str | None = None, **error: Any) -> KratosResponse:
    """Return an error of Kratos; its 401 has no id."""
    named = {} if error_id is None else {"id": error_id}
    return KratosResponse(status, {"error": {**named, "code": status, "status": "…", "reason": "…", **error}})


STEP_UP = refused(403, "session_aal2_required")
ENROLL = refused(403, "session_aal2_enrollment_required")
