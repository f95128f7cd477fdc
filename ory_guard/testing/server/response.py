"""What goes back to the caller: answers, and errors in Ory's form."""

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Self
from urllib.parse import quote

__all__ = ["Answer", "ApiError"]

_PRINTABLE: Final = "".join(chr(code) for code in range(0x21, 0x7F))

# Kratos has Go's names; Python has this one of RFC 9110 from 3.13 on.
_STATUS: Final = {422: "Unprocessable Entity"}

_MESSAGES: Final = {
    400: "The request can't be understood: a part of it is missing or malformed",
    401: "The request is not authorized",
    403: "The request is not allowed",
    404: "There is nothing here",
    409: "There is something like it already",
    422: "The browser has to go elsewhere",
}


@dataclass(slots=True)
class Answer:
    """A response before cookies and the headers that all responses share are added."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Self:
        """Answer with a JSON document."""
        kind = "application/json; charset=utf-8"
        return cls(status, _encoded(body), {"content-type": kind, **(headers or {})})

    @classmethod
    def text(cls, body: str, status: int = 200, kind: str = "text/plain; charset=utf-8") -> Self:
        """Answer with a text of the given content type."""
        return cls(status, body.encode(), {"content-type": kind})

    @classmethod
    def not_found(cls) -> Self:
        """Answer as Kratos' router does for a path that it doesn't know."""
        answer = cls.text("404 page not found\n", 404)
        answer.headers["x-content-type-options"] = "nosniff"
        return answer

    @classmethod
    def redirect(cls, method: str, url: str, status: int = 303) -> Self:
        """Send a browser elsewhere; the answer to a GET has a link in its body."""
        url = quote(url, safe=_PRINTABLE)
        if method not in {"GET", "HEAD"}:
            return cls(status, headers={"location": url})
        page = f'<a href="{html.escape(url)}">{HTTPStatus(status).phrase}</a>.\n\n'
        return cls(status, page.encode(), {"content-type": "text/html; charset=utf-8", "location": url})


class ApiError(Exception):
    """
    An error in Ory's form.

    Args:
        status: The HTTP status.
        number: Ory's error id; empty where Kratos sends none.
        reason: Why, for people.
        message: What, for people; by default a sentence for the status.
        details: `error.details`.
        extra: What stands beside `error` at the top level.
        location: Where a browser goes instead of the error page.
    """

    def __init__(
        self,
        status: int,
        number: str = "",
        reason: str = "",
        *,
        message: str = "",
        details: dict[str, Any] | None = None,
        extra: dict[str, Any] | None = None,
        location: str | None = None,
    ) -> None:
        super().__init__(reason or message)
        self.status = status
        self.id = number
        self.reason = reason
        self.message: str = message or _MESSAGES[status]
        self.details = details
        self.extra: dict[str, Any] = extra or {}
        self.location = location

    def document(self) -> dict[str, Any]:
        """Return the `error` object."""
        body: dict[str, Any] = {"id": self.id} if self.id else {}
        body |= {"code": self.status, "status": _STATUS.get(self.status) or HTTPStatus(self.status).phrase}
        if self.reason:
            body["reason"] = self.reason
        if self.details:
            body["details"] = self.details
        return {**body, "message": self.message}

    def answer(self) -> Answer:
        """Return the JSON answer; its `Ory-Error-Id` is there even when it is empty."""
        body = {"error": self.document(), **self.extra}
        headers = {"content-type": "application/json", "ory-error-id": self.id}
        return Answer(self.status, _encoded(body), headers)


def _encoded(body: Any) -> bytes:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace") + b"\n"
