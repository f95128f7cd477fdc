"""A Kratos in the process of the test that counts the whoami calls."""

import asyncio
from typing import Final

from support.raw_kratos import UNAUTHORIZED, RawKratos, RawRequest, raw_response
from support.scripted_kratos import session_body

__all__ = ["CountingKratos"]

_DEVICES: Final = [{"id": "d1", "ip_address": "192.0.2.1", "user_agent": "x" * 110, "location": ""}]


class CountingKratos(RawKratos):
    """An asynchronous context manager that listens on 127.0.0.1.

    Attributes:
        sessions: The ids of the sessions by their tokens.
        calls: The number of calls.
        delay: The seconds until a response.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sessions: dict[str, str] = {}
        self.calls = 0
        self.delay = 0.0
        self.handler = self._respond

    def sign_in(self, number: int) -> tuple[str, str]:
        """Add a session and return its token and ID."""
        token, session_id = f"ory_st_{number:032d}", f"5a1f0c1e-0000-4000-8000-{number:012d}"
        self.sessions[token] = session_id
        return token, session_id

    async def _respond(self, request: RawRequest, writer: asyncio.StreamWriter) -> None:
        self.calls += 1
        session_id = self.sessions.get(request.credential.decode())
        await asyncio.sleep(self.delay)
        writer.write(UNAUTHORIZED if session_id is None else _response(session_id))


def _response(session_id: str) -> bytes:
    identity = {"id": f"identity-of-{session_id}", "traits": {"email": f"{session_id}@example.com"}}
    body = session_body(id=session_id, identity=identity, expires_at="2099-01-01T00:00:00Z", devices=_DEVICES)
    return raw_response(body)
