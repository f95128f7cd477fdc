"""Signing out: at Kratos and here, with the one credential of the request, and by nobody else's page."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from asgi_calls import NAVIGATE, Answered, call
from guard_bench import BEARER, SESSION_COOKIE, SESSION_TOKEN, Bench, request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from stub_kratos import APP, COOKIE, STEP_UP, Asked, StubKratos, Told, guard_of, refused, signed_in

from ory_guard import Authenticated, OrySessionMiddleware, Rejected, Unavailable
from ory_guard.exceptions import (
    ConfigurationError,
    CsrfViolation,
    KratosProtocolError,
    KratosTimeout,
    KratosUnavailable,
)
from ory_guard.starlette import logout_response

pytestmark = pytest.mark.anyio

CLEARED = "ory_kratos_session=; Path=/; Max-Age=0"
LINK = "https://id.example.com/self-service/logout?token=ory_lo_x"
FLOW = Told(200, {"logout_url": LINK, "logout_token": "ory_lo_x"})
GONE = Told(204, b"", (("set-cookie", CLEARED),))


class Kratos:
    """Answers each of the addresses that have to do with signing out."""

    def __init__(self, whoami: Told | None = None, create: Told = FLOW, submit: Told = GONE) -> None:
        self.answers = {
            "/sessions/whoami": whoami or signed_in(),
            "/self-service/logout/browser": create,
            "/self-service/logout": submit,
            "/self-service/logout/api": Told(204, b""),
        }

    def __call__(self, asked: Asked) -> Told:
        """Answer."""
        return self.answers[urlsplit(asked.url).path]


def application(bench: Bench) -> Starlette:
    """Return an application with a route that signs out."""

    async def leave(request: Request) -> Response:
        return await logout_response(request, return_to=request.query_params.get("to"))

    return Starlette(
        routes=[Route("/logout", leave, methods=["GET", "POST"])],
        middleware=[Middleware(OrySessionMiddleware, guard=bench.guard)],
    )


async def leave(bench: Bench, *headers: tuple[bytes, bytes], method: str = "POST", query: bytes = b"") -> Answered:
    """Sign out."""
    return await call(application(bench), "/logout", method=method, headers=headers, query_string=query)


def paths(bench: Bench) -> list[str]:
    """Return what Kratos was asked."""
    return [f"{asked.method} {urlsplit(asked.url).path}" for asked in bench.kratos.asked]


async def test_a_browser_is_signed_out_and_sent_on() -> None:
    """With its own cookie, in two steps; the cleared cookie reaches it, and the session is forgotten."""
    bench = Bench(Kratos())

    answered = await leave(bench, SESSION_COOKIE, NAVIGATE, (b"sec-fetch-site", b"same-origin"), query=b"to=/bye")

    assert (answered.status, answered.header(b"location")) == (303, f"{APP}/bye".encode())
    assert answered.all(b"set-cookie")[0] == CLEARED.encode()
    assert answered.header(b"cache-control") == b"no-store"
    assert paths(bench) == [
        "GET /sessions/whoami",
        "GET /self-service/logout/browser",
        "GET /self-service/logout",
    ]
    assert {tuple(asked.credentials()) for asked in bench.kratos.asked} == {(("cookie", COOKIE.decode()),)}
    bench.kratos.answers = [refused(401)]
    assert not isinstance(await bench.outcome(SESSION_COOKIE), Authenticated)


async def test_a_cookie_that_was_issued_anew_does_not_survive_the_sign_out() -> None:
    """Kratos may issue one when it is asked whose session it is that ends, a moment before it is cleared."""
    bench = Bench(Kratos(signed_in().with_header("set-cookie", "ory_kratos_session=anew; Path=/")))

    cleared, *expired = (await leave(bench, SESSION_COOKIE)).all(b"set-cookie")
    assert cleared == CLEARED.encode()
    assert all(b"=; Max-Age=0; " in value for value in expired)


@pytest.mark.parametrize("asks", ["logout_url", "authenticate"])
async def test_a_page_that_may_show_what_is_its_readers_alone_is_kept_by_no_cache(asks: str) -> None:
    """A one-time link, or who is signed in."""
    guard = Bench(Kratos()).guard

    async def page(request: Request) -> Response:
        return Response(str(await getattr(guard, asks)(request)))

    app = Starlette(routes=[Route("/", page)], middleware=[Middleware(OrySessionMiddleware, guard=guard)])
    assert (await call(app, "/", headers=[SESSION_COOKIE])).header(b"cache-control") == b"private, no-store"


@pytest.mark.parametrize("credential", [SESSION_TOKEN, BEARER])
async def test_a_token_is_revoked(credential: tuple[bytes, bytes]) -> None:
    """An app gets 204; the token is what Kratos is told to revoke."""
    bench = Bench(Kratos())

    assert (await leave(bench, credential)).status == 204
    assert paths(bench) == ["GET /sessions/whoami", "DELETE /self-service/logout/api"]


async def test_who_is_not_signed_in_is_signed_out_already() -> None:
    """Nothing to do is no error: without a credential, and with one that Kratos no longer knows."""
    nobody, gone = Bench(Kratos()), Bench(Kratos(refused(401), create=refused(401)))

    assert (await leave(nobody)).status == 204
    assert paths(nobody) == []
    assert (await leave(gone, SESSION_COOKIE)).status == 204


async def test_who_lacks_the_second_factor_can_leave() -> None:
    """Kratos lets an aal1 session sign out."""
    bench = Bench(Kratos(STEP_UP))

    assert (await leave(bench, SESSION_COOKIE)).all(b"set-cookie")[0] == CLEARED.encode()
    asked = paths(bench).count("GET /sessions/whoami")
    await bench.outcome(SESSION_COOKIE)
    assert paths(bench).count("GET /sessions/whoami") == asked + 1


async def test_who_only_stands_in_for_a_session_signs_nobody_out() -> None:
    """In a test with `override` the request's own credential, if any, is left alone."""
    bench = Bench(Kratos())
    with bench.guard.override(None):
        assert await bench.guard.logout(request(SESSION_COOKIE, method="POST")) == ()

    assert paths(bench) == []


async def test_no_foreign_page_can_sign_somebody_out() -> None:
    """It is an unsafe request like any other, and a GET would be made by any page with an image."""
    bench = Bench(Kratos())

    answered = await leave(bench, SESSION_COOKIE, (b"sec-fetch-site", b"cross-site"))

    assert (answered.status, answered.error_id) == (403, "security_csrf_violation")
    with pytest.raises(ConfigurationError, match="give its route methods="):
        await leave(bench, SESSION_COOKIE, method="GET")
    scope = request(SESSION_COOKIE, (b"origin", b"https://evil.test"), method="POST")
    with pytest.raises(CsrfViolation):
        await bench.guard.logout(scope)
    assert await bench.guard.logout_url(scope) is None
    assert paths(bench) == ["GET /sessions/whoami"]  # of the GET


@pytest.mark.parametrize("return_to", [b"", b"to=https://evil.test/", b"to=//evil.test"])
async def test_a_foreign_address_to_go_to_is_not_taken(return_to: bytes) -> None:
    """The start page instead."""
    answered = await leave(Bench(Kratos()), SESSION_COOKIE, NAVIGATE, (b"origin", APP.encode()), query=return_to)

    assert (answered.status, answered.header(b"location")) == (303, APP.encode())


async def test_without_an_app_url_nobody_is_sent_on() -> None:
    """There is nowhere to send a browser to."""
    bench = Bench(Kratos(), app_url=None, credentials=("x_session_token",))

    assert (await leave(bench, SESSION_TOKEN, NAVIGATE)).status == 204


async def test_when_kratos_cannot_be_asked_nobody_is_signed_out() -> None:
    """And nobody is told otherwise."""
    bench = Bench(Kratos(create=refused(500)))

    assert (await leave(bench, SESSION_COOKIE)).status == 503
    with pytest.raises(KratosUnavailable):
        await bench.guard.logout(request(SESSION_COOKIE))


class LateKratos(StubKratos):
    """Answers who is there when the session still was, and delivers that once it is let."""

    def __init__(self, *answers: Any) -> None:
        super().__init__(*answers)
        self.delivers = asyncio.Event()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer."""
        answer = await super().handle_async_request(request)
        if request.url.path == "/sessions/whoami":
            await self.delivers.wait()
        return answer


async def test_no_answer_under_way_outlasts_the_sign_out() -> None:
    """Although the request that signs out could not find out whose session it ends."""
    kratos = LateKratos(Kratos(refused(500)))
    guard = guard_of(kratos)
    scope = request(SESSION_COOKIE, method="POST")
    kratos.delivers.set()
    assert isinstance(await guard.authenticate(scope), Unavailable)
    kratos.delivers.clear()
    kratos.answers = [Kratos()]
    asking = asyncio.ensure_future(guard.authenticate(request(SESSION_COOKIE)))
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(kratos.asked) == 2

    await guard.logout(scope)
    kratos.delivers.set()
    await asking
    kratos.answers = [refused(401)]

    assert await guard.authenticate(request(SESSION_COOKIE)) == Rejected("inactive", "cookie")


@pytest.mark.parametrize("credential", [SESSION_COOKIE, SESSION_TOKEN])
async def test_no_answer_that_is_kept_outlasts_the_sign_out(credential: tuple[bytes, bytes]) -> None:
    """Although only another request found out whose session it is that ends."""
    bench = Bench(Kratos(refused(500)))
    scope = request(credential, method="POST")
    assert isinstance(await bench.guard.authenticate(scope), Unavailable)
    bench.kratos.answers = [Kratos()]
    assert isinstance(await bench.outcome(credential), Authenticated)

    await bench.guard.logout(scope)
    bench.kratos.answers = [refused(401)]

    assert isinstance(await bench.outcome(credential), Rejected)


async def test_signing_out_waits_no_longer_than_the_guard_does() -> None:
    """`timeout` is for every question to Kratos."""
    bench = Bench(Kratos(), timeout=0.05)
    bench.kratos.hold()

    async with asyncio.timeout(30):
        with pytest.raises(KratosTimeout):
            await bench.guard.logout_url(request(SESSION_COOKIE))


@pytest.mark.parametrize("status", [400, 403, 404, 410, 418, 422])
@pytest.mark.parametrize("step", ["create", "submit"])
async def test_any_other_refusal_is_an_outage(step: Any, status: int) -> None:
    """It must not look like a logout, nor like a fault of the application: something stands before Kratos."""
    bench = Bench(Kratos(**{step: refused(status)}))

    assert (await leave(bench, SESSION_COOKIE)).status == 503
    with pytest.raises(KratosProtocolError, match=str(status)):
        await bench.guard.logout(request(SESSION_COOKIE))


async def test_a_page_can_link_to_kratos_own_logout() -> None:
    """The link is good once and for this browser; tokens and strangers have none."""
    bench = Bench(Kratos())

    assert await bench.guard.logout_url(request(SESSION_COOKIE), return_to=f"{APP}/bye") == LINK
    assert "return_to=https%3A%2F%2Fapp.example.com%2Fbye" in bench.kratos.asked[0].url
    assert await bench.guard.logout_url(request(SESSION_TOKEN)) is None
    assert await bench.guard.logout_url(request((b"accept", b"*/*"))) is None
    assert await bench.guard.logout_url(request((b"cookie", COOKIE + b"; ory_kratos_session=other"))) is None
    assert await Bench(Kratos(create=refused(401))).guard.logout_url(request(SESSION_COOKIE)) is None
    with pytest.raises(KratosProtocolError):
        await Bench(Kratos(create=refused(418))).guard.logout_url(request(SESSION_COOKIE))


async def test_a_transport_that_was_given_is_not_closed_with_the_client() -> None:
    """It is its maker's."""
    bench = Bench(Kratos())
    await bench.guard.logout_url(request(SESSION_COOKIE))
    assert bench.guard.client is bench.guard.client

    await bench.guard.aclose()

    assert bench.kratos.closed == 0
