"""The error for a failed anti-CSRF check."""

from typing import Final

from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError
from ory_guard.testing.settings import FakeKratosSettings

__all__ = ["csrf_violation"]

_CSRF_DOCS: Final = {
    False: "https://www.ory.com/docs/troubleshooting/csrf",
    True: "https://www.ory.sh/kratos/docs/debug/csrf",
}


def csrf_violation(request: FakeRequest, settings: FakeKratosSettings) -> ApiError:
    """Return the error for a failed anti-CSRF check."""
    details = {
        "docs": _CSRF_DOCS[settings.is_release],
        "hint": "Check that the browser sends its cookies and that proxies forward them.",
    }
    if not request.headers.get("cookie"):
        details["reject_reason"] = "The request has no Cookie header."
    elif not request.has_csrf_cookie:
        details["reject_reason"] = "The Cookie header contains no anti-CSRF cookie."
    elif request.content_type == "application/json" or request.has_csrf_token:
        details["reject_reason"] = "The csrf_token is missing or does not match the anti-CSRF cookie."
    return ApiError(
        403,
        "security_csrf_violation",
        "The form was created for a different browser. Start the flow again.",
        message="the request was rejected to protect you from cross-site request forgery",
        details=details,
    )
