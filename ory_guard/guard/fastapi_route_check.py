"""Refuse the routes of an application whose dependencies or session parameters FastAPI would misread.

The check runs when the server starts, and on the first request after a route was added. It reads attributes only:
neither Starlette nor FastAPI has to be installed.
"""

import gc
import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from types import FunctionType, ModuleType
from typing import Any, Final, NoReturn

from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.fastapi_declarations import (
    GuardDependency,
    is_shadowed_endpoint,
    parameter_error,
    unwrap_partial,
)
from ory_guard.guard.fastapi_dependency_errors import dependency_error
from ory_guard.guard.fastapi_routes import (
    assurance_level_in_scopes,
    effective_routes,
    route_lists,
    with_included_routers,
)
from ory_guard.guard.guard import OryGuard

__all__ = ["MisreadRoute", "RouteCheck"]

_PARAMETERS: Final = ("path_params", "query_params", "header_params", "cookie_params", "body_params")
_CONTAINERS: Final[tuple[tuple[Any, Callable[[Any], Iterable[Any]]], ...]] = (
    (dict, dict.values),  # not the method of a subclass, which may do anything
    (list, list.__iter__),
    (tuple, tuple.__iter__),
    (set, set.__iter__),
    (frozenset, frozenset.__iter__),
)
_CONTAINER_TYPES: Final = tuple(kind for kind, _ in _CONTAINERS)
_LARGEST_CONTAINER: Final = 1_000
"""The number of values of a container that are examined: a larger one holds data, not applications."""


class RouteCheck:
    """Checks every route that can be reached from an ASGI application.

    Args:
        app: The application behind the middleware.

    Attributes:
        lists: The lists of routes that were found, which applications append to.
        checked: Their content when they were checked. A difference calls for `close_misread_routes`.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._routers: list[Any] = []
        self.lists: list[list[Any]] = []
        self.checked: list[list[Any]] | None = None

    def error(self, scope: Mapping[str, Any]) -> ConfigurationError | None:
        """Return an error that names every misread route, or None; the routes are closed, too.

        A server may go on although the application failed to start.
        """
        texts = self._close(scope)
        return ConfigurationError("\n".join(dict.fromkeys(texts))) if texts else None

    def close_misread_routes(self, scope: Mapping[str, Any]) -> None:
        """Make every misread route fail before any other part of it runs; the other routes continue to work."""
        self._close(scope)

    def expect_replaced_lists(self) -> None:
        """Call for another check if an application assigned another list of routes to one of its routers."""
        if [id(found) for found in self._route_lists()] != [id(known) for known in self.lists]:
            self.checked = None

    def _route_lists(self) -> list[list[Any]]:
        return [found for router in self._routers for found in route_lists(router)]

    def _close(self, scope: Mapping[str, Any]) -> list[str]:
        texts: list[str] = []
        for route, fault in self._faults(scope):
            text = f"{_label(route)}: {fault}"
            dependencies = route.dependant.dependencies
            if not dependencies or not isinstance(dependencies[0].call, MisreadRoute):
                dependencies.insert(0, type(route.dependant)(call=MisreadRoute(text)))
            texts.append(text)
        return texts

    def _faults(self, scope: Mapping[str, Any]) -> list[tuple[Any, str]]:
        outermost, self._routers = _routers(self._app, scope.get("app"))
        self.lists = self._route_lists()
        self.checked = [[*routes] for routes in self.lists]
        routes = [route for router in outermost for route in effective_routes(router)]
        endpoints = [getattr(route, "endpoint", None) for route in routes]
        routed = [unwrap_partial(endpoint) for endpoint in endpoints if endpoint is not None]
        faults: list[tuple[Any, str]] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pydantic, about parameters; FastAPI suppresses them, too
            for route in routes:
                if getattr(route, "dependant", None) is not None:
                    faults += [(route, fault) for fault in _route_faults(route, routed)]
        return faults


class MisreadRoute:
    """A dependency that makes a misread route fail.

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


def _route_faults(route: Any, routed: list[Any]) -> Iterator[str]:
    try:
        yield from _dependant_faults(route.dependant)
    except Exception as error:  # noqa: BLE001 - whatever breaks in a check, the route is closed, and the others are checked
        yield (
            f"its parameters can't be read ({type(error).__name__}): define the types of their annotations at "
            "module level, and import them outside of `if TYPE_CHECKING:`"
        )
    if is_shadowed_endpoint(getattr(route, "endpoint", None), routed):
        yield "@session_required has no effect above @app.get(...): write it below"


def _dependant_faults(dependant: Any) -> Iterator[str]:
    for kind in _PARAMETERS:
        for field in getattr(dependant, kind):
            if fault := parameter_error(field):
                yield fault
    for dependency in dependant.dependencies:
        if fault := dependency_error(dependency.call, OryGuard):
            yield fault
        elif isinstance(dependency.call, GuardDependency) and (level := assurance_level_in_scopes(dependency)):
            yield f'Security(..., scopes=["{level}"]) checks nothing: write Depends(require_aal("{level}"))'
        else:
            yield from _dependant_faults(dependency)


def _label(route: Any) -> str:
    path = getattr(route, "path", None)
    if not path:
        return "files"  # of `app.frontend(...)`
    return f"{','.join(sorted(getattr(route, 'methods', None) or ('WEBSOCKET',)))} {path}"


def _routers(*apps: Any) -> tuple[list[Any], list[Any]]:
    """Return the routers that respond by themselves, and these with the routers that they include."""
    outermost: list[Any] = []
    every: list[Any] = []
    seen: dict[int, Any] = {}
    stack = list(apps)
    while stack:
        app = stack.pop()
        if id(app) in seen:
            continue
        seen[id(app)] = app
        router = _router_of(app)
        if router is None:
            stack += _wrapped(app)
            continue
        if router is not app:
            stack += [router, _attribute(app, "middleware_stack"), *_added_middlewares(app)]
            continue
        outermost.append(router)
        stack.append(_attribute(router, "default"))
        for known in with_included_routers(router):
            every.append(known)
            for route in known.routes:
                if not hasattr(route, "dependant"):
                    app = _attribute(route, "app")
                    stack.append(route if app is None else app)
    return outermost, every


def _router_of(app: Any) -> Any:
    router = _attribute(app, "router")
    router = app if router is None else router
    return router if isinstance(_attribute(router, "routes"), list) else None


def _added_middlewares(app: Any) -> Iterator[Any]:
    """Yield the arguments of the middlewares of an application that has not built them yet."""
    added = _attribute(app, "user_middleware")
    for middleware in added if isinstance(added, list) else ():
        yield from (_attribute(middleware, "args"), _attribute(middleware, "kwargs"))


def _wrapped(app: Any) -> list[Any]:
    """Return the applications that a middleware, a partial, a method, a function or a container may hold."""
    content = next((read(app) for kind, read in _CONTAINERS if issubclass(type(app), kind)), None)
    if content is not None:
        values = list(islice(content, _LARGEST_CONTAINER))
    elif type(app) is FunctionType:
        values = [*vars(app).values(), *_used_by(app)]
    else:
        # Not `__dict__`: after it has been read, Python 3.11 and 3.12 look up every attribute of the object slower.
        values = gc.get_referents(app)
        call = _attribute(type(app), "__call__")
        if type(call) is FunctionType:
            values += _used_by(call)
    return [value for value in values if _may_be_application(value)]


def _may_be_application(value: Any) -> bool:
    return issubclass(type(value), _CONTAINER_TYPES) or (callable(value) and not isinstance(value, type))


def _used_by(function: FunctionType) -> Iterator[Any]:
    """Yield the values of a function's closure, defaults and global names."""
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # an empty cell
            yield cell.cell_contents
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    names = function.__code__.co_names
    for value in [function.__globals__.get(name) for name in names]:
        if type(value) is ModuleType:  # a subclass may import something when it is read
            yield from (found for name in names if _router_of(found := vars(value).get(name)) is not None)
        elif not isinstance(value, FunctionType) or inspect.iscoroutinefunction(value):
            yield value


def _attribute(value: Any, name: str) -> Any:
    """Return an attribute, or None; one that `__getattr__` makes up, as proxies do, does not count."""
    reader = type if issubclass(type(value), type) else object
    try:
        return reader.__getattribute__(value, name)
    except Exception:  # noqa: BLE001 - a property may raise anything outside of its context
        return None
