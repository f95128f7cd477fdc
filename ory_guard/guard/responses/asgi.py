"""ASGI: type aliases, a complete response, and the JSON body of an error."""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any, Final

__all__ = ["ASGIApp", "ASGIResponse", "Message", "Receive", "Scope", "Send", "error_body"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]  # each framework has its own types of scopes and messages

_POLICY_VIOLATION: Final = 1008  # RFC 6455, section 7.4.1


class ASGIResponse:
    """An ASGI application that sends one complete response, to an http request or to a websocket handshake.

    Args:
        status_code: The HTTP status.
        headers: The headers, with names in lower case; `content-length` is added.
        body: The complete body.
        accepted: Whether the websocket was accepted before, so that it can only be closed.
    """

    def __init__(
        self, status_code: int, headers: list[tuple[bytes, bytes]], body: bytes, *, accepted: bool = False
    ) -> None:
        self.status_code = status_code
        length = [] if status_code == 204 else [(b"content-length", str(len(body)).encode())]  # RFC 9110, 8.6
        self.headers: list[tuple[bytes, bytes]] = [*headers, *length]
        self.body = body
        self._accepted = accepted

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the response; close the websocket if its server can't send a response to the handshake."""
        for message in self.messages(scope):
            await send(message)

    def messages(self, scope: Mapping[str, Any]) -> list[Message]:
        """Return the messages of the response."""
        if scope["type"] == "http":
            start = "http.response"
        elif not self._accepted and "websocket.http.response" in (scope.get("extensions") or {}):
            start = "websocket.http.response"
        else:
            return [{"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": ""}]
        body = b"" if scope.get("method") == "HEAD" else self.body
        return [
            {"type": f"{start}.start", "status": self.status_code, "headers": self.headers},
            {"type": f"{start}.body", "body": body},
        ]


def error_body(
    status_code: int,
    *,
    reason: str,
    error_id: str | None = None,
    message: str | None = None,
    details: dict[str, Any] | None = None,
    redirect_browser_to: str | None = None,
) -> bytes:
    """Return the JSON body of an error, in the format of Ory's APIs.

    Args:
        status_code: The HTTP status.
        reason: A sentence for the caller.
        error_id: A stable identifier of the error.
        message: A general description; `reason` by default.
        details: Facts about the error.
        redirect_browser_to: The URL to redirect the browser to.
    """
    is_standard = status_code in HTTPStatus.__members__.values()  # an application's refusal may have another one
    error: dict[str, Any] = {} if error_id is None else {"id": error_id}
    error |= {
        "code": status_code,
        "status": HTTPStatus(status_code).phrase if is_standard else "Error",
        "reason": reason,
        "message": message or reason,
    }
    if details is not None:
        error["details"] = details
    content: dict[str, Any] = {"error": error}
    if redirect_browser_to is not None:
        content["redirect_browser_to"] = redirect_browser_to
    return json.dumps(content, separators=(",", ":")).encode()
