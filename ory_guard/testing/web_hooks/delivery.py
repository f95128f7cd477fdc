"""Sends the requests of web hooks, over the network or to an ASGI application in this process."""

import asyncio
import http.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

from starlette.types import ASGIApp

__all__ = ["DeliveryError", "HookRequest", "HookResponse", "Transport", "deliver", "send_to_app", "send_to_network"]

ATTEMPTS: Final = 3
TIMEOUT: Final = 30.0
MAX_REDIRECTS: Final = 10
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_KEEPING_THE_BODY: Final = frozenset({307, 308})
_BEFORE_TEXT: Final = frozenset({429, *range(500, 600)}) - {501}


class DeliveryError(Exception):
    """The receiver cannot be reached, or does not accept the request after several attempts."""


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A request to a receiver of web hooks."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HookResponse:
    """The response of a receiver; `location` is empty unless it redirects."""

    status: int
    body: bytes
    location: str = ""


Transport = Callable[[HookRequest], HookResponse]


def deliver(request: HookRequest, send: Transport) -> HookResponse:
    """Send a request, three times if the receiver is unreachable or busy, and follow redirects, as Kratos does.

    Raises:
        DeliveryError: If no attempt succeeds.
    """
    for _ in range(ATTEMPTS):
        try:
            response = _follow_redirects(request, send)
        except (OSError, http.client.HTTPException, TimeoutError):
            continue
        if response.status not in _BEFORE_TEXT:
            return response
    raise DeliveryError(f"{request.method} {request.url} giving up after {ATTEMPTS} attempt(s)")


def _follow_redirects(request: HookRequest, send: Transport) -> HookResponse:
    response = send(request)
    for _ in range(MAX_REDIRECTS):
        if response.status not in _REDIRECTS or not response.location:
            break
        url = urljoin(request.url, response.location)
        if response.status in _KEEPING_THE_BODY:
            request = HookRequest(request.method, url, request.headers, request.body)
        else:
            request = HookRequest("GET", url, request.headers, b"")
        response = send(request)
    return response


def send_to_network(request: HookRequest) -> HookResponse:
    """Send a request to the host in its URL."""
    parts = urlsplit(request.url)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request(request.method, _target(request.url), request.body or None, dict(request.headers))
        response = connection.getresponse()
        return HookResponse(response.status, response.read(), response.headers.get("location", ""))
    finally:
        connection.close()


def send_to_app(app: ASGIApp, loop: asyncio.AbstractEventLoop) -> Transport:
    """Return a transport that calls an ASGI application in an event loop of another thread."""

    def send(request: HookRequest) -> HookResponse:
        return asyncio.run_coroutine_threadsafe(_call(app, request), loop).result(TIMEOUT)

    return send


async def _call(app: ASGIApp, request: HookRequest) -> HookResponse:
    parts = urlsplit(request.url)
    headers = {"host": parts.netloc, "content-length": str(len(request.body)), **request.headers}
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": parts.scheme,
        "server": (parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]),
        "client": ("127.0.0.1", 0),
        "root_path": "",
        "path": unquote_to_bytes(parts.path or "/").decode(),
        "raw_path": (parts.path or "/").encode("ascii"),
        "query_string": parts.query.encode("ascii"),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": request.body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    location = dict(sent[0].get("headers", ())).get(b"location", b"")
    return HookResponse(sent[0]["status"], b"".join(part.get("body", b"") for part in sent[1:]), location.decode())


def _target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
