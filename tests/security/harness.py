"""Raw ASGI scopes in, answers out, and a vigil over what must never happen meanwhile."""

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

__all__ = ["SECRETS", "Application", "Reply", "Request", "Vigil", "call", "everything_in", "navigation", "socket"]

Application = Callable[[Any, Any, Any], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

SECRETS: Final = (b"tok-A", b"tok-B", b"ck-A", b"ck-B", b"issued-anew", b"app-secret")
"""Every credential that the tests send or that the stub sets."""

_LONGEST_BLOCK: Final = 0.5


@dataclass(frozen=True)
class Request:
    """An http or websocket request as a server would put it in a scope."""

    headers: Headers = ()
    path: str = "/p"
    method: str = "GET"
    query: bytes = b""
    raw_path: bytes | None = None
    root_path: str = ""
    websocket: bool = False
    denial: bool = False

    def scope(self) -> dict[str, Any]:
        """Return a fresh scope."""
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
    """Return the request of a browser that follows a link."""
    sent = ((b"sec-fetch-mode", b"navigate"), (b"accept", b"text/html"), *headers)
    return Request(sent, **parts)


def socket(*headers: tuple[bytes, bytes], **parts: Any) -> Request:
    """Return a websocket handshake on `/ws`, from a server that can send denial responses."""
    return Request(headers, path="/ws", websocket=True, denial=True, **parts)


@dataclass
class Reply:
    """What came back."""

    messages: list[dict[str, Any]] = field(default_factory=list)

    def _start(self) -> dict[str, Any]:
        return next((one for one in self.messages if one["type"].endswith("response.start")), {})

    @property
    def status(self) -> int:
        """The HTTP status; for a websocket 101 if it was accepted, else that of the denial or the close code."""
        if any(one["type"] == "websocket.accept" for one in self.messages):
            return 101
        if close := next((one for one in self.messages if one["type"] == "websocket.close"), None):
            return int(close["code"])
        return int(self._start().get("status", 0))

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers as sent."""
        return list(self._start().get("headers", ()))

    def all(self, name: bytes) -> list[bytes]:
        """Return every value of a header."""
        return [value for key, value in self.headers if key.lower() == name]

    def one(self, name: bytes) -> str:
        """Return a header that is there once."""
        (value,) = self.all(name)
        return value.decode("ascii")

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(one.get("body", b"") for one in self.messages if one["type"].endswith("response.body"))

    @property
    def identity(self) -> str | None:
        """The identity that the endpoint named, or None if no endpoint ran."""
        if self.status == 101:
            return next((one["text"] for one in self.messages if one["type"] == "websocket.send"), None)
        if self.status != 200:
            return None
        named: str | None = json.loads(self.body).get("identity")
        return named


async def call(application: Application, request: Request) -> Reply:
    """Send one request to the application and return the whole answer."""
    reply = Reply()
    inbox = (
        [{"type": "websocket.connect"}]
        if request.websocket
        else [{"type": "http.request", "body": b"", "more_body": False}]
    )
    gone = {"type": "websocket.disconnect" if request.websocket else "http.disconnect", "code": 1000}

    async def receive() -> dict[str, Any]:
        return inbox.pop(0) if inbox else gone

    async def send(message: dict[str, Any]) -> None:
        reply.messages.append(message)

    await application(request.scope(), receive, send)
    return reply


def everything_in(value: BaseException | None) -> Iterable[str]:
    """Yield the text and repr of an exception and of all that led to it."""
    while value is not None:
        yield str(value)
        yield repr(value)
        value = value.__cause__ or value.__context__


class _Everything(logging.Handler):
    """Keeps every record of every logger as text."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.getMessage()} {record.msg!r} {record.args!r}")
        if record.exc_info:
            self.texts.extend(everything_in(record.exc_info[1]))


class Vigil:
    """Watches a test: no secret is logged, the event loop is not blocked, no error goes unheard.

    Blocking is measured as CPU time that this thread used between two turns of a heartbeat, so that a busy
    machine does not look like a blocked loop; the collector, which has all of pytest to go through, pauses.

    Args:
        longest_block: How many seconds of CPU time the event loop may be blocked for.
    """

    def __init__(self, longest_block: float = _LONGEST_BLOCK) -> None:
        self._allowed = longest_block
        self._handler = _Everything()
        self.longest_block = 0.0
        self.unheard: list[str] = []

    async def __aenter__(self) -> Self:
        root = logging.getLogger()
        self._level = root.level
        root.setLevel(logging.DEBUG)
        root.addHandler(self._handler)
        asyncio.get_running_loop().set_exception_handler(self._hear)
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
        """Say what went wrong, if anything did."""
        assert self.longest_block < self._allowed, f"the event loop was blocked for {self.longest_block:.3f} s"
        assert self.unheard == []
        for text in self._handler.texts:
            assert not leaks(text), f"a secret in the log: {text!r}"

    def _hear(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.unheard.append(repr(context))

    async def _beat(self) -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            self.longest_block = max(self.longest_block, time.thread_time() - before)


def leaks(text: str) -> bool:
    """Tell whether a secret can be read out of the text, as it is or in base64."""
    return any(
        secret.decode() in text or base64.b64encode(secret).decode().rstrip("=")[:-1] in text for secret in SECRETS
    )
