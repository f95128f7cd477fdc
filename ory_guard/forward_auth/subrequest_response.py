"""The response to a sub-request, in the form that reverse proxies can use."""

from collections.abc import Awaitable
from typing import Final

from ory_guard.guard.responses.asgi import Message, Send
from ory_guard.models.credential import Header

__all__ = ["proxy_send"]

_COOKIE_COPY: Final = b"x-set-cookie-%d"


def proxy_send(send: Send, *, for_nginx: bool) -> Send:
    """Return a `send` that changes the guard's response to the client into a response to the proxy.

    nginx and Caddy read only one value of a header, so each `Set-Cookie` is also sent as `X-Set-Cookie-1` and so
    on, unless the proxy forwards the response to the browser: scripts could read the cookie there.

    Args:
        send: The `send` of the server.
        for_nginx: Whether a 303 becomes a 401 with the same `Location`.
    """

    def send_to_proxy(message: Message) -> Awaitable[None]:
        kind: str = message["type"].removeprefix("websocket.")  # the sub-request is never a websocket itself
        if kind != "http.response.start":
            return send({**message, "type": kind})
        status: int = message["status"]
        headers: list[Header] = message["headers"]
        if status == 200 or for_nginx:
            cookies = [value for name, value in headers if name == b"set-cookie"]
            headers = [*headers, *((_COOKIE_COPY % number, value) for number, value in enumerate(cookies, 1))]
        if for_nginx and status == 303:
            status = 401
        return send({"type": kind, "status": status, "headers": headers})

    return send_to_proxy
