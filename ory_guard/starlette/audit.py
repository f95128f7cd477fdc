"""The audit of routes: the requirements of each route, and a check that no route is open by mistake.

`audit_routes(app)` lists every route with its requirements, and `assert_guarded(app, public=[...])` is a test for
applications. Neither calls the application.
"""

from collections.abc import Collection, Iterable
from typing import Any

from ory_guard.starlette.audited_routes import KRATOS_API, AuditedRoute, iter_routes

__all__ = ["AuditedRoute", "assert_guarded", "audit_routes", "open_routes", "unused_labels"]


def audit_routes(app: Any) -> tuple[AuditedRoute, ...]:
    """Return every route of an application with its requirements, in the order in which the routes are matched.

    The audit finds the dependencies of `ory_guard.fastapi` on routes, routers, applications and other dependencies,
    endpoints under `session_required`, and `SessionRequiredMiddleware`, in included routers,
    mounted applications, hosts and websockets. An override in `dependency_overrides` replaces the dependency on the
    routes of its own application.

    Routes that can't be inspected are reported as open: mounted files and applications of other frameworks, checks
    in the code of an endpoint, Starlette's `@requires`, decorators around `session_required`, a fallback
    (`router.default`), a route class that replaces the handler (except for `GuardedRoute`), an endpoint class that
    replaces `dispatch`, a class in place of a dependency, and a subclass of the dependencies of `ory_guard.fastapi`
    that replaces `__call__`. A middleware or wrapper of any class outside of Starlette, FastAPI and ory_guard may
    respond by itself, so it is listed as a route.

    A dependency of your own that calls `guard.require` is recognized if it is an object with an attribute
    `requirement`, the `ory_guard.Requirement` that it enforces.

    Args:
        app: A FastAPI or Starlette application or a router, optionally inside middlewares.
    """
    return tuple(iter_routes(app))


def open_routes(routes: Iterable[AuditedRoute], public: Collection[str]) -> list[AuditedRoute]:
    """Return the routes that are neither guarded nor public: listed in `public`, or a `KratosProxy`."""
    return [
        route
        for route in routes
        if not route.guarded and route.note != KRATOS_API and not route.labels & set(public)
    ]


def unused_labels(routes: Iterable[AuditedRoute], public: Collection[str]) -> list[str]:
    """Return the items of `public` that don't match an open route."""
    labels: set[str] = set().union(*(route.labels for route in routes if not route.guarded))
    return [label for label in public if label not in labels]


def assert_guarded(app: Any, *, public: Collection[str] = ()) -> None:
    """Fail if a route does not require a session and is not listed as public; for the tests of an application.

    Args:
        app: A FastAPI or Starlette application or a router, optionally inside middlewares.
        public: The routes that don't require a session, each as its path (`/docs`, `/items/{id}`), as method and
            path (`GET /items/{id}`, `WEBSOCKET /live`), or, if it can't be inspected, as its endpoint
            (`shop.metrics:MetricsMiddleware`). A mounted `KratosProxy` is public without being listed.

    Raises:
        AssertionError: If a route is open and not listed, or an item of `public` does not match an open route.
    """
    routes = audit_routes(app)
    lines: list[str] = []
    if unlisted := open_routes(routes, public):
        lines += ["these routes do not require a session; add require_session, or list them in public=[...]:"]
        lines += [f"  {route}" for route in unlisted]
    if unused := unused_labels(routes, public):
        lines += ["these items of public=[...] do not match an open route; remove them:"]
        lines += [f"  {label}" for label in unused]
    if lines:
        raise AssertionError("\n".join(lines))
