"""A Kratos in the process of the test that serves thousands of whoami calls per second and counts them."""

import asyncio
from typing import Any, Final, Self

from support.raw_kratos import UNAUTHORIZED, raw_response
from support.scripted_kratos import session_body

__all__ = ["CountingKratos"]

_DEVICES: Final = [{"id": "d1", "ip_address": "192.0.2.1", "user_agent": "x" * 110, "location": ""}]


class CountingKratos:
    """An asynchronous context manager that listens on 127.0.0.1."""

    def __init__(self) -> None:
        self.sessions: dict[str, str] = {}
        self.calls = 0
        self.delay = 0.0
        self.url = ""

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
        return UNAUTHORIZED if session_id is None else _response(session_id)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._server.close()


class _Connection(asyncio.Protocol):
    def __init__(self, kratos: CountingKratos) -> None:
        self._kratos = kratos
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, self._received = (self._received + data).split(b"\r\n\r\n")
        for head in heads:
            asyncio.get_running_loop().call_later(
                self._kratos.delay, self._transport.write, self._kratos.respond(head)
            )


def _response(session_id: str) -> bytes:
    identity = {"id": f"identity-of-{session_id}", "traits": {"email": f"{session_id}@example.com"}}
    body = session_body(id=session_id, identity=identity, expires_at="2099-01-01T00:00:00Z", devices=_DEVICES)
    return raw_response(body)
