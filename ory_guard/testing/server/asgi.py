"""The ASGI applications: routing, faults, and sending responses."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from ory_guard.testing.faults import Fault, Faults
from ory_guard.testing.request_log import RecordedRequest, RequestLog
from ory_guard.testing.server.cors import Cors
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server

__all__ = ["App", "Operation", "Route", "Sleep"]

Operation = Callable[..., FakeResponse]
Sleep = Callable[[float], Awaitable[None]]

DRIP_CHUNKS: Final = 16
CACHE_CONTROL: Final = "private, no-cache, no-store, must-revalidate"
ANY_METHOD: Final = "*"
PATHS_WITHOUT_COOKIES: Final = ("/health/", "/version")


class Route:
    """An operation and the requests it handles.

    Args:
        method: The HTTP method; `*` for every method except DELETE.
        path: The path. `{}` matches one segment, which is passed to the operation as an argument.
        operation: The function that handles the request.
        browser: Whether errors redirect browsers to the error page instead of returning JSON.
        sets_csrf: Whether the response sets an anti-CSRF cookie if the request has none.
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
        """Return whether the operation handles this method."""
        return self.method == method or (self.method == ANY_METHOD and method != "DELETE")


class App:
    """One of the two ASGI applications of the fake.

    Args:
        server: The shared state of the fake.
        routes: The operations.
        log: The log that requests are added to.
        faults: The planned faults.
        sleep: Called to wait for `seconds`.
        cors: The CORS policy; None for no CORS support.
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
        """Handle one ASGI connection."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000, "reason": "Kratos does not support WebSocket"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = self._read_request(scope, await _body(receive))
        fault = self._faults.take(request.path) or Fault()
        if fault.seconds:
            await self._sleep(fault.seconds)
        if fault.status is not None:
            response = FakeResponse(fault.status, fault.body or b"", dict(fault.headers))
        else:
            response = self._respond(request)
            response.body = response.body if fault.body is None else fault.body
        self._record(request, 0 if fault.resets else response.status)
        await self._send(request, response, fault, send)

    def _read_request(self, scope: Scope, body: bytes) -> FakeRequest:
        host, port = scope.get("client") or ("127.0.0.1", 0)
        return FakeRequest(
            scope["method"],
            _path_below_mount(scope),
            scope.get("query_string", b"").decode("latin-1"),
            Headers(scope=scope),
            body=body,
            client=f"{host}:{port}",
            jar=self._server.jar,
        )

    def _record(self, request: FakeRequest, status: int) -> None:
        self._log.add(
            RecordedRequest(
                request.method,
                request.path,
                request.query,
                dict(request.headers.items()),
                request.body,
                status,
            )
        )

    def _respond(self, request: FakeRequest) -> FakeResponse:
        if self._cors and (preflight := self._cors.preflight(request)):
            return preflight
        route, arguments = self._find_route(request.method, request.path)
        if route is None:
            return self._with_shared_headers(request, FakeResponse.not_found())
        request.json_only = not route.browser
        try:
            response = route.operation(request, *arguments)
        except ApiError as error:
            response = self._error_response(request, error)
        if route.sets_csrf:
            request.csrf_secret()
        return self._with_shared_headers(request, response)

    def _with_shared_headers(self, request: FakeRequest, response: FakeResponse) -> FakeResponse:
        headers = self._cors.headers(request) if self._cors else {}
        if not request.path.startswith(PATHS_WITHOUT_COOKIES):
            headers["vary"] = ", ".join(filter(None, [headers.get("vary"), "Cookie"]))
        if request.method == "GET":
            headers["cache-control"] = CACHE_CONTROL
        response.headers = {**headers, **response.headers}
        return response

    def _find_route(self, method: str, path: str) -> tuple[Route | None, tuple[str, ...]]:
        for route in self._exact.get(path, ()):
            if route.accepts(method):
                return route, ()
        for route in self._patterns:
            match = route.pattern.fullmatch(path) if route.pattern and route.accepts(method) else None
            if match:
                return route, match.groups()
        return None, ()

    def _error_response(self, request: FakeRequest, error: ApiError) -> FakeResponse:
        if request.prefers_json:
            return error.to_response()
        return FakeResponse.redirect(request.method, error.location or self._server.error_page_url(error))

    async def _send(self, request: FakeRequest, response: FakeResponse, fault: Fault, send: Send) -> None:
        headers = [(name.encode(), value.encode("latin-1")) for name, value in response.headers.items()]
        headers += [(b"set-cookie", line.encode("latin-1")) for line in request.set_cookies]
        if response.status != 204:
            headers.append((b"content-length", str(len(response.body)).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        if fault.resets:
            raise ConnectionResetError("connection reset by Fault.reset()")
        body = b"" if request.method == "HEAD" else response.body
        if fault.truncates:
            body = body[: len(body) // 2]
        chunk_size = -(-len(body) // DRIP_CHUNKS) if fault.drip_seconds and body else len(body)
        while chunk_size and len(body) > chunk_size:
            await send({"type": "http.response.body", "body": body[:chunk_size], "more_body": True})
            await self._sleep(fault.drip_seconds / DRIP_CHUNKS)
            body = body[chunk_size:]
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
