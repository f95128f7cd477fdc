"""Which routes of an application ask for a session, and which anybody may call.

`audit_routes(app)` lists every route with what guards it, and `assert_guarded(app, public=[...])` is the test that
no route was forgotten. Nothing is called and no request is made: the routes are looked at.
"""

from collections.abc import Collection
from typing import Any

from ory_guard.audit.routes import AuditedRoute, walk

__all__ = ["AuditedRoute", "assert_guarded", "audit_routes"]


def audit_routes(app: Any) -> tuple[AuditedRoute, ...]:
    """Return every route of an application with what guards it, in the order in which they are tried.

    It looks through included routers, mounted applications, hosts and websockets, and knows dependencies of
    `ory_guard.fastapi` wherever they stand (route, router, application, below another dependency), endpoints under
    `ory_guard.starlette.session_required`, and `SessionRequiredMiddleware`. What it can't look into counts as
    unguarded: mounted files and foreign applications, checks in an endpoint's code, Starlette's `@requires`,
    and decorators around `session_required`. A dependency that `app.dependency_overrides` replaces counts for what
    replaces it.

    A dependency of your own that calls `guard.require` counts if it is an object with an attribute `requirement`,
    the `ory_guard.policy.Requirement` that it asks for.

    Args:
        app: A FastAPI or Starlette application, possibly inside of middlewares, or a router.
    """
    return tuple(walk(app))


def assert_guarded(app: Any, *, public: Collection[str] = ()) -> None:
    """Fail where a route asks for no session and is not named as public; for the tests of an application.

    Args:
        app: As for `audit_routes`.
        public: The routes that anybody may call, each as its path (`/docs`, `/items/{id}`) or as method and path
            (`GET /items/{id}`, `WEBSOCKET /live`).

    Raises:
        AssertionError: A route is open that should not be, or one of `public` is guarded, or is no route at all.
    """
    routes = audit_routes(app)
    unguarded = [route for route in routes if not route.guarded]
    forgotten = [str(route) for route in unguarded if not route.names & set(public)]
    open_names: set[str] = set().union(*(route.names for route in unguarded))
    outdated = [name for name in public if name not in open_names]
    if forgotten or outdated:
        raise AssertionError("\n".join([*_explain_forgotten(forgotten), *_explain_outdated(outdated)]))


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
