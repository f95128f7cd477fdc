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

__all__ = ["ResponseContext", "send_after_return"]

_CREDENTIAL_HEADERS: Final = (b"Cookie", b"Authorization", b"X-Session-Token")
_NO_STORE: Final = (b"cache-control", b"private, no-store")


class ResponseContext(AuthContext):
    """The auth context of a request whose response passes through the middleware.

    Attributes:
        server_send: The `send` of the server, until the application returns.
    """

    __slots__ = ("server_send",)

    server_send: Send

    def send(self, message: Message) -> Awaitable[None]:
        """Send a message of the application.

        A method that returns the awaitable of the server's `send`, because it runs for every message.
        """
        if self.response_started or self.websocket_accepted:
            return self.server_send(message)
        kind = message["type"]
        if kind == "http.response.start" or kind == "websocket.http.response.start":  # noqa: PLR1714 - faster
            if self.is_private:
                if self.refusal is not None and message["status"] == 500 and kind == "http.response.start":
                    return self._hold(message)
                message = _finalize_headers(self, message)
            self.response_started = True
        elif self.held and kind == "http.response.body":
            return self._hold_body(message)
        elif kind == "websocket.accept":
            self.websocket_accepted = True
            if self.set_cookies:
                headers = [*message.get("headers", ()), *_set_cookie_headers(self.set_cookies)]
                message = {**message, "headers": headers}
        return self.server_send(message)

    def take_held_refusal(self) -> Refusal | None:
        """Return the refusal that a held 500 response was made of, or None without a held response."""
        # Remove it from the context, because its traceback refers to the scope.
        refusal, self.refusal = self.refusal, None
        return refusal if self.held else None

    async def send_held_messages(self) -> None:
        """Send the held messages: the response is not made of a refusal."""
        held, self.held = self.held, ()
        for message in held:
            is_start, self.response_started = not self.response_started, True
            await self.server_send(_finalize_headers(self, message) if is_start and self.is_private else message)

    async def _hold(self, message: Message) -> None:
        self.held = (*self.held, message)

    async def _hold_body(self, message: Message) -> None:
        await self._hold(message)
        if message.get("more_body"):  # a streamed response is not made of a refusal
            await self.send_held_messages()


async def send_after_return(message: Message) -> None:
    """Reject a message that the application sends after it has returned.

    Raises:
        RuntimeError: Always.
    """
    raise RuntimeError(f"the application has sent {message['type']!r} after it has returned")


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
