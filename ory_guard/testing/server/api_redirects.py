"""The routes of each API that redirect to the other one."""

from functools import partial
from typing import Final

from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import FakeResponse
from ory_guard.testing.server.router import Route

__all__ = ["redirects_to_admin_api", "redirects_to_public_api"]

_FLOWS: Final = ("login", "registration", "settings", "recovery", "verification")
_IDENTITY_ROUTES: Final = (
    ("GET", "/identities"),
    ("POST", "/identities"),
    *((method, "/identities/{}") for method in ("GET", "PUT", "PATCH", "DELETE")),
    ("GET", "/identities/by/external/{}"),
    ("DELETE", "/identities/{}/credentials/{}"),
)
_TO_ADMIN: Final = (
    *((method, f"{prefix}{path}") for prefix in ("", "/admin") for method, path in _IDENTITY_ROUTES),
    ("DELETE", "/identities/{}/sessions"),
    ("GET", "/admin/courier/messages"),
    ("GET", "/admin/courier/messages/{}"),
    ("POST", "/recovery/code"),
    ("POST", "/recovery/link"),
)
_TO_PUBLIC: Final = (
    *(("GET", f"/self-service/{flow}/{path}") for flow in _FLOWS for path in ("browser", "api", "flows")),
    *((method, f"/self-service/{flow}") for flow in _FLOWS for method in ("GET", "POST")),
    ("GET", "/self-service/logout/browser"),
    ("GET", "/self-service/logout"),
    ("DELETE", "/self-service/logout/api"),
    ("GET", "/self-service/errors"),
    ("GET", "/schemas"),
    ("GET", "/schemas/{}"),
    ("GET", "/sessions/whoami"),
    ("DELETE", "/sessions"),
)


def redirects_to_admin_api(url: str) -> list[Route]:
    """Return the routes of the public API that redirect to the admin API with this URL."""
    return [Route(method, path, partial(_redirect, f"{url}/admin")) for method, path in _TO_ADMIN]


def redirects_to_public_api(url: str) -> list[Route]:
    """Return the routes of the admin API, below `/admin`, that redirect to the public API with this URL."""
    return [Route(method, f"/admin{path}", partial(_redirect, url)) for method, path in _TO_PUBLIC]


def _redirect(base_url: str, request: FakeRequest, *_arguments: str) -> FakeResponse:
    query = f"?{request.query_string}" if request.query_string else ""
    path = request.path.removeprefix("/admin")
    return FakeResponse.redirect(request.method, f"{base_url}{path}{query}", 307)
