"""The `send` of the application behind the middleware.

It adds cookies and caching headers to responses that depend on the credential. If a framework turns a refusal into
a 500 or closes the websocket, the response to the refusal is sent instead.
"""

from collections.abc import Awaitable, Iterable
from typing import Final

from ory_guard.exceptions import Refusal
from ory_guard.guard.context import AuthContext
from ory_guard.guard.not_awaited import NOT_AWAITED, not_awaited_error
from ory_guard.guard.responses.asgi import Message, Send
from ory_guard.guard.responses.redirect_loop import clear_redirect_counter, has_redirect_counter
from ory_guard.models.credential import Header
from ory_guard.models.outcomes import Anonymous

__all__ = ["ResponseContext", "send_after_return"]

_CREDENTIAL_HEADERS: Final = (b"Cookie", b"Authorization", b"X-Session-Token")
_NO_STORE: Final = (b"cache-control", b"private, no-store")
_MAX_HELD_BYTES: Final = 1024 * 1024


class ResponseContext(AuthContext):
    """The auth context of a request whose response passes through the middleware.

    Attributes:
        server_send: The `send` of the server, until the application returns.
        held_bytes: The size of the held body; set only with held messages.
        denial: The messages that refuse the websocket; set only with a refusal.
    """

    __slots__ = ("denial", "held_bytes", "server_send")

    server_send: Send
    held_bytes: int
    denial: list[Message]

    def send(self, message: Message) -> Awaitable[None]:
        """Send a message of the application.

        A method that returns the awaitable of the server's `send`, because it runs for every message.
        """
        if self.response_started or self.websocket_accepted:
            return self.server_send(message)
        kind = message["type"]
        if kind == "http.response.start" or kind == "websocket.http.response.start":  # noqa: PLR1714 - faster
            if self.is_private:
                if self.refusal is not None and self._replaces(message["status"]):
                    return self._hold(message) if kind == "http.response.start" else self._refuse_handshake()
                message = _finalize_headers(self, message)
            self.response_started = True
        elif self.held:  # the body, also as a file, and trailers
            return self._hold(message)
        elif kind == "websocket.close":
            if self.refusal not in (None, NOT_AWAITED) and not self.granted:
                return self._refuse_handshake()
        elif kind == "websocket.accept":
            message = self._accept(message)
        return self.server_send(message)

    def _accept(self, message: Message) -> Message:
        if self.refusal is NOT_AWAITED:
            raise not_awaited_error()
        self.websocket_accepted = True
        if not self.set_cookies:
            return message
        return {**message, "headers": [*message.get("headers", ()), *_set_cookie_headers(self.set_cookies)]}

    def _replaces(self, status: int) -> bool:
        """Return whether the response to the refusal replaces one with this status.

        Raises:
            ConfigurationError: If a call of the guard is not awaited.
        """
        if self.refusal is NOT_AWAITED:
            if status < 500:  # not the one to this error
                raise not_awaited_error()
            return False
        return bool(self.held) or (status == 500 and not self.granted)

    def held_refusal(self) -> Refusal | None:
        """Return the refusal that a held 500 response was made of, or None without a held response."""
        return self.refusal if self.held else None

    @property
    def has_refused(self) -> bool:
        """Whether a websocket was refused in place of the application, whose messages are discarded."""
        return self.server_send is _discard

    async def send_held_messages(self) -> None:
        """Send the held messages: the response is made of another error than the refusal."""
        held, self.held, self.refusal = self.held, (), None
        if held and self.held_bytes <= _MAX_HELD_BYTES:
            for message in held:
                await self.send(message)

    def _hold(self, message: Message) -> Awaitable[None]:
        # Until the application returns, because Starlette raises the error after it has sent the 500.
        self.held_bytes = (self.held_bytes if self.held else 0) + len(message.get("body", b""))
        if self.held_bytes <= _MAX_HELD_BYTES:
            self.held = (*self.held, message)
        return _discard(message)

    async def _refuse_handshake(self) -> None:
        # At once, because applications wait for the disconnection after they have closed a websocket.
        self.refusal = None
        for message in self.denial:
            await self.send(message)
        self.response_started, self.server_send = True, _discard


async def _discard(_message: Message) -> None:
    """Discard a message of the application: it is held, or its websocket was refused already."""


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
