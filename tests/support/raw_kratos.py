"""A Kratos double on a socket of 127.0.0.1 that sends raw bytes, and can misbehave in any way.

It shares no code with the product: it splits requests into lines itself, and sends responses unchanged.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

from support.memory_store import eventually

_CREDENTIAL_HEADERS: Final = (b"cookie", b"authorization", b"x-session-token")


@dataclass(frozen=True)
class RawRequest:
    """A request.

    Attributes:
        head: The bytes of the request line and the headers.
    """

    head: bytes

    @property
    def target(self) -> bytes:
        """The request target: path and query."""
        return self.head.split(b" ", 2)[1]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers, with names in lower case."""
        pairs = (line.partition(b":") for line in self.head[:-4].split(b"\r\n")[1:])
        return [(name.lower(), value.strip(b" ")) for name, _, value in pairs]

    @property
    def credentials(self) -> list[tuple[bytes, bytes]]:
        """The headers in which Kratos looks for a session."""
        return [(name, value) for name, value in self.headers if name in _CREDENTIAL_HEADERS]

    @property
    def credential(self) -> bytes:
        """The value of the credential, without the cookie's name or the scheme."""
        value = self.credentials[0][1]
        return value.rpartition(b" ")[2].rpartition(b"=")[2]


Handler = Callable[[RawRequest, asyncio.StreamWriter], Awaitable[None]]


def raw_response(
    body: Any = b"", status: int = 200, *headers: tuple[str, str], content_type: str | None = "application/json"
) -> bytes:
    """Return an HTTP/1.1 response; a body that is not bytes is sent as JSON."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = [("Content-Length", str(len(payload))), *headers]
    if content_type is not None:
        fields.append(("Content-Type", content_type))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"HTTP/1.1 {status} Status\r\n{head}\r\n".encode("latin-1") + payload


def error_body(code: int, error_id: str | None = None, **details: Any) -> dict[str, Any]:
    """Return an error in Kratos' JSON format."""
    error: dict[str, Any] = {"code": code, "status": "Status", "reason": "Reason.", "message": "Message."}
    if error_id is not None:
        error["id"] = error_id
    return {"error": {**error, "details": details}, **details} if details else {"error": error}


UNAUTHORIZED: Final = raw_response(error_body(401), 401)


class RawKratos:
    """An async context manager that serves connections.

    The response to a request comes from `handler` if it is set, else from the next of `replies` (the last one
    repeats), else from `responses`, else it is Kratos' 401.

    Args:
        replies: Responses or handlers, one for each request.
        responses: The responses by the value of the credential.
        tls: The TLS context of an https server.
        host: The loopback address.
        port: The port, or 0 for any free port.
        path: The path of a Unix socket to use instead of host and port.

    Attributes:
        url: The base URL.
        port: The port.
        handler: The handler of every request, or None.
        requests: All requests so far.
        received: An event that is set by every request.
        connections: The number of connections so far.
        open: The number of open connections.
    """

    def __init__(
        self,
        *replies: bytes | Handler,
        responses: Mapping[bytes, bytes] | None = None,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        path: Path | None = None,
    ) -> None:
        self._replies = list(replies)
        self._tls = tls
        self._address = host, port
        self._path = path
        self.url = ""
        self.port = port
        self.responses = dict(responses or {})
        self.handler: Handler | None = None
        self.requests: list[RawRequest] = []
        self.received = asyncio.Event()
        self.connections = 0
        self.open = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        if self._path is not None:
            self._server = await asyncio.start_unix_server(self._serve, self._path, ssl=self._tls)
            self.url = f"http+unix://{quote(str(self._path), safe='')}"
            return self
        self._server = await asyncio.start_server(self._serve, *self._address, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._server.close()
        await self.drop_connections()

    async def drop_connections(self) -> None:
        """Close all connections, also in the middle of a response."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def all_closed(self) -> None:
        """Wait until the clients have closed all connections."""
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
                request = RawRequest(await reader.readuntil(b"\r\n\r\n"))
                self.requests.append(request)
                self.received.set()
                await self._reply(request, writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass  # the client closed the connection, or the test has ended
        finally:
            self.open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _reply(self, request: RawRequest, writer: asyncio.StreamWriter) -> None:
        reply = self.handler or self._next_reply(request)
        if callable(reply):
            await reply(request, writer)
        else:
            writer.write(reply)
        await writer.drain()

    def _next_reply(self, request: RawRequest) -> bytes | Handler:
        if self._replies:
            return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        return self.responses.get(request.credential, UNAUTHORIZED)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close the connection with RST instead of FIN."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def respond(reply: bytes, *, then_close: bool = False) -> Handler:
    """Return a handler that sends these bytes, and optionally closes the connection."""

    async def handle(_request: RawRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        if then_close:
            writer.close()

    return handle


def respond_and_reset(sent: bytes = b"") -> Handler:
    """Return a handler that sends these bytes and resets the connection."""

    async def handle(_request: RawRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        reset(writer)

    return handle


def respond_slowly(reply: bytes, pause: float = 0.01, size: int = 1) -> Handler:
    """Return a handler that sends `size` bytes at a time."""

    async def handle(_request: RawRequest, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(reply), size):
            writer.write(reply[start : start + size])
            await writer.drain()
            await asyncio.sleep(pause)

    return handle


async def hang(_request: RawRequest, _writer: asyncio.StreamWriter) -> None:
    """Send nothing and keep the connection open."""
    await asyncio.Event().wait()


async def respond_without_end(_request: RawRequest, writer: asyncio.StreamWriter) -> None:
    """Send an endless body in chunks."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"400\r\n" + b" " * 1_024 + b"\r\n")
        await writer.drain()


hang_up: Final = respond(b"", then_close=True)
