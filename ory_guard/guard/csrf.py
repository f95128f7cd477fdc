"""Protection against cross-site request forgery: the browser adds a cookie to requests of foreign pages, too."""

from collections.abc import Mapping
from typing import Any, Final

from ory_guard.exceptions import CsrfViolation
from ory_guard.guard.context import header_value
from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.urls import origin_of
from ory_guard.models.outcomes import Authenticated

__all__ = ["SAFE_METHODS", "CSRFPolicy"]

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing, in exactly this spelling; browsers never send TRACE, so it is not safe here."""

_WEBSOCKET_ORIGIN: Final = (
    "A WebSocket with a session cookie must have the header Origin with the origin of this application. Browsers "
    "send it; another client must set it, or send a session token instead of the cookie."
)


class CSRFPolicy:
    """Recognizes cross-site requests by the trusted origins of the settings."""

    def __init__(self, settings: GuardSettings) -> None:
        origins = [*settings.trusted_origins]
        if settings.app_url is not None:
            origins.append(origin_of(settings.app_url))
        self._trusted_origins = frozenset(origin.encode("ascii") for origin in origins)

    def is_trusted_origin(self, scope: Mapping[str, Any]) -> bool:
        """Return whether the `Origin` of the request is trusted."""
        return header_value(scope, b"origin") in self._trusted_origins

    def is_cross_site(self, scope: Mapping[str, Any]) -> bool:
        """Return whether a page of an untrusted origin may have sent this request.

        The cookie of such a request is not accepted. Requests with a safe method are never cross-site. With all
        other requests, browsers send `Sec-Fetch-Site` (older browsers only `Origin`), so a request with neither
        header does not come from a browser. A repeated header matches nothing. A websocket has no method and needs
        a trusted `Origin`.
        """
        if scope["type"] != "http":
            return not self.is_trusted_origin(scope)
        if scope["method"] in SAFE_METHODS:
            return False
        site = header_value(scope, b"sec-fetch-site")
        if site in (b"same-origin", b"none"):
            return False
        if site is None and header_value(scope, b"origin") is None:
            return False
        return not self.is_trusted_origin(scope)

    def allows(self, outcome: Authenticated, scope: Mapping[str, Any]) -> bool:
        """Return whether the session may be used for this request.

        The middleware checks the request as it arrived. Another middleware may have changed the method since.
        """
        return outcome.credential != "cookie" or not self.is_cross_site(scope)

    def violation(self, scope: Mapping[str, Any]) -> CsrfViolation:
        """Return the refusal of a cross-site request."""
        is_websocket = scope["type"] != "http"
        return CsrfViolation(_WEBSOCKET_ORIGIN if is_websocket and header_value(scope, b"origin") is None else None)
