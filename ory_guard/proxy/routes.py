"""The routes of Kratos' public API that are forwarded; any other path is not found.

The path that is sent to Kratos is the entry of this list, and never the spelling of the client.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from ory_guard.proxy.errors import ProxyError

__all__ = ["Change", "KratosRoute", "Target", "find_target", "is_route", "mount_path"]

Change = Literal["none", "login", "address", "settings", "logout", "native_logout", "session", "other_sessions"]
"""The change of sessions that a request may cause; see `ory_guard.proxy.invalidation`."""

_MAX_QUERY_BYTES: Final = 16_384
# A provider or a schema has a name of the configuration; neither can be a dot segment.
_NAME: Final = r"(?!\.{1,2}\Z)[A-Za-z0-9._~=@:+-]{1,255}"
_QUERY: Final = re.compile(rb"[\x21\x22\x24-\x7e]*+")
# Kratos redirects to its pages with the ID of a flow or of an error.
_PAGE_QUERY: Final = re.compile(rb"(?:flow|id)=")


class KratosRoute(NamedTuple):
    """A route of Kratos.

    Attributes:
        methods: The methods besides HEAD, which is allowed with GET.
        change: The change of sessions that the route may cause.
    """

    methods: tuple[str, ...]
    change: Change = "none"

    @property
    def allowed(self) -> tuple[str, ...]:
        """All methods, with HEAD."""
        return ("GET", "HEAD", *self.methods[1:]) if self.methods[0] == "GET" else self.methods


class Target(NamedTuple):
    """The resource of Kratos that a request is forwarded to.

    Attributes:
        path: The path below Kratos' base URL.
        query: The raw query.
        route: The route.
        change: The change of sessions that this request may cause.
    """

    path: str
    query: bytes
    route: KratosRoute
    change: Change

    @property
    def raw_path(self) -> bytes:
        """The path and the query."""
        path = self.path.encode("ascii")
        return path + b"?" + self.query if self.query else path


def _flow_routes(name: str, change: Change) -> dict[str, KratosRoute]:
    path = f"/self-service/{name}"
    return {
        f"{path}/api": KratosRoute(("GET",)),
        f"{path}/browser": KratosRoute(("GET",)),
        f"{path}/flows": KratosRoute(("GET",)),
        path: KratosRoute(("GET", "POST"), change),  # a link in an email and a continued update are GET requests
    }


_ROUTES: Final[dict[str, KratosRoute]] = {
    **_flow_routes("login", "login"),
    **_flow_routes("registration", "login"),
    **_flow_routes("recovery", "address"),
    **_flow_routes("verification", "address"),
    **_flow_routes("settings", "settings"),
    "/self-service/logout/browser": KratosRoute(("GET",)),
    "/self-service/logout": KratosRoute(("GET",), "logout"),
    "/self-service/logout/api": KratosRoute(("DELETE",), "native_logout"),
    "/self-service/errors": KratosRoute(("GET",)),
    "/self-service/fed-cm/parameters": KratosRoute(("GET",)),
    "/self-service/fed-cm/token": KratosRoute(("POST",), "login"),
    "/self-service/methods/oidc/callback": KratosRoute(("GET",), "settings"),
    "/sessions": KratosRoute(("GET", "DELETE"), "other_sessions"),
    "/sessions/whoami": KratosRoute(("GET",)),
    "/sessions/token-exchange": KratosRoute(("GET",)),
    "/schemas": KratosRoute(("GET",)),
    "/.well-known/ory/webauthn.js": KratosRoute(("GET",)),
}

_PATTERNS: Final = (
    (re.compile(rf"/sessions/{_NAME}"), KratosRoute(("DELETE",), "session")),
    (re.compile(rf"/schemas/{_NAME}"), KratosRoute(("GET",))),
    # A provider may respond with a form, which Kratos redirects to GET. A callback may link a credential.
    (re.compile(rf"/self-service/methods/oidc/callback/{_NAME}"), KratosRoute(("GET", "POST"), "settings")),
    (
        re.compile(rf"/self-service/methods/oidc/organization/{_NAME}/callback/{_NAME}"),
        KratosRoute(("GET", "POST"), "settings"),
    ),
)


def find_target(scope: Mapping[str, Any]) -> Target:
    """Return the resource of Kratos for a request.

    Args:
        scope: The ASGI scope below the mount.

    Raises:
        ProxyError: If the path is not a route of Kratos (404), or has no such method (405), or the query is too
            long (414) or has an invalid character (400).
    """
    path, query = _path_below_mount(scope), scope.get("query_string", b"")
    route = _route_of(path)
    # Nothing in these paths needs an encoding. A server in front may decode or normalize another spelling.
    raw_path = scope.get("raw_path") or scope["path"].encode("utf-8", "replace")
    if route is None or not raw_path.startswith(b"/") or not raw_path.endswith(path.encode()):
        raise ProxyError(404, "not_found", _not_found_reason(query))
    method = scope["method"]
    if method not in route.allowed:
        raise ProxyError(
            405,
            "method_not_allowed",
            f"This path allows only {', '.join(route.allowed)}.",
            headers=((b"allow", ", ".join(route.allowed).encode()),),
        )
    if len(query) > _MAX_QUERY_BYTES:
        raise ProxyError(414, "query_too_long", f"The query must have at most {_MAX_QUERY_BYTES} bytes.")
    if not _QUERY.fullmatch(query):
        raise ProxyError(400, "invalid_query", "The query must be percent-encoded.")
    is_read = route.change == "other_sessions" and method != "DELETE"
    return Target(path, query, route, "none" if is_read else route.change)


def is_route(path: str) -> bool:
    """Return whether requests to a path below Kratos' base URL are forwarded."""
    return _route_of(path) is not None


def mount_path(scope: Mapping[str, Any]) -> str:
    """Return the path of the mount in the outermost application of Starlette; the whole root path elsewhere."""
    root_path: str = scope.get("root_path", "")
    outer: str = scope.get("app_root_path", "")
    return root_path.removeprefix(outer).rstrip("/")


def _route_of(path: str) -> KratosRoute | None:
    return _ROUTES.get(path) or next((route for pattern, route in _PATTERNS if pattern.fullmatch(path)), None)


def _not_found_reason(query: bytes) -> str:
    reason = "This path is not part of Kratos' public API."
    if _PAGE_QUERY.match(query):
        reason += (
            " If Kratos redirected here, the ui_url of the flow in Kratos' configuration is below Kratos' own URL:"
            " set it to a page of the application, such as a page of FlowPages."
        )
    return reason


def _path_below_mount(scope: Mapping[str, Any]) -> str:
    path: str = scope["path"]
    # By the ASGI specification the path contains the root path, but some servers and frameworks remove it.
    for prefix in (str(scope.get("root_path", "")).rstrip("/"), mount_path(scope)):
        if prefix and path.startswith(f"{prefix}/"):
            return path[len(prefix) :]
    return path
