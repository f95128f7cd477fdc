"""A Kratos made of raw bytes on loopback: it answers what a test tells it, byte for byte, or breaks on purpose.

It shares nothing with the product: requests are read by splitting lines, answers are written as they are.
"""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from support.memory_store import eventually

__all__ = [
    "ALICE",
    "BOB",
    "UNAUTHORIZED",
    "Behaviour",
    "Question",
    "RawKratos",
    "aborting",
    "answer",
    "answering",
    "error_body",
    "session",
]

ALICE: Final = "5c2d6a3e-0000-4000-8000-00000000a11c"
BOB: Final = "5c2d6a3e-0000-4000-8000-000000000b0b"
_SESSIONS: Final = {ALICE: "77d1c4b0-0000-4000-8000-00000000a11c", BOB: "77d1c4b0-0000-4000-8000-000000000b0b"}
_CREDENTIAL_HEADERS: Final = (b"cookie", b"authorization", b"x-session-token")


@dataclass(frozen=True)
class Question:
    """One request as it came in: request line and headers with names in lower case."""

    line: bytes
    headers: tuple[tuple[bytes, bytes], ...]

    @property
    def credentials(self) -> list[tuple[bytes, bytes]]:
        """Every header that Kratos would look for a session in."""
        return [(name, value) for name, value in self.headers if name in _CREDENTIAL_HEADERS]

    @property
    def credential(self) -> bytes:
        """The value of the one credential, without the cookie's name or the scheme."""
        value = self.credentials[0][1]
        return value.rpartition(b" ")[2].rpartition(b"=")[2]


Behaviour = Callable[[Question, asyncio.StreamWriter], Awaitable[None]]


def session(identity_id: str = ALICE, **changes: Any) -> dict[str, Any]:
    """Return a whoami document that ends in an hour; `changes` replace its keys, `...` removes one."""
    now = datetime.now(UTC)
    document: dict[str, Any] = {
        "id": _SESSIONS.get(identity_id, f"77d1c4b0-{identity_id[9:]}"),
        "active": True,
        "expires_at": (now + timedelta(hours=1)).isoformat(),
        "authenticated_at": now.isoformat(),
        "authenticator_assurance_level": "aal1",
        "authentication_methods": [{"method": "password", "aal": "aal1", "completed_at": now.isoformat()}],
        "issued_at": now.isoformat(),
        "identity": {"id": identity_id, "schema_id": "default", "state": "active", "traits": {"email": "a@x.test"}},
        "devices": [],
    }
    return {key: value for key, value in {**document, **changes}.items() if value is not ...}


def answer(
    body: Any = b"", status: int = 200, *headers: tuple[str, str], content_type: str | None = "application/json"
) -> bytes:
    """Return a whole HTTP/1.1 answer; a body that is not bytes is sent as JSON."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = [("Content-Length", str(len(payload))), *headers]
    if content_type is not None:
        fields.append(("Content-Type", content_type))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"HTTP/1.1 {status} Status\r\n{head}\r\n".encode("latin-1") + payload


def error_body(code: int, error_id: str | None = None, **details: Any) -> dict[str, Any]:
    """Return an error in the form of Kratos' JSON errors."""
    error: dict[str, Any] = {"code": code, "status": "Status", "reason": "as told", "message": "as told"}
    if error_id is not None:
        error["id"] = error_id
    return {"error": {**error, "details": details}, **details} if details else {"error": error}


UNAUTHORIZED: Final = answer(error_body(401), 401)


def answering(reply: bytes, *, then_close: bool = False) -> Behaviour:
    """Return a behaviour that always sends these bytes."""

    async def behave(_question: Question, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        if then_close:
            writer.close()

    return behave


def aborting(sent_before: bytes = b"") -> Behaviour:
    """Return a behaviour that sends a part of an answer and then resets the connection."""

    async def behave(_question: Question, writer: asyncio.StreamWriter) -> None:
        writer.write(sent_before)
        await writer.drain()
        reset(writer)

    return behave


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with RST instead of FIN."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class RawKratos:
    """The stub: an async context manager that serves on 127.0.0.1.

    Args:
        host: Another loopback address.
        port: The port, or 0 for any.

    Attributes:
        people: What is answered, by credential value; everything else gets Kratos' 401.
        behaviour: What to do instead with every request.
        questions: Every request that came.
        connections: How many connections were opened.
        open: How many of them are open.
        asked: Set whenever a request has come.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._address = host, port
        self.people: dict[bytes, bytes] = {
            b"ck-A": answer(session(ALICE)),
            b"tok-A": answer(session(ALICE)),
            b"ck-B": answer(session(BOB)),
            b"tok-B": answer(session(BOB)),
        }
        self.behaviour: Behaviour | None = None
        self.questions: list[Question] = []
        self.connections = 0
        self.open = 0
        self.asked = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, *self._address)
        port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._server.close()
        await self.hang_up()

    async def hang_up(self) -> None:
        """End every connection, whatever it is doing."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def is_left(self) -> None:
        """Wait until every client has gone."""
        await eventually(lambda: not self.open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        self.open += 1
        try:
            while not writer.is_closing():
                question = await _read(reader)
                self.questions.append(question)
                self.asked.set()
                await (self.behaviour or self._answer)(question, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass  # the client went away, or the test is over
        finally:
            self.open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, question: Question, writer: asyncio.StreamWriter) -> None:
        writer.write(self.people.get(question.credential, UNAUTHORIZED))


async def _read(reader: asyncio.StreamReader) -> Question:
    head = await reader.readuntil(b"\r\n\r\n")
    line, *lines = head[:-4].split(b"\r\n")
    pairs = (each.partition(b":") for each in lines)
    return Question(line, tuple((name.lower(), value.strip(b" ")) for name, _, value in pairs))
