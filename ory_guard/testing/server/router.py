"""Routes, and finding the one that handles a request, as Go's `http.ServeMux` does."""

import posixpath
import re
from collections.abc import Callable
from typing import Final

from ory_guard.testing.server.response import FakeResponse

__all__ = ["ANY_METHOD", "Operation", "Route", "Router", "clean_path"]

Operation = Callable[..., FakeResponse]

ANY_METHOD: Final = "*"


class Route:
    """An operation and the requests it handles.

    Args:
        method: The HTTP method; `GET` includes HEAD, and `*` is every method.
        path: The path. `{}` matches one segment, which is passed to the operation as an argument.
        operation: The function that handles the request.
        browser: Whether errors redirect browsers to the error page instead of returning JSON.
    """

    def __init__(
        self,
        method: str,
        path: str,
        operation: Operation,
        *,
        browser: bool = False,
    ) -> None:
        self.method = method
        self.path = path
        self.operation = operation
        self.browser = browser
        self.pattern: re.Pattern[str] = re.compile(re.escape(path).replace(r"\{\}", "([^/]+)"))

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that the operation handles."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)

    def accepts(self, method: str) -> bool:
        """Return whether the operation handles this method."""
        return method in self.methods or self.method == ANY_METHOD


class Router:
    """The routes of one API. A path without a parameter precedes one with a parameter.

    Args:
        routes: The routes.
    """

    def __init__(self, routes: list[Route]) -> None:
        self._exact: dict[str, list[Route]] = {}
        for route in routes:
            if "{}" not in route.path:
                self._exact.setdefault(route.path, []).append(route)
        self._patterns = [route for route in routes if "{}" in route.path]

    def find(self, method: str, path: str) -> tuple[Route | None, tuple[str, ...]]:
        """Return the route of a request and the arguments in its path, or None."""
        for route in self._exact.get(path, ()):
            if route.accepts(method):
                return route, ()
        for route in self._patterns:
            match = route.pattern.fullmatch(path) if route.accepts(method) else None
            if match:
                return route, match.groups()
        return None, ()

    def _routes_at(self, path: str) -> list[Route]:
        """Return the routes of a path for all methods."""
        matching = [route for route in self._patterns if route.pattern.fullmatch(path)]
        return [*self._exact.get(path, ()), *matching]

    def allowed_methods(self, path: str) -> str:
        """Return the value of the `Allow` header; it is empty for an unknown path."""
        return ", ".join(sorted({method for route in self._routes_at(path) for method in route.methods}))


def clean_path(path: str) -> str:
    """Return a path without empty, `.` and `..` segments; a trailing slash is kept."""
    cleaned = posixpath.normpath(f"/{path.lstrip('/')}")
    return f"{cleaned}/" if path.endswith("/") and cleaned != "/" else cleaned
