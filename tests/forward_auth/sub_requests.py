"""Sub-requests of a reverse proxy, and a `ForwardAuth` on a scripted Kratos."""

from collections.abc import Iterable
from typing import Any

from support.asgi_calls import SentResponse, call
from support.guard_bench import SESSION_COOKIE, Bench
from support.scripted_kratos import APP

from ory_guard import Requirement
from ory_guard.forward_auth import ForwardAuth

Pair = tuple[bytes, bytes]

HOST = APP.removeprefix("https://")
SECRET = "5e1f0c1e2f0b4d0e9a550f6d8d1c7a01"
UNIX = ("/run/ory-guard.sock", None)
TCP = ("127.0.0.1", 4456)
SIGNED_IN = SESSION_COOKIE
NAVIGATION = (b"sec-fetch-mode", b"navigate")

ROUTES = {
    "/": None,
    "/public/*": None,
    "/public/private/*": Requirement(),
    "/admin/*": Requirement(aal="aal2"),
    "/café": None,
}


def forwarded(
    uri: str | bytes = "/page", method: str | bytes = "GET", host: str | bytes = HOST, family: str = "forwarded"
) -> list[Pair]:
    """Return the headers of a proxy that describe the client's request."""
    values = {"method": method, "uri": uri, "host": host}
    return [
        (f"x-{family}-{name}".encode(), value if isinstance(value, bytes) else value.encode("latin-1"))
        for name, value in values.items()
    ]


def without(headers: Iterable[Pair], name: bytes) -> list[Pair]:
    """Return the headers except for one."""
    return [header for header in headers if header[0] != name]


def changed(name: bytes, value: bytes) -> list[Pair]:
    """Return the headers of a proxy with another value of one."""
    return [*without(forwarded(), name), (name, value)]


class ForwardBench(Bench):
    """A `ForwardAuth` with `ROUTES` on a scripted Kratos, which accepts every credential by default.

    Args:
        responses: The responses of Kratos.
        app: The arguments of `ForwardAuth`.
        settings: The settings of the guard.
    """

    def __init__(self, *responses: Any, app: dict[str, Any] | None = None, **settings: Any) -> None:
        super().__init__(*responses, **settings)
        self.app = ForwardAuth(self.guard, **{"routes": ROUTES, **(app or {})})

    async def ask(
        self, headers: Iterable[Pair] | None = None, *more: Pair, server: Any = UNIX, **scope: Any
    ) -> SentResponse:
        """Send a sub-request through a Unix socket, and return the response."""
        sent = [*(forwarded() if headers is None else headers), *more]
        return await call(self.app, "/", headers=sent, server=server, client=None, **scope)
