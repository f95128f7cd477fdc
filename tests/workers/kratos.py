"""A Kratos in the process of the test that serves thousands of whoami calls per second and counts them."""

import asyncio
import json
from types import TracebackType
from typing import Any, Final, Self

__all__ = ["CountingKratos"]

_REFUSED: Final = json.dumps({"error": {"code": 401, "status": "Unauthorized", "reason": "No session."}}).encode()


class CountingKratos:
    """An asynchronous context manager that listens on 127.0.0.1.

    Attributes:
        sessions: The active sessions: session ID by token.
        calls: The number of whoami calls.
        delay: Seconds until a response is sent.
        url: The URL.
    """

    def __init__(self) -> None:
        self.sessions: dict[str, str] = {}
        self.calls = 0
        self.delay = 0.0
        self.url = ""
        self._server: asyncio.Server | None = None

    def sign_in(self, number: int) -> tuple[str, str]:
        """Add a session and return its token and ID."""
        token, session_id = f"ory_st_{number:032d}", f"5a1f0c1e-0000-4000-8000-{number:012d}"
        self.sessions[token] = session_id
        return token, session_id

    def respond(self, head: bytes) -> bytes:
        """Return the response to a whoami call."""
        self.calls += 1
        token = head.lower().partition(b"x-session-token: ")[2].partition(b"\r\n")[0].decode()
        session_id = self.sessions.get(token)
        status, body = (b"401 Unauthorized", _REFUSED) if session_id is None else (b"200 OK", _session(session_id))
        return (
            b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
            + body
        )

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()


class _Connection(asyncio.Protocol):
    def __init__(self, kratos: CountingKratos) -> None:
        self._kratos = kratos
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, self._received = (self._received + data).split(b"\r\n\r\n")
        for head in heads:
            response = self._kratos.respond(head)
            if self._kratos.delay:
                asyncio.get_running_loop().call_later(self._kratos.delay, self._transport.write, response)
            else:
                self._transport.write(response)


def _session(session_id: str) -> bytes:
    body: dict[str, Any] = {
        "id": session_id,
        "active": True,
        "expires_at": "2099-01-01T00:00:00Z",
        "authenticated_at": "2026-07-01T12:00:00Z",
        "authenticator_assurance_level": "aal1",
        "authentication_methods": [{"method": "password", "aal": "aal1", "completed_at": "2026-07-01T12:00:00Z"}],
        "identity": {
            "id": f"identity-of-{session_id}",
            "schema_id": "default",
            "state": "active",
            "traits": {"email": f"{session_id}@example.com", "name": {"first": "Ada", "last": "Lovelace"}},
            "verifiable_addresses": [{"value": f"{session_id}@example.com", "via": "email", "verified": True}],
            "metadata_public": {"roles": ["reader", "writer"]},
        },
        "devices": [{"id": "d1", "ip_address": "192.0.2.1", "user_agent": "x" * 110, "location": ""}],
    }
    return json.dumps(body).encode()
