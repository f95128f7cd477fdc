"""The routes of FastAPI applications, read from attributes that are not part of FastAPI's public API.

FastAPI has no public API for the routes of included routers and for the files of `app.frontend(...)`, and a route
that is not found would be neither checked nor audited. All such attributes are read here, so that a release of
FastAPI that renames one affects a single module. FastAPI does not have to be installed.
"""

import sys
from collections.abc import Iterator
from typing import Any

__all__ = [
    "assurance_level_in_scopes",
    "effective_route",
    "effective_routes",
    "files_prefix",
    "original_route",
    "route_lists",
    "starlette_route",
    "with_included_routers",
]


def effective_routes(router: Any) -> Iterator[Any]:
    """Yield the routes of a router; those of included routers have the prefix and dependencies of the inclusion."""
    routing = sys.modules.get("fastapi.routing")
    if routing is None:
        yield from router.routes
        return
    yield from routing.iter_route_contexts(router.routes)
    yield from getattr(router, "_low_priority_routes", ())  # of `app.frontend(...)`
    for route in router.routes:
        for context in getattr(route, "effective_low_priority_routes", tuple)():
            yield routing.RouteContext(context.original_route, context)


def effective_route(route: Any) -> Any:
    """Return the route with the dependencies of the routers that include it, within `get_route_handler`.

    FastAPI calls `get_route_handler` for each inclusion, and passes the inclusion in this variable. Without the
    variable, requirements of other routers would be enforced after the body.
    """
    variable = getattr(sys.modules.get("fastapi.routing"), "_effective_route_context_var", None)
    context = None if variable is None else variable.get()
    return route if context is None or context.original_route is not route else context


def assurance_level_in_scopes(dependency: Any) -> str | None:
    """Return the assurance level in `Security(..., scopes=[...])`, or None; FastAPI itself checks no scopes."""
    scopes = getattr(dependency, "own_oauth_scopes", None) or ()
    return next((scope for scope in scopes if scope in ("aal1", "aal2")), None)


def original_route(route: Any) -> Any:
    """Return the route as the application defined it, of a route that `effective_routes` yields."""
    return getattr(route, "original_route", route)


def starlette_route(route: Any) -> Any:
    """Return a Starlette route as FastAPI rebuilt it for an included router; newer releases resolve it."""
    return getattr(route, "starlette_route", None) or route


def files_prefix(group: Any) -> str:
    """Return the path prefix of the files of `app.frontend(...)`."""
    prefix: str = getattr(group, "frontend_prefix", "")
    return prefix


def with_included_routers(router: Any) -> list[Any]:
    """Return a router and the routers that it includes, directly and indirectly."""
    found = [router]
    for known in found:
        included = (getattr(route, "original_router", None) for route in known.routes)
        found += [router for router in included if router is not None and router not in found]
    return found


def route_lists(router: Any) -> Iterator[list[Any]]:
    """Yield every list whose change adds a route, or has FastAPI derive the routes of an included router again."""
    yield router.routes
    groups = getattr(router, "_low_priority_routes", None)
    if groups is not None:
        yield from (groups, *(group.routes for group in groups))
