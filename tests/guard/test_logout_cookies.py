"""Logout with two session cookies, and with a session token in a cookie of the application."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cookie_pair_bench import NAMES, scope_of
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from support.asgi_calls import SentResponse, call
from support.guard_bench import Pair, guard_of
from support.scripted_kratos import (
    KratosRequest,
    KratosResponse,
    ScriptedKratos,
    refused,
    session_body,
    signed_in,
)

from ory_guard import OryGuard, OrySessionMiddleware
from ory_guard.exceptions import KratosProtocolError
from ory_guard.starlette import logout_response

pytestmark = pytest.mark.anyio

LINK = "https://id.example.com/self-service/logout?token="
CREATE, SUBMIT, NATIVE = "/self-service/logout/browser", "/self-service/logout", "/self-service/logout/api"
CROSS_SITE = (b"sec-fetch-site", b"cross-site")


class Kratos:
    """Knows sessions by the value of their credential, and ends them.

    Attributes:
        sessions: Session ids by cookie or token.
        ended: How each session was ended.
        responses: Responses that replace its own, by path.
    """

    def __init__(self, **sessions: str) -> None:
        self.sessions = sessions
        self.ended: list[str] = []
        self.responses: dict[str, KratosResponse] = {}
        self.transport = ScriptedKratos(self)

    def __call__(self, request: KratosRequest) -> KratosResponse:
        """Handle one request."""
        url = urlsplit(request.url)
        if url.path in self.responses:
            return self.responses[url.path]
        if url.path == NATIVE:
            self.ended.append("native")
            return KratosResponse(204, b"")
        ((_, credential),) = request.credentials()
        session_id = self.sessions.get(credential.rpartition("=")[2])
        if session_id is None:
            return refused(401)
        if url.path == "/sessions/whoami":
            return signed_in(session_body(id=session_id))
        if url.path == CREATE:
            assert credential.startswith("s="), "a logout flow needs a cookie of Kratos"
            return KratosResponse(200, {"logout_url": LINK + session_id, "logout_token": session_id})
        assert parse_qs(url.query) == {"token": [session_id]}
        self.ended.append(session_id)
        return KratosResponse(204, b"")


def application(guard: OryGuard) -> Starlette:
    """Return an application with a logout route."""

    async def leave(request: Request) -> Response:
        return await logout_response(request)

    routes = [Route("/logout", leave, methods=["POST"])]
    return Starlette(routes=routes, middleware=[Middleware(OrySessionMiddleware, guard=guard)])


async def leave(kratos: Kratos, cookies: bytes, *headers: Pair, **settings: Any) -> SentResponse:
    """Log out at Kratos."""
    app = application(guard_of(kratos.transport, **{**NAMES, **settings}))
    return await call(app, "/logout", method="POST", headers=[(b"cookie", cookies), *headers])


def expired(response: SentResponse) -> list[str]:
    """Return the names of the expired cookies, once for each domain."""
    return [value.partition(b"=")[0].decode() for value in response.all(b"set-cookie")]


@pytest.mark.parametrize(
    ("cookies", "ended", "names"),
    [
        (b"token=a", ["native"], ["token"]),
        (b'token="a"', ["native"], ["token"]),
        (b"token=a; token=b", ["native", "native"], ["token"]),
        (b"s=a; token=b", ["id-a", "native"], ["s", "token"]),
        (b"s=a; s=gone", ["id-a"], ["s"]),
        (b"s=gone; token=b", ["native"], ["s", "token"]),
        (b's=a; s="', ["id-a"], ["s"]),
        (b"s=gone; s=gone-too", [], ["s"]),
    ],
)
@pytest.mark.parametrize("cache_ttl", [30, 0])
async def test_logout_ends_the_session_of_each_cookie(
    cookies: bytes, ended: list[str], names: list[str], cache_ttl: float
) -> None:
    """A token natively. The cookies are expired, with and without a domain; a malformed one has no session."""
    kratos = Kratos(a="id-a", b="id-b")

    response = await leave(kratos, cookies, cache_ttl=cache_ttl)

    assert (response.status, kratos.ended) == (204, ended)
    assert expired(response) == [name for name in names for _ in range(3)]


@pytest.mark.parametrize(
    ("app_url", "name", "expected"),
    [
        ("https://localhost", "token", b"token=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"),
        ("http://localhost:8000/app", "token", b"token=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"),
        ("https://app.example.com", "__Host-t", b"__Host-t=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"),
    ],
)
async def test_attributes_of_an_expired_cookie_with_a_token(app_url: str, name: str, expected: bytes) -> None:
    response = await leave(Kratos(a="id-a"), f"{name}=a".encode(), app_url=app_url, token_cookie_names=(name,))

    assert response.all(b"set-cookie") == [expected]


async def test_set_cookie_of_a_native_logout_is_not_forwarded() -> None:
    kratos = Kratos(a="id-a")
    kratos.responses[NATIVE] = KratosResponse(204, b"").with_header("set-cookie", "s=other; Path=/")

    response = await leave(kratos, b"token=a", app_url="https://localhost")

    assert response.all(b"set-cookie") == [b"token=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"]


async def test_unknown_token_in_a_cookie_is_a_logout() -> None:
    """Kratos responds with 403 to an unknown token, and with 401 to an unknown cookie."""
    kratos = Kratos()
    kratos.responses[NATIVE] = refused(403)

    response = await leave(kratos, b"token=unknown")

    assert (response.status, expired(response)) == (204, ["token"] * 3)


@pytest.mark.parametrize("answer", [refused(500), refused(401), refused(403, "x"), refused(404)])
async def test_failed_logout_of_a_token_does_not_expire_its_cookie(answer: KratosResponse) -> None:
    kratos = Kratos(a="id-a")
    kratos.responses[NATIVE] = answer

    response = await leave(kratos, b"token=a")

    assert (response.status, response.all(b"set-cookie")) == (503, [])


@pytest.mark.parametrize("cookies", [b"token=a", b"token=a; s=b", b's="; token=a', b"token=a; token=b; token=c"])
async def test_cross_site_logout_is_refused(cookies: bytes) -> None:
    kratos = Kratos(a="id-a", b="id-b")

    response = await leave(kratos, cookies, CROSS_SITE)

    assert (response.status, response.error_id) == (403, "security_csrf_violation")
    assert (kratos.ended, kratos.transport.requests) == ([], [])


async def test_logout_of_a_token_forgets_the_session() -> None:
    kratos = Kratos(a="id-a")
    guard = guard_of(kratos.transport, **NAMES)
    scope = scope_of(b"token=a")
    await guard.require(scope)
    del kratos.sessions["a"]

    await guard.logout(scope)

    assert (
        repr(await guard.authenticate(scope_of(b"token=a"))) == "Rejected(reason='inactive', credential='cookie')"
    )


@pytest.mark.parametrize(
    ("cookies", "expected"),
    [
        (b"s=a; s=gone", "id-a"),
        (b"s=gone; s=a", "id-a"),
        (b's="; s=a', "id-a"),
        (b"token=a; s=b", "id-b"),
        (b"s=a; s=b", "id-a"),
        (b"s=gone; s=gone-too", None),
        (b"token=a", None),
        (b"token=a; token=b", None),
        (b"s=a; s=b; s=c", None),
    ],
)
async def test_logout_url_is_that_of_a_cookie_that_kratos_knows(cookies: bytes, expected: str | None) -> None:
    """There is none for a token, because Kratos creates a logout flow only for its own cookie."""
    guard = guard_of(Kratos(a="id-a", b="id-b").transport, **NAMES)

    assert await guard.logout_url(scope_of(cookies)) == (expected and LINK + expected)


async def test_failure_of_one_logout_url_is_an_error() -> None:
    kratos = Kratos(a="id-a")
    kratos.responses[CREATE] = refused(418)

    with pytest.raises(KratosProtocolError):
        await guard_of(kratos.transport, **NAMES).logout_url(scope_of(b"s=a; s=b"))
