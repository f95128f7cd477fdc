"""The `send` of the application behind the middleware.

It adds cookies and caching headers to responses that depend on the credential, and holds back 500 responses that
may have been made of a refusal.
"""

from collections.abc import Awaitable, Iterable
from typing import Final

from ory_guard.exceptions import Refusal
from ory_guard.guard.context import AuthContext
from ory_guard.guard.responses.asgi import Message, Send
from ory_guard.guard.responses.redirect_loop import clear_redirect_counter, has_redirect_counter
from ory_guard.models.credential import Header
from ory_guard.models.outcomes import Anonymous

__all__ = ["send_held_messages", "send_with_headers", "take_held_refusal"]

_CREDENTIAL_HEADERS: Final = (b"Cookie", b"Authorization", b"X-Session-Token")
_NO_STORE: Final = (b"cache-control", b"private, no-store")


def send_with_headers(context: AuthContext, send: Send, message: Message) -> Awaitable[None]:
    """Send a message of the application.

    A plain function that returns the awaitable of the server's `send`, because it runs for every message.

    Args:
        context: The auth context of the request, which records the progress of the response.
        send: The `send` of the server.
        message: The message.
    """
    kind = message["type"]
    if kind == "http.response.body":
        return _hold_body(context, message, send) if context.held else send(message)
    if kind in ("http.response.start", "websocket.http.response.start"):
        if context.is_private:
            if context.refusal is not None and message["status"] == 500 and kind == "http.response.start":
                return _hold(context, message)
            message = _finalize_headers(context, message)
        context.response_started = True
    elif kind == "websocket.accept":
        context.websocket_accepted = True
        if context.set_cookies:
            headers = [*message.get("headers", ()), *_set_cookie_headers(context.set_cookies)]
            message = {**message, "headers": headers}
    return send(message)


def take_held_refusal(context: AuthContext) -> Refusal | None:
    """Return the refusal that a held 500 response was made of, or None without a held response."""
    # Remove it from the context, because its traceback refers to the scope.
    refusal, context.refusal = context.refusal, None
    return refusal if context.held else None


async def send_held_messages(context: AuthContext, send: Send) -> None:
    """Send the held messages: the response is not made of a refusal."""
    held, context.held = context.held, ()
    for message in held:
        is_start, context.response_started = not context.response_started, True
        await send(_finalize_headers(context, message) if is_start and context.is_private else message)


async def _hold(context: AuthContext, message: Message) -> None:
    context.held = (*context.held, message)


async def _hold_body(context: AuthContext, message: Message, send: Send) -> None:
    await _hold(context, message)
    if message.get("more_body"):  # a streamed response is not made of a refusal
        await send_held_messages(context, send)


def _finalize_headers(context: AuthContext, message: Message) -> Message:
    # Copy the message: an application may send the same one to several clients.
    headers = list(message.get("headers", ()))
    if context.set_cookies:
        # A shared cache that stored this response would pass one user's session to another.
        headers = [header for header in headers if header[0].lower() != b"cache-control"]
        headers += [*_set_cookie_headers(context.set_cookies), _NO_STORE]
    else:
        for name, value in headers:
            if len(name) == 13 and name.lower() == b"cache-control":  # most names differ in length
                if b"no-store" not in value:
                    headers = _with_vary(headers)
                break
        else:
            if type(context.outcome) is Anonymous:
                headers = _with_vary(headers)
            else:
                headers.append(_NO_STORE)
    if context.granted and not context.denied and has_redirect_counter(context.credential_headers):
        headers.append((b"set-cookie", clear_redirect_counter(context.guard.settings)))
    return {**message, "headers": headers}


def _with_vary(headers: list[Header]) -> list[Header]:
    # A shared cache must not use the response for a request with a credential (RFC 9111, section 4.1).
    values = [value for name, value in headers if name.lower() == b"vary"]
    listed = [name.strip() for value in values for name in value.split(b",") if name.strip()]
    if b"*" in listed:
        return headers
    lowered = {name.lower() for name in listed}
    names = [*listed, *(name for name in _CREDENTIAL_HEADERS if name.lower() not in lowered)]
    return [*(header for header in headers if header[0].lower() != b"vary"), (b"vary", b", ".join(names))]


def _set_cookie_headers(values: Iterable[bytes]) -> list[Header]:
    return [(b"set-cookie", value) for value in values]
