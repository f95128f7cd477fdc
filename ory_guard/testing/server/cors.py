"""Requests of pages from other origins, as Kratos answers them where `serve.public.cors` is on."""

from collections.abc import Mapping
from typing import Final

from ory_guard.testing.server.request import Exchange
from ory_guard.testing.server.response import Answer
from ory_guard.testing.settings import FakeKratosSettings

__all__ = ["Cors"]

ANY: Final = "*"
ASKED_METHOD: Final = "access-control-request-method"
ASKED_HEADERS: Final = "access-control-request-headers"


class Cors:
    """
    The CORS protocol (Fetch standard, 3.2) for one set of origins.

    Args:
        settings: Whether it is on, and whose pages may read answers.
    """

    def __init__(self, settings: FakeKratosSettings) -> None:
        self._enabled = settings.cors_enabled
        self._origins = frozenset(settings.cors_allowed_origins)

    def headers(self, exchange: Exchange) -> dict[str, str]:
        """Return what lets a page read the answer, and tells caches that the answer depends on who asks."""
        if not self._enabled:
            return {}
        return {"vary": "Origin", **self._permission(exchange.headers)}

    def preflight(self, exchange: Exchange) -> Answer | None:
        """Answer a browser's question before a page's request, if this is one."""
        if not self._enabled or exchange.method != "OPTIONS" or ASKED_METHOD not in exchange.headers:
            return None
        headers = {"vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
        if permission := self._permission(exchange.headers):
            headers |= permission | {"access-control-allow-methods": exchange.headers[ASKED_METHOD]}
            if asked := exchange.headers.get(ASKED_HEADERS):
                headers["access-control-allow-headers"] = asked
        return Answer(204, b"", headers)

    def _permission(self, headers: Mapping[str, str]) -> dict[str, str]:
        origin = headers.get("origin", "")
        if not origin or not self._origins & {origin, ANY}:
            return {}
        # Credentials are only let through for an origin that is named, so the caller's own is.
        return {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
