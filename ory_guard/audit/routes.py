"""A walk through every route of an application, included routers and mounted applications too."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.routing import Host, Mount, Route, WebSocketRoute

from ory_guard.audit.gates import Door, describe, doors_around, gates_in, requirement_asked_by
from ory_guard.policy import Requirement

__all__ = ["AuditedRoute", "walk"]

WEBSOCKET: Final = "WEBSOCKET"
ANYTHING: Final = "*"

_REST: Final = "/{path:path}"
_PARAMETER: Final = re.compile(r"\{[^}]*\}")
_HANDLERS: Final = ("get", "head", "post", "put", "patch", "delete", "options", "query")
_OPAQUE: Final = "can't be looked into"


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
        """How it may be named: by its path, and by one of its methods and its path."""
        whole = self.host + self.path
        return {whole, *(f"{method} {whole}" for method in self.methods)}

    def __str__(self) -> str:
        remark = f" ({self.remark})" if self.remark else ""
        return f"{','.join(self.methods)} {self.host}{self.path} -> {self.endpoint}{remark}"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk is: what is in front of all routes here, and around them."""

    prefix: str = ""
    host: str = ""
    doors: tuple[Door, ...] = ()
    overrides: Mapping[Any, Any] = field(default_factory=dict)


def walk(app: Any) -> Iterator[AuditedRoute]:
    """Yield every route of an application."""
    yield from _walk_app(app, _Place())


def _walk_app(app: Any, place: _Place) -> Iterator[AuditedRoute]:
    inner, doors = doors_around(app)
    place = replace(
        place,
        doors=(*place.doors, *doors),
        overrides=getattr(inner, "dependency_overrides", place.overrides),
    )
    router = getattr(inner, "router", inner)
    if not hasattr(router, "routes"):
        yield _row(place, _REST, (ANYTHING,), inner, remark=_OPAQUE)
        return
    for route in _effective(router):
        yield from _walk_route(route, place)


def _effective(router: Any) -> Iterator[Any]:
    """Yield the routes as they answer, those of included routers with the prefix and dependencies from there."""
    try:
        from fastapi.routing import RouteContext, iter_route_contexts  # noqa: PLC0415 - Starlette alone is enough
    except ModuleNotFoundError:
        yield from router.routes
        return
    yield from iter_route_contexts(router.routes)
    yield from getattr(router, "_low_priority_routes", ())
    for route in router.routes:
        for context in getattr(route, "effective_low_priority_routes", tuple)():
            yield RouteContext(context.original_route, context)


def _walk_route(route: Any, place: _Place) -> Iterator[AuditedRoute]:
    kind = getattr(route, "original_route", route)
    # What a route of Starlette's became in an included router; newer releases of FastAPI do this themselves.
    route = getattr(route, "starlette_route", None) or route
    if isinstance(kind, Mount):
        yield from _walk_app(route.app, replace(place, prefix=place.prefix + route.path))
    elif isinstance(kind, Host):
        yield from _walk_app(route.app, replace(place, host=route.host))
    elif isinstance(kind, WebSocketRoute):
        yield from _walk_endpoint(route, place, (WEBSOCKET,), ("on_connect",))
    elif isinstance(kind, Route):
        methods = tuple(sorted(route.methods or ())) or (ANYTHING,)
        yield from _walk_endpoint(route, place, methods, _HANDLERS)
    elif getattr(route, "dependant", None) is not None:
        yield from _walk_files(route, kind, place)
    else:
        path = getattr(route, "path", None) or _REST
        yield _row(place, path, (ANYTHING,), kind, remark=_OPAQUE)


def _walk_endpoint(
    route: Any, place: _Place, methods: tuple[str, ...], handlers: tuple[str, ...]
) -> Iterator[AuditedRoute]:
    """Yield a route once, or once for each method that a class of handlers has."""
    _, doors = doors_around(getattr(route, "app", None))
    place = replace(place, doors=(*place.doors, *doors))
    endpoint = route.endpoint
    if getattr(route, "dependant", None) is not None:
        yield _row(place, route.path, methods, endpoint, gates_in(route.dependant, place.overrides))
    elif not isinstance(endpoint, type):
        yield _row(place, route.path, methods, endpoint, _asked(endpoint))
    else:
        found = [] if _dispatches(endpoint) else [name for name in handlers if hasattr(endpoint, name)]
        for name in found:
            names = methods if methods == (WEBSOCKET,) else (name.upper(),)
            yield _row(place, route.path, names, endpoint, _asked(getattr(endpoint, name)))
        if not found:
            yield _row(place, route.path, methods, endpoint, remark=_OPAQUE)


def _dispatches(endpoint: type) -> bool:
    """Tell whether a class of handlers decides for itself which of them are called."""
    return any(
        issubclass(endpoint, known) and endpoint.dispatch is not known.dispatch
        for known in (HTTPEndpoint, WebSocketEndpoint)
    )


def _walk_files(group: Any, kind: Any, place: _Place) -> Iterator[AuditedRoute]:
    # FastAPI's `app.frontend(...)`: files behind the dependencies of the router that serves them.
    asked = tuple(gates_in(group.dependant, place.overrides))
    prefix = getattr(group, "frontend_prefix", "")
    for route in kind.routes:
        path = (prefix + route.path).rstrip("/") + _REST
        yield _row(place, path, ("GET", "HEAD"), route.app, asked)


def _asked(endpoint: Any) -> tuple[Requirement, ...]:
    found = requirement_asked_by(endpoint)
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
    for door in place.doors:
        if public := sorted(path for path in door.public if _may_be(whole, path)):
            remark = f"public at {', '.join(public)}"
        else:
            requirements.insert(0, door.requirement)
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
