"""Several Kratos behind one application: a guard for each, picked by host, path or header.

Caches, cookies and connections belong to a guard, so nothing of one Kratos is ever used for another.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.guard import OryGuard
from ory_guard.guard.responses.asgi import ASGIResponse, error_body

__all__ = ["MISDIRECTED_REQUEST", "Connection", "GuardResolver", "Resolve"]

_REASON: Final = "No identity server is configured for this host, path or header."

MISDIRECTED_REQUEST: Final = ASGIResponse(
    421,
    [(b"content-type", b"application/json"), (b"cache-control", b"no-store")],
    error_body(421, id="misdirected_request", reason=_REASON),
)
"""The answer to a request for which there is no guard (RFC 9110, section 15.5.20)."""


class Connection:
    """What a resolver sees of a request.

    Attributes:
        scope: The ASGI scope; Starlette's `HTTPConnection(connection.scope)` reads more of it.
        headers: By lower-case name; the values of a repeated header are joined, so that they equal no single one.
        path: The decoded path.
        host: The `host` header in lower case, without its port; the client chose it. Empty where there is none.
    """

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self.scope = scope
        self.path: str = scope["path"]
        self.headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text
        host = self.headers.get("host", "").lower()
        self.host: str = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


Resolve: TypeAlias = Callable[[Connection], OryGuard | None]
"""Picks the guard of a request, or None where it belongs to none."""


class GuardResolver:
    """Picks a guard for each request, and remembers whom to close.

    Args:
        resolve: The application's function.

    Raises:
        ConfigurationError: It is no plain function.
    """

    def __init__(self, resolve: Any) -> None:
        if not callable(resolve) or inspect.isclass(resolve) or inspect.iscoroutinefunction(resolve):
            raise ConfigurationError(
                f"OrySessionMiddleware was given {resolve!r} as its guard: pass an OryGuard, or a plain function "
                "that takes the connection and returns one"
            )
        self._resolve: Resolve = resolve
        self._picked: set[OryGuard] = set()

    def pick(self, scope: Mapping[str, Any]) -> OryGuard | None:
        """Return the guard of this request, or None where it has none.

        Raises:
            ConfigurationError: The function returned something else.
            Exception: What the function raises.
        """
        picked = self._resolve(Connection(scope))
        if picked is None:
            return None
        if not isinstance(picked, OryGuard):
            if inspect.iscoroutine(picked):
                picked.close()
            raise ConfigurationError(
                f"the guard resolver returned {picked!r}: it has to return an OryGuard or None"
            )
        self._picked.add(picked)
        return picked

    async def aclose(self) -> None:
        """Close every guard that was picked, also those that are picked meanwhile."""
        while self._picked:
            await self._picked.pop().aclose()
