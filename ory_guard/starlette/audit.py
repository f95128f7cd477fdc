"""The audit of routes: what guards each route of an application, and a check that none is open by mistake.

`audit_routes(app)` lists every route with its guards, and `assert_guarded(app, public=[...])` is a test for
applications. Neither calls the application.
"""

from collections.abc import Collection, Iterable
from typing import Any

from ory_guard.starlette.audited_routes import AuditedRoute, walk

__all__ = ["AuditedRoute", "assert_guarded", "audit_routes", "open_routes", "unused_names"]


def audit_routes(app: Any) -> tuple[AuditedRoute, ...]:
    """Return every route of an application with its guards, in the order in which the routes are tried.

    The audit finds the dependencies of `ory_guard.fastapi` on routes, routers, applications and other dependencies,
    endpoints under `ory_guard.starlette.session_required`, and `SessionRequiredMiddleware`, in included routers,
    mounted applications, hosts and websockets. An override in `dependency_overrides` counts in place of what it
    replaces, on the routes of its own application.

    What the audit can't look into is not guarded: mounted files and foreign applications, checks in the code of an
    endpoint, Starlette's `@requires`, decorators around `session_required`, a fallback (`router.default`), a class
    of routes that replaces the handler, a class of handlers that replaces `dispatch`, a class in place of a
    dependency, and a subclass of our dependencies that replaces `__call__`. A middleware or wrapper of a class that
    is neither Starlette's, FastAPI's nor ours may respond by itself, so it is listed as a route of its own.

    A dependency of your own that calls `guard.require` counts if it is an object with an attribute `requirement`,
    the `ory_guard.Requirement` that it enforces.

    Args:
        app: A FastAPI or Starlette application, possibly inside middlewares, or a router.
    """
    return tuple(walk(app))


def open_routes(routes: Iterable[AuditedRoute], public: Collection[str]) -> list[AuditedRoute]:
    """Return the routes that are neither guarded nor named in `public`."""
    return [route for route in routes if not route.guarded and not route.names & set(public)]


def unused_names(routes: Iterable[AuditedRoute], public: Collection[str]) -> list[str]:
    """Return the names in `public` that no open route has."""
    names: set[str] = set().union(*(route.names for route in routes if not route.guarded))
    return [name for name in public if name not in names]


def assert_guarded(app: Any, *, public: Collection[str] = ()) -> None:
    """Fail if a route needs no session and is not named as public; for the tests of an application.

    Args:
        app: As for `audit_routes`.
        public: The routes that any caller may use, each as its path (`/docs`, `/items/{id}`), as method and path
            (`GET /items/{id}`, `WEBSOCKET /live`), or, if it can't be looked into, as its endpoint
            (`shop.metrics:MetricsMiddleware`).

    Raises:
        AssertionError: If a route is open and not named, or a name in `public` belongs to no open route.
    """
    routes = audit_routes(app)
    forgotten, unused = [str(route) for route in open_routes(routes, public)], unused_names(routes, public)
    if forgotten or unused:
        raise AssertionError("\n".join([*_explain_forgotten(forgotten), *_explain_outdated(unused)]))


def _explain_forgotten(routes: list[str]) -> list[str]:
    if not routes:
        return []
    return [
        "These routes ask for no session; give them require_session, or name them in public=[...]:",
        *(f"  {route}" for route in routes),
    ]


def _explain_outdated(names: list[str]) -> list[str]:
    if not names:
        return []
    return [
        "These are named in public=[...], and no open route has that name; take them away:",
        *(f"  {name}" for name in names),
    ]
