"""Responses, and errors in Ory's JSON format."""

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Self
from urllib.parse import quote

__all__ = ["ApiError", "FakeResponse", "method_disabled"]

_PRINTABLE: Final = "".join(chr(code) for code in range(0x21, 0x7F))

# Kratos uses Go's reason phrases; Python's differ before 3.13.
_STATUS_TEXT: Final = {422: "Unprocessable Entity"}

_MESSAGES: Final = {
    400: "The request is malformed or contains invalid parameters",
    401: "The request requires authentication",
    403: "The request is not allowed",
    404: "The resource was not found",
    409: "The resource conflicts with an existing one",
    422: "The browser must be redirected",
    500: "The server failed",
}


@dataclass(slots=True)
class FakeResponse:
    """A response without cookies and common headers, which are added when it is sent."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Self:
        """Create a JSON response."""
        kind = "application/json; charset=utf-8"
        return cls(status, _encode(body), {"content-type": kind, **(headers or {})})

    @classmethod
    def text(cls, body: str, status: int = 200, kind: str = "text/plain; charset=utf-8") -> Self:
        """Create a text response with the given content type."""
        return cls(status, body.encode(), {"content-type": kind})

    @classmethod
    def not_found(cls) -> Self:
        """Create the response of Kratos' router for an unknown path."""
        response = cls.text("404 page not found\n", 404)
        response.headers["x-content-type-options"] = "nosniff"
        return response

    @classmethod
    def method_not_allowed(cls, allowed: str) -> Self:
        """Create the response of Kratos' router for a known path with another method."""
        response = cls.text("Method Not Allowed\n", 405)
        response.headers |= {"allow": allowed, "x-content-type-options": "nosniff"}
        return response

    @classmethod
    def redirect(cls, method: str, url: str, status: int = 303) -> Self:
        """Create a redirect; for GET requests, the body contains a link."""
        url = quote(url, safe=_PRINTABLE)
        if method not in {"GET", "HEAD"}:
            return cls(status, headers={"location": url})
        page = f'<a href="{html.escape(url)}">{HTTPStatus(status).phrase}</a>.\n\n'
        return cls(status, page.encode(), {"content-type": "text/html; charset=utf-8", "location": url})


class ApiError(Exception):
    """An error in Ory's JSON format.

    Args:
        status: The HTTP status.
        error_id: Ory's error id; empty if Kratos sends none.
        reason: The explanation in `error.reason`.
        message: The summary in `error.message`; by default one that fits the status.
        details: The object in `error.details`.
        extra: Further top-level members beside `error`.
        location: The redirect target for browsers; by default the error page.
        redirect_status: The status of that redirect.
        code: The status in the body, if it differs from the status of the response.
    """

    def __init__(
        self,
        status: int,
        error_id: str = "",
        reason: str = "",
        *,
        message: str = "",
        details: dict[str, Any] | None = None,
        extra: dict[str, Any] | None = None,
        location: str | None = None,
        redirect_status: int = 303,
        code: int | None = None,
    ) -> None:
        super().__init__(reason or message)
        self.status = status
        self.code: int = code or status
        self.id = error_id
        self.reason = reason
        self.message: str = message or _MESSAGES[status]
        self.details = details
        self.extra: dict[str, Any] = extra or {}
        self.location = location
        self.redirect_status = redirect_status

    def document(self) -> dict[str, Any]:
        """Return the `error` object."""
        body: dict[str, Any] = {"id": self.id} if self.id else {}
        body |= {"code": self.code, "status": _STATUS_TEXT.get(self.code) or HTTPStatus(self.code).phrase}
        if self.reason:
            body["reason"] = self.reason
        if self.details:
            body["details"] = self.details
        return {**body, "message": self.message}

    def to_response(self) -> FakeResponse:
        """Return the JSON response; it has an `Ory-Error-Id` header even if the id is empty."""
        body = {"error": self.document(), **self.extra}
        headers = {"content-type": "application/json", "ory-error-id": self.id}
        return FakeResponse(self.status, _encode(body), headers)


def method_disabled(name: str) -> ApiError:
    """Return the error for a method that the configuration does not enable."""
    return ApiError(404, reason=f'The method "{name}" is disabled.')


def _encode(body: Any) -> bytes:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace") + b"\n"
