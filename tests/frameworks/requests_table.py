"""The requests that every framework has to answer in the same way, through applications with the same routes.

Routes: `/public`; `/me`, which requires a session and responds with the identity's id to GET and POST; `/vault`,
which requires aal2; POST `/logout`; `/defect`, which raises ValueError; the websocket `/ws`, which requires a
session, accepts and sends the identity's id.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
from support.asgi_calls import NAVIGATE, Application, SentResponse, call, websocket_scope

from ory_guard import GuardSettings, OryGuard
from ory_guard.testing import FakeKratos, Fault, SignedIn

APP = "http://127.0.0.1:8000"
OURS = (b"origin", APP.encode())
FOREIGN = (b"origin", b"https://evil.example")
LOGIN = b"http://127.0.0.1:4433/self-service/login/browser?return_to=http%3A%2F%2F127.0.0.1%3A8000%2Fme"


class World:
    """A fake Kratos with one user, and a guard for it."""

    def __init__(self) -> None:
        self.fake = FakeKratos()
        self.user: SignedIn = self.fake.sign_in(self.fake.add_identity())
        settings = GuardSettings(kratos_public_url="http://127.0.0.1:4433", app_url=APP)
        transport = httpx2.ASGITransport(app=self.fake.app)
        self.guard = OryGuard(settings, transport=transport, clock=self.fake.clock)

    @property
    def token(self) -> tuple[bytes, bytes]:
        """The header with the user's session token."""
        return (b"x-session-token", self.user.token.encode())

    @property
    def cookie(self) -> tuple[bytes, bytes]:
        """The header with the user's session cookie."""
        return (b"cookie", f"{self.user.cookie_name}={self.user.cookie}".encode())


@dataclass(frozen=True)
class Case:
    """A request and its expected response.

    Attributes:
        path: The path.
        status: The status of the response, also of a refused websocket.
        error: The `error.id` of the response.
        body: The body; `id` stands for the identity's id.
        method: The method.
        credential: `token`, `cookie` or nothing.
        headers: The other headers.
        outage: Whether Kratos fails.
        response_headers: Headers of the response.
    """

    path: str
    status: int
    error: str | None = None
    body: str | None = None
    method: str = "GET"
    credential: str | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    outage: bool = False
    response_headers: dict[bytes, bytes] = field(default_factory=dict)


UNAVAILABLE: Final[dict[str, Any]] = {
    "error": "session_check_unavailable",
    "outage": True,
    "response_headers": {b"retry-after": b"1"},
}
CASES = {
    "public": Case("/public", 200, body="public"),
    "defect": Case("/defect", 500, credential="token"),
    "API, anonymous": Case(
        "/me", 401, "session_inactive", response_headers={b"www-authenticate": b'Bearer realm="ory_guard"'}
    ),
    "API, token": Case("/me", 200, body="id", credential="token"),
    "API, invalid token": Case("/me", 401, "session_inactive", headers=((b"x-session-token", b"ory_st_unknown"),)),
    "API, aal2": Case("/vault", 403, "session_aal2_enrollment_required", credential="token"),
    "navigation, anonymous": Case("/me", 303, headers=(NAVIGATE,), response_headers={b"location": LOGIN}),
    "navigation, cookie": Case("/me", 200, body="id", credential="cookie", headers=(NAVIGATE,)),
    "POST, cookie": Case("/me", 200, body="id", method="POST", credential="cookie", headers=(OURS,)),
    "POST, cross-site": Case(
        "/me", 403, "security_csrf_violation", method="POST", credential="cookie", headers=(FOREIGN,)
    ),
    "POST, anonymous": Case("/me", 401, "session_inactive", method="POST"),
    "outage": Case("/me", 503, credential="token", **UNAVAILABLE),
    "logout, outage": Case("/logout", 503, method="POST", credential="token", **UNAVAILABLE),
    "logout, cross-site": Case(
        "/logout", 403, "security_csrf_violation", method="POST", credential="cookie", headers=(FOREIGN,)
    ),
    "logout": Case("/logout", 204, method="POST", credential="token"),
}
SOCKETS = {
    "token": Case("/ws", 200, body="id", credential="token"),
    "cookie": Case("/ws", 200, body="id", credential="cookie", headers=(OURS,)),
    "anonymous": Case("/ws", 401, "session_inactive"),
    "cookie, cross-site": Case("/ws", 403, "security_csrf_violation", credential="cookie", headers=(FOREIGN,)),
    "outage": Case("/ws", 503, credential="token", **UNAVAILABLE),
}


def headers_of(case: Case, world: World) -> list[tuple[bytes, bytes]]:
    """Return the headers of a request."""
    credential = [getattr(world, case.credential)] if case.credential else []
    return [(b"host", b"127.0.0.1:8000"), *credential, *case.headers]


async def check_request(app: Application, case: Case, world: World) -> SentResponse:
    """Send a request, and check the response."""
    if case.outage:
        world.fake.fail(Fault.server_error(), times=10)
    answered = await call(app, case.path, method=case.method, headers=headers_of(case, world))
    assert answered.status == case.status, answered.body[:300]
    if case.error is not None:
        assert answered.error_id == case.error
        assert answered.header(b"cache-control") == b"no-store"
    if case.body is not None:
        expected = world.user.session.identity.id if case.body == "id" else case.body
        assert answered.body.decode().strip('"') == expected
    for name, value in case.response_headers.items():
        assert answered.header(name) == value
    return answered


async def check_websocket(app: Application, case: Case, world: World, *, denial: bool) -> None:
    """Open a websocket, and check that it is accepted or refused."""
    if case.outage:
        world.fake.fail(Fault.server_error(), times=10)
    sent = await open_websocket(app, case.path, headers_of(case, world), denial=denial)
    if case.status == 200:
        assert sent[0]["type"] == "websocket.accept"
        assert sent[1]["text"] == world.user.session.identity.id
    elif denial:
        assert [message["type"] for message in sent] == [
            f"websocket.http.response.{part}" for part in ("start", "body")
        ]
        assert sent[0]["status"] == case.status
        assert str(case.error).encode() in sent[1]["body"]
    else:
        assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]


async def open_websocket(
    app: Application, path: str, headers: list[tuple[bytes, bytes]], *, denial: bool
) -> list[dict[str, Any]]:
    """Open a websocket, disconnect after a close or a message of the application, and return its messages."""
    sent: list[dict[str, Any]] = []
    has_connected, is_over = False, asyncio.Event()

    async def receive() -> dict[str, Any]:
        nonlocal has_connected
        if not has_connected:
            has_connected = True
            return {"type": "websocket.connect"}
        await is_over.wait()
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if message["type"] != "websocket.accept":
            is_over.set()

    scope = websocket_scope(path, headers=headers, denial=denial)
    scope["asgi"] = {"version": "3.0", "spec_version": "2.3"}
    await app(scope, receive, send)
    return sent
