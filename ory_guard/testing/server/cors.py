"""Cross-origin requests, as Kratos handles them if `serve.public.cors` is enabled."""

from collections.abc import Mapping
from typing import Final

from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import FakeResponse
from ory_guard.testing.settings import FakeKratosSettings

__all__ = ["Cors"]

ANY_ORIGIN: Final = "*"
REQUEST_METHOD: Final = "access-control-request-method"
REQUEST_HEADERS: Final = "access-control-request-headers"


class Cors:
    """The CORS protocol (Fetch standard, section 3.2) for one set of origins.

    Args:
        settings: The CORS settings.
    """

    def __init__(self, settings: FakeKratosSettings) -> None:
        self._enabled = settings.cors_enabled
        self._origins = frozenset(settings.cors_allowed_origins)

    def headers(self, request: FakeRequest) -> dict[str, str]:
        """Return the CORS headers of a response."""
        if not self._enabled:
            return {}
        return {"vary": "Origin", **self._allow_headers(request.headers)}

    def preflight(self, request: FakeRequest) -> FakeResponse | None:
        """Return the response to a preflight request, or None if the request is not one."""
        if not self._enabled or request.method != "OPTIONS" or REQUEST_METHOD not in request.headers:
            return None
        headers = {"vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
        if allowed := self._allow_headers(request.headers):
            headers |= allowed | {"access-control-allow-methods": request.headers[REQUEST_METHOD]}
            if requested := request.headers.get(REQUEST_HEADERS):
                headers["access-control-allow-headers"] = requested
        return FakeResponse(204, b"", headers)

    def _allow_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        origin = headers.get("origin", "")
        if not origin or not self._origins & {origin, ANY_ORIGIN}:
            return {}
        # The Fetch standard forbids `*` with credentials, so the request's origin is echoed.
        return {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
