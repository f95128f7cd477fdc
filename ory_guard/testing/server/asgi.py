"""The ASGI applications: routing, faults, and sending responses."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from ory_guard.testing.faults import Fault, Faults
from ory_guard.testing.request_log import RecordedRequest, RequestLog
from ory_guard.testing.server.cors import Cors
from ory_guard.testing.server.csrf_exemptions import is_exempt
from ory_guard.testing.server.csrf_violation import csrf_violation
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.router import Router, clean_path
from ory_guard.testing.server.state import Server

__all__ = ["App", "Sleep"]

Sleep = Callable[[float], Awaitable[None]]

DRIP_CHUNKS: Final = 16
CACHE_CONTROL: Final = "private, no-cache, no-store, must-revalidate"
PATHS_WITHOUT_COOKIES: Final = ("/health/", "/version", "/metrics/")
ADMIN: Final = "/admin"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class App:
    """One of the two ASGI applications of the fake.

    Args:
        server: The shared state of the fake.
        router: The operations.
        log: The log that requests are added to.
        faults: The planned faults.
        sleep: Called to wait for `seconds`.
        cors: The CORS policy; None for no CORS support.
        is_public: Whether it is the public API, which has Kratos' anti-CSRF middleware in front of the operations.
    """

    def __init__(
        self,
        server: Server,
        router: Router,
        log: RequestLog,
        faults: Faults,
        sleep: Sleep = asyncio.sleep,
        *,
        cors: Cors | None = None,
        is_public: bool = False,
    ) -> None:
        self._server = server
        self._cors = cors
        self._router = router
        self._is_public = is_public
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
            response = await self._server.web_hooks.run(partial(self._respond, request, fault))
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

    def _respond(self, request: FakeRequest, fault: Fault) -> FakeResponse:
        self._server.is_database_locked = fault.locks_database
        if self._cors and (preflight := self._cors.preflight(request)):
            return preflight
        rejection = self._check_csrf(request) if self._is_public else None
        return self._with_shared_headers(request, rejection or self._route(request))

    def _check_csrf(self, request: FakeRequest) -> FakeResponse | None:
        """Return an error for an unsafe request to a path that requires an anti-CSRF token."""
        if is_exempt(request.path):
            return None
        had_token = request.sends_csrf_token()
        request.csrf_secret()
        if request.method in SAFE_METHODS or had_token:
            return None
        return csrf_violation(request, self._server.settings).to_response()

    def _route(self, request: FakeRequest) -> FakeResponse:
        if (cleaned := clean_path(request.path)) != request.path:
            query = f"?{request.query_string}" if request.query_string else ""
            return FakeResponse.redirect(request.method, f"{cleaned}{query}", 307)
        path = request.path if self._is_public or request.path.startswith(ADMIN) else f"{ADMIN}{request.path}"
        route, arguments = self._router.find(request.method, path)
        if route is None:
            return self._without_route(path)
        request.json_only = not route.browser
        try:
            return route.operation(request, *arguments)
        except ApiError as error:
            return self._error_response(request, error)

    def _without_route(self, path: str) -> FakeResponse:
        if allowed := self._router.allowed_methods(path):
            return FakeResponse.method_not_allowed(allowed)
        return FakeResponse.not_found()

    def _with_shared_headers(self, request: FakeRequest, response: FakeResponse) -> FakeResponse:
        headers = self._cors.headers(request) if self._cors else {}
        if self._is_public and not request.path.startswith(PATHS_WITHOUT_COOKIES):
            headers["vary"] = ", ".join(filter(None, [headers.get("vary"), "Cookie"]))
        if request.method == "GET":
            headers["cache-control"] = CACHE_CONTROL
        response.headers = {**headers, **response.headers}
        return response

    def _error_response(self, request: FakeRequest, error: ApiError) -> FakeResponse:
        if request.prefers_json:
            return error.to_response()
        return FakeResponse.redirect(
            request.method, error.location or self._server.error_page_url(error), error.redirect_status
        )

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
