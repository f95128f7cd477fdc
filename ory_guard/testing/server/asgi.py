"""ASGI in, ASGI out: finds the operation for a request and sends its answer."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from ory_guard.testing.faults import Fault, Faults
from ory_guard.testing.request_log import RecordedRequest, RequestLog
from ory_guard.testing.server.cors import Cors
from ory_guard.testing.server.request import Exchange
from ory_guard.testing.server.response import Answer, ApiError
from ory_guard.testing.server.state import Server

__all__ = ["App", "Operation", "Route", "Sleep"]

Operation = Callable[..., Answer]
Sleep = Callable[[float], Awaitable[None]]

DRIP_PIECES: Final = 16
NO_CACHE: Final = "private, no-cache, no-store, must-revalidate"
ANY: Final = "*"
WITHOUT_COOKIES: Final = ("/health/", "/version")


class Route:
    """
    Where an operation is found.

    Args:
        method: The HTTP method; `*` for any but DELETE.
        path: A path; `{}` stands for one segment, which the operation gets as an argument.
        operation: What answers.
        browser: Whether errors send browsers to a page instead of showing them JSON.
        sets_csrf: Whether a caller without an anti-CSRF cookie gets one.
    """

    def __init__(
        self,
        method: str,
        path: str,
        operation: Operation,
        *,
        browser: bool = False,
        sets_csrf: bool = False,
    ) -> None:
        self.method = method
        self.path = path
        self.operation = operation
        self.browser = browser
        self.sets_csrf = sets_csrf
        self.pattern: re.Pattern[str] | None = (
            re.compile(re.escape(path).replace(r"\{\}", "([^/]+)")) if "{}" in path else None
        )

    def accepts(self, method: str) -> bool:
        """Tell whether the operation answers this method."""
        return self.method == method or (self.method == ANY and method != "DELETE")


class App:
    """
    One of the fake's two ASGI applications.

    Args:
        server: The fake's shared parts.
        routes: Where the operations are found.
        log: Where requests are taken down.
        faults: What goes wrong.
        sleep: Waits; tests give one that doesn't.
        cors: Whose pages may read the answers.
    """

    def __init__(
        self,
        server: Server,
        routes: list[Route],
        log: RequestLog,
        faults: Faults,
        sleep: Sleep = asyncio.sleep,
        *,
        cors: Cors | None = None,
    ) -> None:
        self._server = server
        self._cors = cors
        self._exact: dict[str, list[Route]] = {}
        for route in routes:
            if route.pattern is None:
                self._exact.setdefault(route.path, []).append(route)
        self._patterns = [route for route in routes if route.pattern is not None]
        self._log = log
        self._faults = faults
        self._sleep = sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000, "reason": "Kratos has no websockets"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = self._exchange(scope, await _body(receive))
        fault = self._faults.take(exchange.path) or Fault()
        if fault.seconds:
            await self._sleep(fault.seconds)
        if fault.status is not None:
            answer = Answer(fault.status, fault.body or b"", dict(fault.headers))
        else:
            answer = self._answer(exchange)
            answer.body = answer.body if fault.body is None else fault.body
        self._record(exchange, 0 if fault.resets else answer.status)
        await self._send(exchange, answer, fault, send)

    def _exchange(self, scope: Scope, body: bytes) -> Exchange:
        host, port = scope.get("client") or ("127.0.0.1", 0)
        return Exchange(
            scope["method"],
            _path_below_mount(scope),
            scope.get("query_string", b"").decode("latin-1"),
            Headers(scope=scope),
            body=body,
            client=f"{host}:{port}",
            jar=self._server.jar,
        )

    def _record(self, exchange: Exchange, status: int) -> None:
        self._log.add(
            RecordedRequest(
                exchange.method,
                exchange.path,
                exchange.query,
                dict(exchange.headers.items()),
                exchange.body,
                status,
            )
        )

    def _answer(self, exchange: Exchange) -> Answer:
        if self._cors and (preflight := self._cors.preflight(exchange)):
            return preflight
        route, arguments = self._find(exchange.method, exchange.path)
        if route is None:
            return self._with_shared_headers(exchange, Answer.not_found())
        exchange.json_only = not route.browser
        try:
            answer = route.operation(exchange, *arguments)
        except ApiError as error:
            answer = self._error_answer(exchange, error)
        if route.sets_csrf:
            exchange.csrf_secret()
        return self._with_shared_headers(exchange, answer)

    def _with_shared_headers(self, exchange: Exchange, answer: Answer) -> Answer:
        shared = self._cors.headers(exchange) if self._cors else {}
        if not exchange.path.startswith(WITHOUT_COOKIES):
            shared["vary"] = ", ".join(filter(None, [shared.get("vary"), "Cookie"]))
        if exchange.method == "GET":
            shared["cache-control"] = NO_CACHE
        answer.headers = {**shared, **answer.headers}
        return answer

    def _find(self, method: str, path: str) -> tuple[Route | None, tuple[str, ...]]:
        for route in self._exact.get(path, ()):
            if route.accepts(method):
                return route, ()
        for route in self._patterns:
            found = route.pattern.fullmatch(path) if route.pattern and route.accepts(method) else None
            if found:
                return route, found.groups()
        return None, ()

    def _error_answer(self, exchange: Exchange, error: ApiError) -> Answer:
        if exchange.wants_json:
            return error.answer()
        return Answer.redirect(exchange.method, error.location or self._server.error_page(error))

    async def _send(self, exchange: Exchange, answer: Answer, fault: Fault, send: Send) -> None:
        headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
        headers += [(b"set-cookie", line.encode("latin-1")) for line in exchange.set_cookies]
        if answer.status != 204:
            headers.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if fault.resets:
            raise ConnectionResetError("the fake was told to break this connection")
        body = b"" if exchange.method == "HEAD" else answer.body
        if fault.truncates:
            body = body[: len(body) // 2]
        size = -(-len(body) // DRIP_PIECES) if fault.drip_seconds and body else len(body)
        while size and len(body) > size:
            await send({"type": "http.response.body", "body": body[:size], "more_body": True})
            await self._sleep(fault.drip_seconds / DRIP_PIECES)
            body = body[size:]
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _path_below_mount(scope: Mapping[str, Any]) -> str:
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


async def _body(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
