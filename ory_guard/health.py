"""An endpoint for readiness probes, and for people who want to know how a guard is doing."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

from ory_guard.answers import Answer
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard import OryGuard

__all__ = ["ReadinessEndpoint"]

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class ReadinessEndpoint:
    """An ASGI application that answers a GET with `guard.stats()` as JSON, under `status` `ready` or `degraded`.

    Both are 200: a worker that can't reach Kratos, or the store, still serves public pages and the sessions it
    knows, and taking all workers away because Kratos is down helps nobody. It says nothing about any person.

    Give it a route of its own, `Route("/ready", endpoint)`: a mount redirects the path without a slash at its end.

    Args:
        guard: The guard that is asked.
        require_kratos: Answer 503 (`unavailable`) while the circuit breaker is open.

    Raises:
        ConfigurationError: The guard is none.
    """

    def __init__(self, guard: OryGuard, *, require_kratos: bool = False) -> None:
        if not isinstance(guard, OryGuard):
            raise ConfigurationError(f"ReadinessEndpoint was given {guard!r} as its guard: pass an OryGuard")
        self._guard = guard
        self._require_kratos = require_kratos

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Handle one request.

        Raises:
            RuntimeError: The scope is neither of an http request nor of a websocket.
        """
        if scope["type"] not in ("http", "websocket"):
            raise RuntimeError(f"ReadinessEndpoint can't handle a {scope['type']!r} connection: mount it")
        if scope.get("method") not in ("GET", "HEAD"):
            await Answer(405, [(b"allow", b"GET, HEAD")], b"")(scope, receive, send)
            return
        stats = self._guard.stats()
        status, name = 200, "degraded" if stats.degraded else "ready"
        if self._require_kratos and stats.breaker == "open":
            status, name = 503, "unavailable"
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        body = json.dumps({"status": name} | asdict(stats)).encode()
        await Answer(status, headers, body)(scope, receive, send)
