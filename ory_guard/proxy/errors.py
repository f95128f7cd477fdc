"""Responses of the proxy itself: requests that are not forwarded, and failures of Kratos."""

from collections.abc import Mapping
from typing import Any

from ory_guard.guard.responses import error_pages
from ory_guard.guard.responses.asgi import ASGIResponse, error_body
from ory_guard.guard.responses.refusals import is_navigation
from ory_guard.guard.settings import GuardSettings
from ory_guard.models.credential import Header

__all__ = ["ProxyError", "error_response"]

_TITLES = {413: "Request too large", 502: "Bad gateway", 503: "Temporarily unavailable", 504: "Gateway timeout"}


class ProxyError(Exception):
    """A request has no response of Kratos.

    Args:
        status_code: The HTTP status.
        error_id: The `error.id` of the response.
        reason: A sentence for the client. It contains nothing of Kratos' response and no address.
        headers: Additional headers.
    """

    def __init__(
        self,
        status_code: int,
        error_id: str,
        reason: str,
        *,
        headers: tuple[Header, ...] = (),
    ) -> None:
        super().__init__(reason)
        self.status_code = status_code
        self.error_id = error_id
        self.reason = reason
        self.headers = headers


def error_response(error: ProxyError, scope: Mapping[str, Any], settings: GuardSettings) -> ASGIResponse:
    """Return the response: a page for a navigation, Ory's JSON error for any other request."""
    headers = [(b"cache-control", b"private, no-store"), (b"x-content-type-options", b"nosniff"), *error.headers]
    if settings.app_url is not None and is_navigation(scope):
        title = _TITLES.get(error.status_code, "Request failed")
        page = error_pages.error_page(title, error.reason, settings)
        return ASGIResponse(error.status_code, [*headers, *error_pages.HEADERS], page)
    headers.append((b"content-type", b"application/json"))
    body = error_body(error.status_code, error_id=error.error_id, reason=error.reason)
    return ASGIResponse(error.status_code, headers, body)
