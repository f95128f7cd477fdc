"""Requests as ASGI scopes, the responses to them, and a monitor of logs, tasks and the event loop."""

import asyncio
import base64
import gc
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

__all__ = ["SECRETS", "Application", "Monitor", "Reply", "Request", "call", "navigation", "socket", "texts_of"]

Application = Callable[[Any, Any, Any], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

SECRETS: Final = (b"tok-A", b"tok-B", b"ck-A", b"ck-B", b"issued-anew", b"app-secret")
"""All credentials that the tests send or Kratos sets."""

_LONGEST_BLOCK: Final = 0.5


@dataclass(frozen=True)
class Request:
    """An HTTP request or a websocket handshake."""

    headers: Headers = ()
    path: str = "/p"
    method: str = "GET"
    query: bytes = b""
    raw_path: bytes | None = None
    root_path: str = ""
    websocket: bool = False
    denial: bool = False

    def scope(self) -> dict[str, Any]:
        """Return a new ASGI scope."""
        scope: dict[str, Any] = {
            "type": "websocket" if self.websocket else "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "ws" if self.websocket else "http",
            "path": self.path,
            "raw_path": quote(self.path).encode() if self.raw_path is None else self.raw_path,
            "root_path": self.root_path,
            "query_string": self.query,
            "headers": list(self.headers),
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 50_000),
            "extensions": {"websocket.http.response": {}} if self.denial else {},
        }
        kind: dict[str, Any] = {"subprotocols": []} if self.websocket else {"method": self.method}
        return scope | kind


def navigation(*headers: tuple[bytes, bytes], **parts: Any) -> Request:
    """Return a navigation of a browser."""
    sent = ((b"sec-fetch-mode", b"navigate"), (b"accept", b"text/html"), *headers)
    return Request(sent, **parts)


def socket(*headers: tuple[bytes, bytes], **parts: Any) -> Request:
    """Return a websocket handshake at `/ws`, on a server with denial responses."""
    return Request(headers, path="/ws", websocket=True, denial=True, **parts)


@dataclass
class Reply:
    """The response of an application.

    Attributes:
        scope: The scope of the request, with the names that the middleware published.
        messages: The messages that the application sent.
    """

    scope: dict[str, Any]
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def outcome(self) -> Any:
        """The outcome that the middleware published."""
        return self.scope["state"]["auth"]

    def _start(self) -> dict[str, Any]:
        return next((message for message in self.messages if message["type"].endswith("response.start")), {})

    @property
    def status(self) -> int:
        """The HTTP status, 101 for an accepted websocket, or the code of a closed one."""
        if any(message["type"] == "websocket.accept" for message in self.messages):
            return 101
        if close := next((message for message in self.messages if message["type"] == "websocket.close"), None):
            return int(close["code"])
        return int(self._start().get("status", 0))

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of the response."""
        return list(self._start().get("headers", ()))

    def all(self, name: bytes) -> list[bytes]:
        """Return every value of a header."""
        return [value for key, value in self.headers if key.lower() == name]

    def one(self, name: bytes) -> str:
        """Return the value of a header that occurs exactly once."""
        (value,) = self.all(name)
        return value.decode("ascii")

    @property
    def body(self) -> bytes:
        """The body."""
        bodies = (message for message in self.messages if message["type"].endswith("response.body"))
        return b"".join(message.get("body", b"") for message in bodies)

    @property
    def error_id(self) -> Any:
        """The `error.id` of the body."""
        return json.loads(self.body)["error"]["id"]

    @property
    def identity(self) -> str | None:
        """The identity that the endpoint responded with, or None if no endpoint ran."""
        if self.status == 101:
            return next((message["text"] for message in self.messages if message["type"] == "websocket.send"), None)
        if self.status != 200:
            return None
        identity: str | None = json.loads(self.body).get("identity")
        return identity


async def call(application: Application, request: Request) -> Reply:
    """Send a request to an application, and return the response."""
    reply = Reply(request.scope())
    inbox = (
        [{"type": "websocket.connect"}]
        if request.websocket
        else [{"type": "http.request", "body": b"", "more_body": False}]
    )
    disconnect = {"type": "websocket.disconnect" if request.websocket else "http.disconnect", "code": 1000}

    async def receive() -> dict[str, Any]:
        return inbox.pop(0) if inbox else disconnect

    async def send(message: dict[str, Any]) -> None:
        reply.messages.append(message)

    await application(reply.scope, receive, send)
    return reply


def texts_of(error: BaseException | None) -> Iterable[str]:
    """Yield the text and the repr of an exception and of all its causes."""
    while error is not None:
        yield str(error)
        yield repr(error)
        error = error.__cause__ or error.__context__


class _LogRecorder(logging.Handler):
    """Records the text of every log record."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.getMessage()} {record.msg!r} {record.args!r}")
        if record.exc_info:
            self.texts.extend(texts_of(record.exc_info[1]))


class Monitor:
    """Asserts that a block logs no secret, does not block the event loop, and leaves no unhandled exception.

    Blocking is measured as the CPU time of this thread between two heartbeats, so a busy machine does not look like
    a blocked loop. The garbage collector pauses, because it would scan all objects of pytest.

    Args:
        longest_block: The maximum CPU time between two heartbeats, in seconds.
    """

    def __init__(self, longest_block: float = _LONGEST_BLOCK) -> None:
        self._allowed = longest_block
        self._handler = _LogRecorder()
        self.longest_block = 0.0
        self.unhandled: list[str] = []

    async def __aenter__(self) -> Self:
        root = logging.getLogger()
        self._level = root.level
        root.setLevel(logging.DEBUG)
        root.addHandler(self._handler)
        asyncio.get_running_loop().set_exception_handler(self._record_unhandled)
        gc.disable()
        self._heart = asyncio.create_task(self._beat())
        await asyncio.sleep(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await asyncio.sleep(0.002)
        self._heart.cancel()
        await asyncio.gather(self._heart, return_exceptions=True)
        gc.enable()
        asyncio.get_running_loop().set_exception_handler(None)
        root = logging.getLogger()
        root.removeHandler(self._handler)
        root.setLevel(self._level)
        if kind is None:
            self.check()

    def check(self) -> None:
        """Raise AssertionError if the block was not clean."""
        assert self.longest_block < self._allowed, f"the event loop was blocked for {self.longest_block:.3f} s"
        assert self.unhandled == []
        for text in self._handler.texts:
            assert not leaks(text), f"a secret in the log: {text!r}"

    def _record_unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.unhandled.append(repr(context))

    async def _beat(self) -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            self.longest_block = max(self.longest_block, time.thread_time() - before)


def leaks(text: str) -> bool:
    """Return whether a text contains a secret, in plain text or in base64."""
    return any(
        secret.decode() in text or base64.b64encode(secret).decode().rstrip("=")[:-1] in text for secret in SECRETS
    )
