"""Call an ASGI application as a server does, with headers as raw bytes, and record the messages that it sends."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Application = Callable[[Any, Any, Any], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

NAVIGATE = (b"sec-fetch-mode", b"navigate")
HTML = (b"accept", b"text/html,application/xhtml+xml")


@dataclass(frozen=True)
class SentResponse:
    """The response of an application to an HTTP request."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """Return the value of a header, or None; fail if it is repeated."""
        values = self.all(name)
        assert len(values) < 2, f"{name!r} was sent {len(values)} times"
        return values[0] if values else None

    def all(self, name: bytes) -> list[bytes]:
        """Return every value of a header."""
        return [value for key, value in self.headers if key.lower() == name]

    @property
    def json(self) -> Any:
        """The body, parsed as JSON."""
        return json.loads(self.body)

    @property
    def error_id(self) -> Any:
        """The `error.id` of the body."""
        return self.json["error"]["id"]


def http_scope(path: str = "/", *, method: str = "GET", headers: Headers = (), **more: Any) -> dict[str, Any]:
    """Return the scope of an HTTP request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogateescape"),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "client": ("192.0.2.7", 50_000),
        "server": ("127.0.0.1", 8_000),
        **more,
    }


async def call(
    app: Application,
    path: str = "/",
    *,
    method: str = "GET",
    headers: Headers = (),
    parts: Iterable[bytes] = (b"",),
    **more: Any,
) -> SentResponse:
    """Send an HTTP request with the parts of its body, and return the response.

    Raises:
        Exception: If the application raises it.
    """
    sent: list[Mapping[str, Any]] = []
    received = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    received[-1]["more_body"] = False

    async def receive() -> dict[str, Any]:
        if received:
            return received.pop(0)
        await asyncio.Event().wait()  # the client stays connected
        raise AssertionError

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    await app(http_scope(path, method=method, headers=headers, **more), receive, send)
    starts = [message for message in sent if message["type"] == "http.response.start"]
    assert len(starts) == 1, f"expected one response, got {len(starts)}"
    body = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    return SentResponse(starts[0]["status"], list(starts[0].get("headers", ())), body)


def websocket_scope(path: str = "/", *, headers: Headers = (), denial: bool = True) -> dict[str, Any]:
    """Return the scope of a websocket handshake; `denial` adds the extension for denial responses."""
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "subprotocols": [],
        "client": ("192.0.2.7", 50_000),
        "server": ("127.0.0.1", 8_000),
        "extensions": {"websocket.http.response": {}} if denial else {},
    }


async def connect(
    app: Application, path: str = "/", *, headers: Headers = (), denial: bool = True
) -> list[dict[str, Any]]:
    """Open a websocket, send one text message, disconnect, and return the messages that the application sent."""
    sent: list[dict[str, Any]] = []
    received: list[dict[str, Any]] = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "hello"},
        {"type": "websocket.disconnect", "code": 1000},
    ]

    async def receive() -> dict[str, Any]:
        return received.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(websocket_scope(path, headers=headers, denial=denial), receive, send)
    return sent


async def run_lifespan(app: Application, sent: list[dict[str, Any]], **more: Any) -> None:
    """Send the events of the startup and the shutdown, and add the messages of the application to `sent`."""
    received = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> dict[str, Any]:
        return received.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({"type": "lifespan", **more}, receive, send)
