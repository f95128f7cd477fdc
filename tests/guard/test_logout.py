"""Logout: at Kratos and in the cache, and the response of `logout_response`."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from support.asgi_calls import NAVIGATE, SentResponse, call
from support.guard_bench import BEARER, SESSION_COOKIE, SESSION_TOKEN, Bench, by, guard_of, request
from support.memory_store import eventually
from support.scripted_kratos import (
    APP,
    COOKIE,
    STEP_UP,
    KratosRequest,
    KratosResponse,
    ScriptedKratos,
    refused,
    session_body,
    signed_in,
)

from ory_guard import Authenticated, OrySessionMiddleware, Rejected, Unavailable
from ory_guard.exceptions import (
    ConfigurationError,
    CsrfViolation,
    KratosProtocolError,
    KratosTimeout,
)
from ory_guard.kratos.caller import UNKNOWN, Caller, current_caller
from ory_guard.starlette import logout_response

pytestmark = pytest.mark.anyio

CLEARED = "ory_kratos_session=; Path=/; Max-Age=0"
LINK = "https://id.example.com/self-service/logout?token=ory_lo_x"
FLOW = KratosResponse(200, {"logout_url": LINK, "logout_token": "ory_lo_x"})
GONE = KratosResponse(204, b"", (("set-cookie", CLEARED),))


class Kratos:
    """Responds to whoami and to the operations of a logout."""

    def __init__(
        self, whoami: KratosResponse | None = None, create: KratosResponse = FLOW, submit: KratosResponse = GONE
    ) -> None:
        self.answers = {
            "/sessions/whoami": whoami or signed_in(),
            "/self-service/logout/browser": create,
            "/self-service/logout": submit,
            "/self-service/logout/api": KratosResponse(204, b""),
        }

    def __call__(self, asked: KratosRequest) -> KratosResponse:
        """Handle one request."""
        return self.answers[urlsplit(asked.url).path]


def application(bench: Bench) -> Starlette:
    """Return an application with a logout route."""

    async def leave(request: Request) -> Response:
        return await logout_response(request, return_to=request.query_params.get("to"))

    return Starlette(
        routes=[Route("/logout", leave, methods=["GET", "POST"])],
        middleware=[Middleware(OrySessionMiddleware, guard=bench.guard)],
    )


async def leave(
    bench: Bench, *headers: tuple[bytes, bytes], method: str = "POST", query: bytes = b""
) -> SentResponse:
    """Log out."""
    return await call(application(bench), "/logout", method=method, headers=headers, query_string=query)


def paths(bench: Bench) -> list[str]:
    """Return method and path of each request that Kratos received."""
    return [f"{asked.method} {urlsplit(asked.url).path}" for asked in bench.kratos.requests]


async def test_form_is_redirected_after_the_logout() -> None:
    """The logout takes two calls with the session cookie; Kratos' `Set-Cookie` is forwarded."""
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
    assert {tuple(asked.credentials()) for asked in bench.kratos.requests} == {(("cookie", COOKIE.decode()),)}
    bench.kratos.responses = [refused(401)]
    assert not isinstance(await bench.outcome(SESSION_COOKIE), Authenticated)


async def test_renewed_cookie_is_not_sent() -> None:
    """It would replace the cookie that Kratos clears in the same response."""
    bench = Bench(Kratos(signed_in().with_header("set-cookie", "ory_kratos_session=anew; Path=/")))

    cleared, *expired = (await leave(bench, SESSION_COOKIE)).all(b"set-cookie")
    assert cleared == CLEARED.encode()
    assert all(b"=; Max-Age=0; " in value for value in expired)


@pytest.mark.parametrize("asks", ["logout_url", "authenticate"])
async def test_page_with_private_data_is_not_cached(asks: str) -> None:
    """The page shows a one-time URL, or the session."""
    guard = Bench(Kratos()).guard

    async def page(request: Request) -> Response:
        return Response(str(await getattr(guard, asks)(request)))

    app = Starlette(routes=[Route("/", page)], middleware=[Middleware(OrySessionMiddleware, guard=guard)])
    assert (await call(app, "/", headers=[SESSION_COOKIE])).header(b"cache-control") == b"private, no-store"


@pytest.mark.parametrize("credential", [SESSION_TOKEN, BEARER])
async def test_token_is_revoked(credential: tuple[bytes, bytes]) -> None:
    """With one call to the native logout."""
    bench = Bench(Kratos())

    assert (await leave(bench, credential)).status == 204
    assert paths(bench) == ["GET /sessions/whoami", "DELETE /self-service/logout/api"]


async def test_logout_without_a_session_succeeds() -> None:
    bench = Bench(Kratos())

    assert (await leave(bench)).status == 204
    assert paths(bench) == []


async def test_session_without_its_second_factor_can_be_ended() -> None:
    """Kratos accepts the logout of an aal1 session."""
    bench = Bench(Kratos(STEP_UP))

    assert (await leave(bench, SESSION_COOKIE)).all(b"set-cookie")[0] == CLEARED.encode()
    asked = paths(bench).count("GET /sessions/whoami")
    await bench.outcome(SESSION_COOKIE)
    assert paths(bench).count("GET /sessions/whoami") == asked + 1


async def test_override_is_not_logged_out() -> None:
    """Within `override` the credential of the request does not count."""
    bench = Bench(Kratos())
    with bench.guard.override(None):
        assert await bench.guard.logout(request(SESSION_COOKIE, method="POST")) == ()

    assert paths(bench) == []


async def test_cross_site_logout_is_refused() -> None:
    """A GET is not accepted at all, because any page can cause one with an image."""
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
async def test_return_to_of_another_site_is_ignored(return_to: bytes) -> None:
    """The browser is redirected to the start page."""
    answered = await leave(Bench(Kratos()), SESSION_COOKIE, NAVIGATE, (b"origin", APP.encode()), query=return_to)

    assert (answered.status, answered.header(b"location")) == (303, APP.encode())


async def test_form_is_not_redirected_without_app_url() -> None:
    """The URL of the application is unknown."""
    bench = Bench(Kratos(), app_url=None, credentials=("x_session_token",))

    assert (await leave(bench, SESSION_TOKEN, NAVIGATE)).status == 204


def _by_cookie(asked: KratosRequest) -> KratosResponse:
    """Respond to a logout, and to whoami with 401 for a guessed cookie or token."""
    path = urlsplit(asked.url).path
    is_guess = "guess" in asked.credentials()[0][1]
    if path != "/sessions/whoami":
        return refused(401) if is_guess else Kratos()(asked)
    return refused(401) if is_guess else signed_in(session_body(id=asked.credentials()[0][1]))


class LateKratos(ScriptedKratos):
    """Responds to whoami only when `delivers` is set."""

    def __init__(self, *answers: Any) -> None:
        super().__init__(*answers)
        self.delivers = asyncio.Event()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Respond like Kratos."""
        answer = await super().handle_async_request(request)
        if request.url.path == "/sessions/whoami":
            await self.delivers.wait()
        return answer


async def test_running_check_does_not_outlast_the_logout() -> None:
    """Even if the request that logs out could not be authenticated."""
    kratos = LateKratos(Kratos(refused(500)))
    guard = guard_of(kratos)
    scope = request(SESSION_COOKIE, method="POST")
    kratos.delivers.set()
    assert isinstance(await guard.authenticate(scope), Unavailable)
    kratos.delivers.clear()
    kratos.responses = [Kratos()]
    asking = asyncio.ensure_future(guard.authenticate(request(SESSION_COOKIE)))
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(kratos.requests) == 2

    await guard.logout(scope)
    kratos.responses = [refused(401)]
    kratos.delivers.set()

    assert await asking == Rejected("inactive", "cookie")
    assert await guard.authenticate(request(SESSION_COOKIE)) == Rejected("inactive", "cookie")


async def test_logouts_with_unknown_cookies_record_nothing() -> None:
    """The session of another user and the rejection of the cookie stay cached."""
    calls = 20
    bench = Bench(_by_cookie)
    await bench.outcome(SESSION_COOKIE)
    for number in range(calls):
        guess = (b"cookie", b"ory_kratos_session=guess-%d" % number)
        assert await bench.guard.logout(request(guess, method="POST"))
        assert await bench.outcome(guess) == Rejected("inactive", "cookie")

    assert by(await bench.outcome(SESSION_COOKIE))[0] == "cache"
    assert bench.calls == 1 + 2 * calls
    revocations = bench.guard.authentication.cache.revocations
    assert (len(revocations), revocations.last_invalidation) == (0, float("-inf"))


async def test_logout_concerns_no_other_session() -> None:
    """A running check for another session is joined and cached."""
    other = (b"cookie", b"ory_kratos_session=other")
    kratos = LateKratos(_by_cookie)
    guard = guard_of(kratos)
    kratos.delivers.set()
    scope = request(SESSION_COOKIE, method="POST")
    assert isinstance(await guard.authenticate(scope), Authenticated)
    kratos.delivers.clear()
    running = asyncio.ensure_future(guard.authenticate(request(other)))
    await eventually(lambda: len(kratos.requests) == 2)

    await guard.logout(scope)
    joined = asyncio.ensure_future(guard.authenticate(request(other)))
    await eventually(lambda: guard.stats().shared == 1)
    kratos.delivers.set()

    assert by(await running)[0] == by(await joined)[0] == "upstream"
    assert by(await guard.authenticate(request(other)))[0] == "cache"


@pytest.mark.parametrize("credential", [SESSION_COOKIE, SESSION_TOKEN])
async def test_cached_session_does_not_outlast_the_logout(credential: tuple[bytes, bytes]) -> None:
    """Even if only another request was authenticated."""
    bench = Bench(Kratos(refused(500)))
    scope = request(credential, method="POST")
    assert isinstance(await bench.guard.authenticate(scope), Unavailable)
    bench.kratos.responses = [Kratos()]
    assert isinstance(await bench.outcome(credential), Authenticated)

    await bench.guard.logout(scope)
    bench.kratos.responses = [refused(401)]

    assert isinstance(await bench.outcome(credential), Rejected)


async def test_logout_has_the_timeout_of_the_guard() -> None:
    """`timeout` applies to each call to Kratos."""
    bench = Bench(Kratos(), timeout=0.05)
    bench.kratos.hold()

    async with asyncio.timeout(30):
        with pytest.raises(KratosTimeout):
            await bench.guard.logout_url(request(SESSION_COOKIE))


@pytest.mark.parametrize("status", [400, 403, 404, 410, 418, 422])
@pytest.mark.parametrize("step", ["create", "submit"])
async def test_any_other_client_error_is_a_503(step: Any, status: int) -> None:
    """It is neither a logout nor an error of the application: the response may come from a proxy."""
    bench = Bench(Kratos(**{step: refused(status)}))

    assert (await leave(bench, SESSION_COOKIE)).status == 503
    with pytest.raises(KratosProtocolError, match=str(status)):
        await bench.guard.logout(request(SESSION_COOKIE))


async def test_logout_url_returns_a_one_time_url() -> None:
    """Only for a session cookie that Kratos knows."""
    bench = Bench(Kratos())

    assert await bench.guard.logout_url(request(SESSION_COOKIE), return_to=f"{APP}/bye") == LINK
    assert "return_to=https%3A%2F%2Fapp.example.com%2Fbye" in bench.kratos.requests[0].url
    assert await bench.guard.logout_url(request(SESSION_TOKEN)) is None
    assert await bench.guard.logout_url(request((b"accept", b"*/*"))) is None
    three = COOKIE + b"; ory_kratos_session=b; ory_kratos_session=c"
    assert await bench.guard.logout_url(request((b"cookie", three))) is None
    assert await bench.guard.logout_url(request((b"cookie", b"ory_kratos_session=,"))) is None
    assert await Bench(Kratos(create=refused(401))).guard.logout_url(request(SESSION_COOKIE)) is None
    with pytest.raises(KratosProtocolError):
        await Bench(Kratos(create=refused(418))).guard.logout_url(request(SESSION_COOKIE))


async def test_given_transport_is_not_closed_with_the_client() -> None:
    """It belongs to the application."""
    bench = Bench(Kratos())
    await bench.guard.logout_url(request(SESSION_COOKIE))
    assert bench.guard.client is bench.guard.client

    await bench.guard.aclose()

    assert bench.kratos.closed == 0


@pytest.mark.parametrize(
    ("whoami", "is_known"), [(signed_in(), True), (refused(401), False)], ids=["known session", "invented cookie"]
)
async def test_logout_waits_for_its_turn_as_the_session_check_does(
    whoami: KratosResponse, *, is_known: bool
) -> None:
    """A flood of logouts with invented cookies does not take the slots of users."""
    kratos = Kratos(whoami)
    callers: list[Caller] = []

    def respond(asked: KratosRequest) -> KratosResponse:
        if "/self-service/" in asked.url:
            callers.append(current_caller())
        return kratos(asked)

    bench = Bench(respond)
    await call(application(bench), "/logout", method="POST", headers=[SESSION_COOKIE], client=("192.0.2.9", 1))
    await bench.guard.logout_url(request(SESSION_COOKIE, client=("192.0.2.9", 1)))

    assert [caller.identity is not None for caller in callers] == [is_known, is_known, False]
    assert callers[-1].client == "192.0.2.9"
    assert current_caller() == UNKNOWN
