"""Refuse the routes of an application whose gates or session parameters FastAPI would misread.

The check runs when the server starts, and on the first request after a route was added. It reads attributes only:
neither Starlette nor FastAPI has to be installed.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, NoReturn

from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.declarations import dependency_fault, is_shadowed_endpoint, parameter_fault, unwrap_partial
from ory_guard.guard.guard import OryGuard

__all__ = ["RouteCheck", "effective_routes"]

_PARAMETERS: Final = ("path_params", "query_params", "header_params", "cookie_params", "body_params")


class RouteCheck:
    """Checks every route that can be reached from an ASGI application.

    Args:
        app: The application behind the middleware.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._checked: list[tuple[Any, list[Any]]] = []
        self._was_checked = False

    def error(self, scope: Mapping[str, Any]) -> ConfigurationError | None:
        """Return an error that names every misread route, or None; the routes are closed, too.

        A server may go on although the application failed to start.
        """
        texts = self._close(scope)
        return ConfigurationError("\n".join(dict.fromkeys(texts))) if texts else None

    def close_misread_routes(self, scope: Mapping[str, Any]) -> None:
        """Let every misread route fail before anything else of it runs; the other routes go on working.

        It runs on every request, so it does nothing while the routes are those that were checked.
        """
        for router, routes in self._checked:
            if router.routes != routes:
                break
        else:
            if self._was_checked:
                return
        self._close(scope)

    def _close(self, scope: Mapping[str, Any]) -> list[str]:
        texts: list[str] = []
        for route, fault in self._faults(scope):
            text = f"{_label(route)}: {fault}"
            dependencies = route.dependant.dependencies
            if not dependencies or not isinstance(dependencies[0].call, _Fail):
                dependencies.insert(0, type(route.dependant)(call=_Fail(text)))
            texts.append(text)
        return texts

    def _faults(self, scope: Mapping[str, Any]) -> list[tuple[Any, str]]:
        outermost, every = _routers(self._app, scope.get("app"))
        self._checked = [(router, list(router.routes)) for router in every]
        self._was_checked = True
        routes = [route for router in outermost for route in effective_routes(router)]
        routes = [route for route in routes if getattr(route, "dependant", None) is not None]
        routed = [unwrap_partial(getattr(route, "endpoint", None)) for route in routes]
        faults: list[tuple[Any, str]] = []
        for route in routes:
            faults += [(route, fault) for fault in _dependant_faults(route.dependant)]
            if is_shadowed_endpoint(getattr(route, "endpoint", None), routed):
                faults.append((route, "@session_required has no effect above @app.get(...): write it below"))
        return faults


class _Fail:
    """A dependency that fails.

    Args:
        text: The text of the error.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    async def __call__(self) -> NoReturn:
        """Raise the error.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError(self._text)


def _dependant_faults(dependant: Any) -> Iterator[str]:
    for kind in _PARAMETERS:
        for field in getattr(dependant, kind):
            if fault := parameter_fault(field):
                yield fault
    for dependency in dependant.dependencies:
        if fault := dependency_fault(dependency.call, OryGuard):
            yield fault
        else:
            yield from _dependant_faults(dependency)


def _label(route: Any) -> str:
    path = getattr(route, "path", None)
    if not path:
        return "files"  # of `app.frontend(...)`
    return f"{','.join(sorted(getattr(route, 'methods', None) or ('WEBSOCKET',)))} {path}"


def effective_routes(router: Any) -> Iterator[Any]:
    """Yield the routes of a router; those of included routers have the prefix and dependencies of the inclusion."""
    routing = sys.modules.get("fastapi.routing")
    if routing is None:
        yield from router.routes
        return
    yield from routing.iter_route_contexts(router.routes)
    yield from getattr(router, "_low_priority_routes", ())
    for route in router.routes:
        for context in getattr(route, "effective_low_priority_routes", tuple)():
            yield routing.RouteContext(context.original_route, context)


def _routers(*apps: Any) -> tuple[list[Any], list[Any]]:
    """Return the routers that respond by themselves, and these with the routers that they include."""
    outermost: list[Any] = []
    every: list[Any] = []
    seen: dict[int, Any] = {}
    stack = list(apps)
    while stack:
        app = stack.pop()
        app = _attribute(app, "router") or app
        if id(app) in seen:
            continue
        seen[id(app)] = app
        if not isinstance(_attribute(app, "routes"), list):
            stack += _wrapped(app)
            continue
        outermost.append(app)
        for router in _with_included(app):
            every.append(router)
            stack += [_attribute(route, "app") for route in router.routes if not hasattr(route, "dependant")]
    return outermost, every


def _with_included(router: Any) -> list[Any]:
    found = [router]
    for known in found:
        included = (getattr(route, "original_router", None) for route in known.routes)
        found += [router for router in included if router is not None and router not in found]
    return found


def _wrapped(app: Any) -> Iterator[Any]:
    """Yield the applications that a middleware, a partial, a method or a closure may call."""
    app = unwrap_partial(app)
    values = [_attribute(app, "__self__"), *(_attribute(app, "__dict__") or {}).values()]
    for cell in _attribute(app, "__closure__") or ():
        with suppress(ValueError):  # an empty cell
            values.append(cell.cell_contents)
    for value in values:
        if callable(value) and not isinstance(value, type):
            yield value


def _attribute(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:  # noqa: BLE001 - a proxy may raise anything outside of its context
        return None
