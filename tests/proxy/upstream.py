"""A Kratos double behind the proxy, and applications with a proxy."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from support.clock import AdjustableClock

from ory_guard import GuardSettings, OryGuard, OrySessionMiddleware
from ory_guard.proxy import KratosProxy

KRATOS = "http://kratos.test:4433"
APP = "http://app.test"
PROXY = f"{APP}/.ory"
SESSION = b"ory_kratos_session=MTc5NTMwMDc4OHxRb09jMGRfaXlkaUhv"

Pair = tuple[bytes, bytes]
JSON = (b"content-type", b"application/json")


@dataclass(frozen=True)
class Reply:
    """A response of the double."""

    status: int = 200
    body: bytes = b"{}"
    headers: tuple[Pair, ...] = (JSON,)

    async def send(self, send: Any) -> None:
        """Send the response."""
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": self.body})


@dataclass(frozen=True)
class Received:
    """A request that the double has received."""

    method: str
    target: str
    headers: list[Pair] = field(repr=False)
    body: bytes

    def all(self, name: bytes) -> list[bytes]:
        """Return every value of a header."""
        return [value for key, value in self.headers if key == name]


class Upstream:
    """An ASGI application in the place of Kratos.

    Args:
        replies: The responses in order; the last one repeats. An exception is raised.

    Attributes:
        requests: All requests so far.
        transport: A transport to the double.
    """

    def __init__(self, *replies: Reply | Exception) -> None:
        self.replies = list(replies or (Reply(),))
        self.requests: list[Received] = []
        self.transport = httpx2.ASGITransport(app=self)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Record the request and send the next reply."""
        parts: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        query = scope["query_string"].decode("latin-1")
        target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        self.requests.append(Received(scope["method"], target, list(scope["headers"]), b"".join(parts)))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        await reply.send(send)

    @property
    def last(self) -> Received:
        """The last request."""
        return self.requests[-1]


def json_reply(document: Any, status: int = 200, *headers: Pair) -> Reply:
    """Return a reply with a JSON body."""
    return Reply(status, json.dumps(document).encode(), (JSON, *headers))


def guard_for(transport: httpx2.AsyncBaseTransport | None, **settings: Any) -> OryGuard:
    """Return a guard whose browsers reach Kratos through the proxy."""
    values = {"kratos_public_url": KRATOS, "kratos_browser_url": PROXY, "app_url": APP, **settings}
    return OryGuard(GuardSettings(**values), transport=transport, clock=AdjustableClock())


def proxied(upstream: Upstream, *, cookies: Iterable[str] = (), **settings: Any) -> Starlette:
    """Return an application with the proxy at `/.ory`, behind the middleware of the guard."""
    return application(guard_for(upstream.transport, **settings), cookies=cookies)


def application(guard: OryGuard, **options: Any) -> Starlette:
    """Return an application with the proxy of a guard at `/.ory`."""

    async def whole(_request: Any) -> PlainTextResponse:
        return PlainTextResponse("the application")

    app = Starlette(routes=[Mount("/.ory", KratosProxy(guard, **options)), Route("/{path:path}", whole)])
    app.add_middleware(OrySessionMiddleware, guard=guard)
    return app
