"""A walk through every route of an application, included routers and mounted applications too."""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.routing import Host, Mount, Route, WebSocketRoute

from ory_guard.guard.declarations import unwrap_partial
from ory_guard.guard.requirements import Requirement
from ory_guard.guard.route_check import effective_routes
from ory_guard.starlette.middleware_layers import Guard, is_framework_code, layers_around
from ory_guard.starlette.route_requirements import describe, gates_in, requirement_of_endpoint

__all__ = ["AuditedRoute", "walk"]

WEBSOCKET: Final = "WEBSOCKET"
ANYTHING: Final = "*"

_REST: Final = "/{path:path}"
_PARAMETER: Final = re.compile(r"\{[^}]*\}")
_HANDLERS: Final = ("get", "head", "post", "put", "patch", "delete", "options", "query")
_OPAQUE: Final = "can't be looked into"
_KNOWN_ROUTES: Final = (Mount, Host, Route, WebSocketRoute)


@dataclass(frozen=True, slots=True)
class AuditedRoute:
    """One route and what guards it.

    Attributes:
        path: Its whole path, with parameters in braces.
        methods: Its HTTP methods, `WEBSOCKET`, or `*` for whatever a mounted application answers.
        endpoint: What answers, as `module:name`.
        requirements: What is asked of a session, all of it; empty for a route that anybody may call.
        host: The host that it is bound to, where it is.
        remark: Why it counts as unguarded although something guards a part of it, or can't be looked into.
    """

    path: str
    methods: tuple[str, ...]
    endpoint: str
    requirements: tuple[Requirement, ...] = ()
    host: str = ""
    remark: str = ""

    @property
    def guarded(self) -> bool:
        """Whether every request to it needs a session."""
        return bool(self.requirements)

    @property
    def guards(self) -> str:
        """What guards it, in words."""
        return " + ".join(dict.fromkeys(map(describe, self.requirements))) or "nothing"

    @property
    def names(self) -> set[str]:
        """The names that `public` accepts: the path, a method with the path, and an opaque route's endpoint."""
        whole = self.host + self.path
        opaque = {self.endpoint} if self.remark == _OPAQUE else set()
        return {whole, *(f"{method} {whole}" for method in self.methods), *opaque}

    def __str__(self) -> str:
        remark = f" ({self.remark})" if self.remark else ""
        return f"{','.join(self.methods)} {self.host}{self.path} -> {self.endpoint}{remark}"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk is: the prefix and host of the routes here, and the middlewares in front of them."""

    prefix: str = ""
    host: str = ""
    guards: tuple[Guard, ...] = ()
    overrides: Mapping[Any, Any] = field(default_factory=dict)


def walk(app: Any) -> Iterator[AuditedRoute]:
    """Yield every route of an application."""
    yield from _walk_app(app, _Place())


def _walk_app(app: Any, place: _Place) -> Iterator[AuditedRoute]:
    inner, layers = layers_around(app)
    rows, place = _pass_layers(layers, place, _REST)
    yield from rows
    router = getattr(inner, "router", inner)
    if not hasattr(router, "routes"):
        yield _row(place, _REST, (ANYTHING,), inner, remark=_OPAQUE)
        return
    # FastAPI applies the overrides of the application that a router belongs to, and not those of a parent.
    provider = getattr(router, "dependency_overrides_provider", None)
    place = replace(place, overrides=getattr(provider, "dependency_overrides", {}))
    for route in effective_routes(router):
        yield from _walk_route(route, place)
    default = getattr(router, "default", None)
    if default is not None and not (inspect.ismethod(default) and is_framework_code(default)):
        yield from _walk_app(default, place)


def _pass_layers(layers: Iterable[Any], place: _Place, path: str) -> tuple[list[AuditedRoute], _Place]:
    """Return a row for each layer that may respond by itself, and the place behind all of them."""
    rows: list[AuditedRoute] = []
    for layer in layers:
        if type(layer) is Guard:
            place = replace(place, guards=(*place.guards, layer))
        else:
            rows.append(_row(place, path, (ANYTHING,), layer, remark=_OPAQUE))
    return rows, place


def _walk_route(route: Any, place: _Place) -> Iterator[AuditedRoute]:
    kind = getattr(route, "original_route", route)
    # What a route of Starlette's became in an included router; newer releases of FastAPI do this themselves.
    route = getattr(route, "starlette_route", None) or route
    path = getattr(route, "path", None) or ""
    if not isinstance(kind, _KNOWN_ROUTES) and getattr(route, "dependant", None) is None:
        yield _row(place, path or _REST, (ANYTHING,), kind, remark=_OPAQUE)
    elif _replaces_handler(kind):
        rest = _REST if isinstance(kind, Mount) else ""
        yield _row(place, path + rest or _REST, _methods_of(route), kind, remark=_OPAQUE)
    elif isinstance(kind, Mount):
        yield from _walk_app(route.app, replace(place, prefix=place.prefix + path))
    elif isinstance(kind, Host):
        yield from _walk_app(route.app, replace(place, host=route.host))
    elif isinstance(kind, WebSocketRoute):
        yield from _walk_endpoint(route, kind, place, ("on_connect",))
    elif isinstance(kind, Route):
        yield from _walk_endpoint(route, kind, place, _HANDLERS)
    else:
        yield from _walk_files(route, kind, place)


def _replaces_handler(kind: Any) -> bool:
    """Return whether the class of a route calls its endpoint in a way of its own."""
    return any(not is_framework_code(getattr(kind, name, kind.handle)) for name in ("handle", "get_route_handler"))


def _methods_of(route: Any) -> tuple[str, ...]:
    return tuple(sorted(getattr(route, "methods", None) or ())) or (ANYTHING,)


def _walk_endpoint(route: Any, kind: Any, place: _Place, handlers: tuple[str, ...]) -> Iterator[AuditedRoute]:
    """Yield a route once, or once for each method that a class of handlers has."""
    endpoint, dependant = route.endpoint, getattr(route, "dependant", None)
    inner, layers = layers_around(getattr(route, "app", None))
    rows, place = _pass_layers(layers, place, route.path)
    yield from rows
    methods = (WEBSOCKET,) if isinstance(kind, WebSocketRoute) else _methods_of(route)
    if inner not in (None, endpoint) and not is_framework_code(inner):
        yield _row(place, route.path, methods, inner, remark=_OPAQUE)
    elif dependant is not None:
        yield _row(place, route.path, methods, endpoint, gates_in(dependant, place.overrides))
    elif isinstance(endpoint, type):
        yield from _walk_handlers(route.path, endpoint, place, methods, handlers)
    elif not callable(getattr(unwrap_partial(endpoint), "__get__", None)):
        yield _row(place, route.path, methods, endpoint, remark=_OPAQUE)
    else:
        yield _row(place, route.path, methods, endpoint, _asked(endpoint))


def _walk_handlers(
    path: str, endpoint: type[Any], place: _Place, methods: tuple[str, ...], handlers: tuple[str, ...]
) -> Iterator[AuditedRoute]:
    found = [name for name in handlers if hasattr(endpoint, name)] if _dispatches_as_known(endpoint) else []
    if not found:
        yield _row(place, path, methods, endpoint, remark=_OPAQUE)
        return
    for name in found:
        names = methods if methods == (WEBSOCKET,) else (name.upper(),)
        yield _row(place, path, names, endpoint, _asked(getattr(endpoint, name)))
    fallback = getattr(endpoint, "method_not_allowed", None)
    if fallback is not None and not is_framework_code(fallback):
        yield _row(place, path, (ANYTHING,), fallback, _asked(fallback))


def _dispatches_as_known(endpoint: type[Any]) -> bool:
    """Return whether Starlette decides which handlers of a class are called."""
    return issubclass(endpoint, HTTPEndpoint | WebSocketEndpoint) and all(
        is_framework_code(getattr(endpoint, name)) for name in ("dispatch", "__await__", "__init__")
    )


def _walk_files(group: Any, kind: Any, place: _Place) -> Iterator[AuditedRoute]:
    # FastAPI's `app.frontend(...)`: files behind the dependencies of the router that serves them.
    asked = tuple(gates_in(group.dependant, place.overrides))
    prefix = getattr(group, "frontend_prefix", "")
    for route in kind.routes:
        path = (prefix + route.path).rstrip("/") + _REST
        yield _row(place, path, ("GET", "HEAD"), route.app, asked)


def _asked(endpoint: Any) -> tuple[Requirement, ...]:
    found = requirement_of_endpoint(endpoint)
    return () if found is None else (found,)


def _row(
    place: _Place,
    path: str,
    methods: tuple[str, ...],
    endpoint: Any,
    asked: Iterable[Requirement] = (),
    *,
    remark: str = "",
) -> AuditedRoute:
    whole = place.prefix + path
    requirements = list(asked)
    for guard in place.guards:
        if public := sorted(path for path in guard.public if _may_be(whole, path)):
            remark = remark or f"public at {', '.join(public)}"
        else:
            requirements.insert(0, guard.requirement)
    return AuditedRoute(
        whole,
        methods,
        _name_of(endpoint),
        tuple(requirements),
        place.host,
        "" if requirements else remark,
    )


def _may_be(template: str, path: str) -> bool:
    """Tell whether a path may belong to a route, whatever its parameters take."""
    pattern = ".*".join(map(re.escape, _PARAMETER.split(template)))
    return re.fullmatch(pattern, path, re.DOTALL) is not None


def _name_of(endpoint: Any) -> str:
    named = endpoint if hasattr(endpoint, "__qualname__") else type(endpoint)
    return f"{named.__module__}:{named.__qualname__}"
