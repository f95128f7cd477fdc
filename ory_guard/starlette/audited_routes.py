"""Find every route of an application, including those of included routers and mounted applications."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.routing import Host, Mount, Route, WebSocketRoute

from ory_guard.guard.fastapi_declarations import unwrap_partial
from ory_guard.guard.fastapi_routes import effective_routes, files_prefix, original_route, starlette_route
from ory_guard.guard.requirements import Requirement
from ory_guard.starlette.middleware_layers import is_framework_code, is_framework_method, unwrap_middleware
from ory_guard.starlette.route_requirements import describe_requirement, iter_requirements, requirement_of_endpoint
from ory_guard.starlette.session_requirement import SessionRequiredMiddleware

__all__ = ["KRATOS_API", "AuditedRoute", "iter_routes"]

WEBSOCKET: Final = "WEBSOCKET"
ANYTHING: Final = "*"

_REST: Final = "/{path:path}"
_PARAMETER: Final = re.compile(r"\{[^}]*\}")
_CONVERTORS_WITHOUT_SLASH: Final = frozenset({"", "str", "int", "float", "uuid"})
_HANDLERS: Final = ("get", "head", "post", "put", "patch", "delete", "options", "query")
_NOT_INSPECTABLE: Final = "can't be inspected"
KRATOS_API: Final = "Kratos' public API"
"""The note of a mounted `ory_guard.proxy.KratosProxy`, which is public: a login has no session."""
_PROXY: Final = ("ory_guard.proxy.kratos_proxy", "KratosProxy")
_ROUTE_MODULE: Final = "ory_guard.fastapi.guarded_route"
_KNOWN_ROUTES: Final = (Mount, Host, Route, WebSocketRoute)


@dataclass(frozen=True, slots=True)
class AuditedRoute:
    """One route and its requirements.

    Attributes:
        path: The full path, with parameters in braces.
        methods: The HTTP methods, `WEBSOCKET`, or `*` for any request.
        endpoint: The endpoint, as `module:name`.
        requirements: The requirements that a session must meet; empty for an open route.
        host: The host that the route is bound to, or an empty string.
        note: Why the route is reported as open: it can't be inspected, a middleware has public paths here, or it is
            a `KratosProxy`.
    """

    path: str
    methods: tuple[str, ...]
    endpoint: str
    requirements: tuple[Requirement, ...] = ()
    host: str = ""
    note: str = ""

    @property
    def guarded(self) -> bool:
        """Whether every request to this route requires a session."""
        return bool(self.requirements)

    @property
    def description(self) -> str:
        """The requirements in words, or `nothing`."""
        return " + ".join(dict.fromkeys(map(describe_requirement, self.requirements))) or "nothing"

    @property
    def labels(self) -> set[str]:
        """The items of `public` that match: the path, a method with the path, and an uninspectable endpoint."""
        path = self.host + self.path
        endpoint = {self.endpoint} if self.note == _NOT_INSPECTABLE else set()
        return {path, *(f"{method} {path}" for method in self.methods), *endpoint}

    def __str__(self) -> str:
        note = f" ({self.note})" if self.note else ""
        return f"{','.join(self.methods)} {self.host}{self.path} -> {self.endpoint}{note}"


@dataclass(frozen=True, slots=True)
class _RouteContext:
    """The context of a router: prefix and host of its routes, and the middlewares in front of them."""

    prefix: str = ""
    host: str = ""
    guards: tuple[SessionRequiredMiddleware, ...] = ()
    overrides: Mapping[Any, Any] = field(default_factory=dict)


def iter_routes(app: Any) -> Iterator[AuditedRoute]:
    """Yield every route of an application."""
    yield from _iter_app(app, _RouteContext())


def _iter_app(app: Any, context: _RouteContext) -> Iterator[AuditedRoute]:
    inner, layers = unwrap_middleware(app)
    in_front, context = _pass_layers(layers, context, _REST)
    yield from in_front
    router = getattr(inner, "router", inner)
    if not hasattr(router, "routes"):
        is_proxy = (type(inner).__module__, type(inner).__qualname__) == _PROXY
        yield _make_route(context, _REST, (ANYTHING,), inner, note=KRATOS_API if is_proxy else _NOT_INSPECTABLE)
        return
    # FastAPI applies the overrides of the application that the router belongs to, not those of a parent.
    provider = getattr(router, "dependency_overrides_provider", None)
    context = replace(context, overrides=getattr(provider, "dependency_overrides", {}))
    for route in effective_routes(router):
        yield from _iter_route(route, context)
    default = getattr(router, "default", None)
    if default is not None and not is_framework_method(default, router):
        yield from _iter_app(default, context)


def _pass_layers(
    layers: Iterable[Any], context: _RouteContext, path: str
) -> tuple[list[AuditedRoute], _RouteContext]:
    """Return a route for each layer that may respond by itself, and the context behind all layers."""
    routes: list[AuditedRoute] = []
    for layer in layers:
        if type(layer) is SessionRequiredMiddleware:
            context = replace(context, guards=(*context.guards, layer))
        else:
            routes.append(_make_route(context, path, (ANYTHING,), layer, note=_NOT_INSPECTABLE))
    return routes, context


def _iter_route(route: Any, context: _RouteContext) -> Iterator[AuditedRoute]:
    kind, route = original_route(route), starlette_route(route)
    path = getattr(route, "path", None) or ""
    if not isinstance(kind, _KNOWN_ROUTES) and getattr(route, "dependant", None) is None:
        yield _make_route(context, path or _REST, (ANYTHING,), kind, note=_NOT_INSPECTABLE)
    elif _replaces_handler(kind):
        rest = _REST if isinstance(kind, Mount) else ""
        yield _make_route(context, path + rest or _REST, _methods_of(route), kind, note=_NOT_INSPECTABLE)
    elif isinstance(kind, Mount):
        yield from _iter_app(route.app, replace(context, prefix=context.prefix + path))
    elif isinstance(kind, Host):
        yield from _iter_app(route.app, replace(context, host=route.host))
    elif isinstance(kind, WebSocketRoute):
        yield from _iter_endpoint(route, kind, context, ("on_connect",))
    elif isinstance(kind, Route):
        yield from _iter_endpoint(route, kind, context, _HANDLERS)
    else:
        yield from _iter_files(route, kind, context)


def _replaces_handler(kind: Any) -> bool:
    """Return whether a route or its class replaces how the endpoint is called."""
    handler = getattr(kind, "get_route_handler", kind.handle)
    return not (is_framework_method(kind.handle, kind) and _is_known_handler(handler, kind))


def _is_known_handler(handler: Any, kind: Any) -> bool:
    function = getattr(handler, "__func__", None)
    # `GuardedRoute` enforces requirements, and then calls FastAPI's handler.
    return is_framework_method(handler, kind) or (
        getattr(handler, "__self__", None) is kind
        and getattr(function, "__globals__", {}).get("__name__") == _ROUTE_MODULE
    )


def _methods_of(route: Any) -> tuple[str, ...]:
    return tuple(sorted(getattr(route, "methods", None) or ())) or (ANYTHING,)


def _iter_endpoint(
    route: Any, kind: Any, context: _RouteContext, handlers: tuple[str, ...]
) -> Iterator[AuditedRoute]:
    """Yield a route once, or once for each handler of an endpoint class."""
    endpoint, dependant = route.endpoint, getattr(route, "dependant", None)
    inner, layers = unwrap_middleware(getattr(route, "app", None))
    in_front, context = _pass_layers(layers, context, route.path)
    yield from in_front
    methods = (WEBSOCKET,) if isinstance(kind, WebSocketRoute) else _methods_of(route)
    if inner not in (None, endpoint) and not is_framework_code(inner):
        yield _make_route(context, route.path, methods, inner, note=_NOT_INSPECTABLE)
    elif dependant is not None:
        yield _make_route(context, route.path, methods, endpoint, iter_requirements(dependant, context.overrides))
    elif isinstance(endpoint, type):
        yield from _iter_handlers(route.path, endpoint, context, methods, handlers)
    elif not callable(getattr(unwrap_partial(endpoint), "__get__", None)):
        yield _make_route(context, route.path, methods, endpoint, note=_NOT_INSPECTABLE)
    else:
        yield _make_route(context, route.path, methods, endpoint, _endpoint_requirements(endpoint))


def _iter_handlers(
    path: str, endpoint: type[Any], context: _RouteContext, methods: tuple[str, ...], handlers: tuple[str, ...]
) -> Iterator[AuditedRoute]:
    names = [name for name in handlers if hasattr(endpoint, name)] if _is_dispatched_by_starlette(endpoint) else []
    if not names:
        yield _make_route(context, path, methods, endpoint, note=_NOT_INSPECTABLE)
        return
    for name in names:
        handled = methods if methods == (WEBSOCKET,) else (name.upper(),)
        yield _make_route(context, path, handled, endpoint, _endpoint_requirements(getattr(endpoint, name)))
    fallback = getattr(endpoint, "method_not_allowed", None)
    if fallback is not None and not is_framework_code(fallback):
        yield _make_route(context, path, (ANYTHING,), fallback, _endpoint_requirements(fallback))


def _is_dispatched_by_starlette(endpoint: type[Any]) -> bool:
    """Return whether Starlette's own code dispatches to the handlers of a class."""
    return issubclass(endpoint, HTTPEndpoint | WebSocketEndpoint) and all(
        is_framework_code(getattr(endpoint, name)) for name in ("dispatch", "__await__", "__init__")
    )


def _iter_files(group: Any, kind: Any, context: _RouteContext) -> Iterator[AuditedRoute]:
    # FastAPI's `app.frontend(...)`: files behind the dependencies of the router that serves them.
    requirements = tuple(iter_requirements(group.dependant, context.overrides))
    for route in kind.routes:
        path = (files_prefix(group) + route.path).rstrip("/") + _REST
        yield _make_route(context, path, ("GET", "HEAD"), route.app, requirements)


def _endpoint_requirements(endpoint: Any) -> tuple[Requirement, ...]:
    requirement = requirement_of_endpoint(endpoint)
    return () if requirement is None else (requirement,)


def _make_route(
    context: _RouteContext,
    path: str,
    methods: tuple[str, ...],
    endpoint: Any,
    endpoint_requirements: Iterable[Requirement] = (),
    *,
    note: str = "",
) -> AuditedRoute:
    full_path = context.prefix + path
    requirements = list(endpoint_requirements)
    for guard in context.guards:
        if public := sorted(path for path in guard.public if _could_match(full_path, path)):
            note = note or f"public at {', '.join(public)}"
        else:
            requirements.insert(0, guard.requirement)
    return AuditedRoute(
        full_path,
        methods,
        _name_of(endpoint),
        tuple(requirements),
        context.host,
        "" if requirements else note,
    )


def _could_match(template: str, pattern: str) -> bool:
    """Return whether a route template could match a path, or any path of a prefix such as `/static/*`."""
    if pattern.endswith("*"):
        return _could_start_with(template, pattern[:-1])
    expression = ".*".join(map(re.escape, _PARAMETER.split(template)))
    return re.fullmatch(expression, pattern, re.DOTALL) is not None


def _could_start_with(template: str, prefix: str) -> bool:
    """Return whether a route template could match a path that starts with a prefix, which ends with a slash."""
    parameter = _PARAMETER.search(template)
    literal = template[: parameter.start()] if parameter else template
    if literal.startswith(prefix):
        return True
    if parameter is None or not prefix.startswith(literal):
        return False
    if parameter[0][1:-1].partition(":")[2] not in _CONVERTORS_WITHOUT_SLASH:
        return True
    remaining, rest = prefix[len(literal) :], template[parameter.end() :]
    return any(_could_start_with(rest, remaining[length:]) for length in range(1, remaining.index("/") + 1))


def _name_of(endpoint: Any) -> str:
    definition = endpoint if hasattr(endpoint, "__qualname__") else type(endpoint)
    return f"{definition.__module__}:{definition.__qualname__}"
