"""Responses to a logout: success only if every session has ended, whatever Kratos and the client send."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from support.asgi_calls import NAVIGATE, SentResponse, call, websocket_scope
from support.clock import AdjustableClock
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench, Pair, guard_of, request, settings_of
from support.memory_store import MemoryServer, MemoryStore, eventually
from support.minting import AUDIENCE, ISSUER, ec_key, jwks_of, token_of
from support.scripted_kratos import (
    APP,
    COOKIE,
    KRATOS,
    SESSION_ID,
    KratosRequest,
    KratosResponse,
    ScriptedKratos,
    refused,
    session_body,
    signed_in,
)

from ory_guard import Authenticated, GuardSettings, OryGuard, OrySessionMiddleware, Rejected
from ory_guard.exceptions import CsrfViolation, KratosTimeout, KratosUnavailable
from ory_guard.starlette import logout_response
from ory_guard.testing import FakeKratos
from ory_guard.tokens import TokenVerifier

pytestmark = pytest.mark.anyio

FIRST, SECOND = "ory_kratos_session=first", "ory_kratos_session=second"
BOTH = (b"cookie", f"{FIRST}; theme=dark; {SECOND}".encode())
CLEARED = "ory_kratos_session=cleared; Path=/; Max-Age=0"
EXPIRED = [
    f"ory_kratos_session=; Max-Age=0; Path=/{domain}; Secure; HttpOnly; SameSite=Lax"
    for domain in ("", "; Domain=app.example.com", "; Domain=example.com")
]
CREATE, SUBMIT, NATIVE = "/self-service/logout/browser", "/self-service/logout", "/self-service/logout/api"
PROXY = KratosResponse(401, b"<html>", (("content-type", "text/html"),))
# `logout.browser.create.none` and `logout.native_unknown` of the recordings.
UNKNOWN_COOKIE = refused(401, "session_inactive")
UNKNOWN_TOKEN = refused(403)


class Kratos:
    """Knows any number of sessions by their cookie, and ends each by its own logout token.

    Attributes:
        active: Session ids by cookie.
        answers: Responses or errors that replace its own, by path and cookie.
        asked: The paths and cookies of the requests for a logout.
    """

    def __init__(self, answers: Mapping[tuple[str, str | None], KratosResponse | Exception] | None = None) -> None:
        self.active = {FIRST: "session-1", SECOND: "session-2", COOKIE.decode(): SESSION_ID}
        self.responses = dict(answers or {})
        self.requests: list[tuple[str, str | None]] = []

    def __call__(self, asked: KratosRequest) -> KratosResponse:
        """Handle one request."""
        url, cookie = urlsplit(asked.url), asked.header("cookie")
        if url.path != "/sessions/whoami":
            self.requests.append((url.path, cookie))
        answer = self.responses.get((url.path, cookie))
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return answer
        if url.path == NATIVE:
            return KratosResponse(204, b"")
        if cookie is None:
            return signed_in()
        session_id = self.active.get(cookie)
        if session_id is None:
            return refused(401)
        if url.path == "/sessions/whoami":
            return signed_in(session_body(id=session_id))
        if url.path == CREATE:
            return KratosResponse(200, {"logout_url": "https://id.example.com/x", "logout_token": session_id})
        assert url.query == f"token={session_id}", "each session has a token of its own"
        del self.active[cookie]
        return KratosResponse(204, b"", (("set-cookie", CLEARED),))


def application(guard: OryGuard) -> Starlette:
    """Return an application that logs out, also in a mounted application and behind a catch-all middleware."""

    async def leave(request: Request) -> Response:
        return await logout_response(request)

    inner = Starlette(routes=[Route("/logout", leave, methods=["POST"])])
    return Starlette(
        routes=[Route("/logout", leave, methods=["POST"]), Mount("/inner", inner)],
        middleware=[Middleware(OrySessionMiddleware, guard=guard)],
    )


async def leave(kratos: Kratos, *headers: Pair, path: str = "/logout", **settings: Any) -> SentResponse:
    """Log out at `kratos`."""
    guard = guard_of(ScriptedKratos(kratos), **settings)
    return await call(application(guard), path, method="POST", headers=headers)


def cookies(answered: SentResponse) -> list[str]:
    """Return the `Set-Cookie` values."""
    return [value.decode() for value in answered.all(b"set-cookie")]


@pytest.mark.parametrize(
    "headers",
    [[BOTH], [(b"cookie", FIRST.encode()), (b"cookie", SECOND.encode())], [BOTH, (b"cookie", FIRST.encode())]],
    ids=["one header", "two headers", "one repeated"],
)
async def test_two_cookies_end_two_sessions(headers: list[Pair]) -> None:
    """Each with its own logout flow; the cookie is expired once for each domain."""
    kratos = Kratos()

    answered = await leave(kratos, *headers)

    assert answered.status == 204
    assert kratos.active == {COOKIE.decode(): SESSION_ID}
    assert kratos.requests == [(path, cookie) for cookie in (FIRST, SECOND) for path in (CREATE, SUBMIT)]
    assert cookies(answered) == [CLEARED, CLEARED, *EXPIRED]


async def test_cookies_with_two_names_are_both_expired() -> None:
    """A wildcard in `cookie_names` matches names that only the request contains."""
    kratos = Kratos()
    kratos.active = {"ory_session_a=1": "session-1", "ory_session_b=1": "session-2"}

    answered = await leave(
        kratos, (b"cookie", b"ory_session_a=1; ory_session_b=1"), cookie_names=("ory_session_*",)
    )

    assert (answered.status, kratos.active) == (204, {})
    expired = [value.partition("=")[0] for value in cookies(answered) if "; Domain=" not in value]
    assert expired == ["ory_kratos_session", "ory_kratos_session", "ory_session_a", "ory_session_b"]


FAILURES = {
    "Kratos fails": refused(500),
    "a timeout": httpx2.ReadTimeout("slow"),
    "a broken connection": httpx2.ReadError("gone"),
    "a 401 of a proxy": PROXY,
    "a 403": refused(403),
    "a 404": refused(404),
    "a redirect": KratosResponse(303, b"", (("location", "/error"),)),
    "a rate limit": refused(429),
    "a page": KratosResponse(200, b"<html>", (("content-type", "text/html"),)),
}


@pytest.mark.parametrize("failing", [FIRST, SECOND])
@pytest.mark.parametrize("step", [CREATE, SUBMIT])
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
async def test_logout_that_may_have_left_a_session_is_a_503(failing: str, step: str, failure: Any) -> None:
    """The other session has ended, so Kratos' `Set-Cookie` is forwarded; no cookie is expired by name."""
    kratos = Kratos({(step, failing): failure})
    other = SECOND if failing == FIRST else FIRST

    answered = await leave(kratos, BOTH)

    assert (answered.status, answered.error_id) == (503, "session_check_unavailable")
    assert cookies(answered) == [CLEARED]
    assert other not in kratos.active
    assert answered.header(b"cache-control") in (b"no-store", b"private, no-store")


@pytest.mark.parametrize("credential", [SESSION_COOKIE, SESSION_TOKEN], ids=["cookie", "token"])
@pytest.mark.parametrize(
    "failure", [refused(500), httpx2.ReadTimeout("slow"), PROXY, refused(403, "x"), refused(404)]
)
@pytest.mark.parametrize("path", ["/logout", "/inner/logout"])
async def test_failed_logout_sets_no_cookie(credential: Pair, failure: Any, path: str) -> None:
    """The response is 503 in mounted applications, too."""
    failing = {(CREATE, COOKIE.decode()): failure, (NATIVE, None): failure}

    answered = await leave(Kratos(failing), credential, path=path)

    assert (answered.status, cookies(answered)) == (503, [])


@pytest.mark.parametrize("navigation", [(), (NAVIGATE, (b"sec-fetch-site", b"same-origin"))], ids=["API", "form"])
@pytest.mark.parametrize(
    ("headers", "actual"),
    [
        ([(b"cookie", f"{FIRST}; {SECOND}; ory_kratos_session=third".encode())], "ambiguous"),
        ([BOTH, (b"cookie", COOKIE)], "ambiguous"),
        ([(b"cookie", b'ory_kratos_session=a"b')], "malformed"),
        ([(b"cookie", b'ory_kratos_session=a,b; ory_kratos_session=a"b')], "malformed"),
        ([(b"cookie", b"ory_kratos_session=" + b"a" * 8_193)], "malformed"),
        ([(b"x-session-token", b"a b")], "malformed"),
        ([(b"x-session-token", b"a"), (b"x-session-token", b"b")], "ambiguous"),
        ([(b"authorization", b"Bearer a b")], "malformed"),
        ([(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")], "ambiguous"),
    ],
)
async def test_invalid_credential_is_a_401(headers: list[Pair], actual: str, navigation: tuple[Pair, ...]) -> None:
    """Kratos is not called, and a form is not redirected as after a success."""
    kratos = Kratos()

    answered = await leave(kratos, *headers, *navigation)

    assert (answered.status, cookies(answered), kratos.requests) == (401, [], [])
    assert answered.header(b"location") is None
    if not navigation:
        failures = [{"id": "credential", "expected": "valid", "actual": actual}]
        assert answered.json["error"]["details"]["failures"] == failures
        assert answered.header(b"www-authenticate") == b'Bearer realm="ory_guard", error="invalid_token"'


@pytest.mark.parametrize(
    "cookie", [COOKIE, FIRST.encode() + b"; " + SECOND.encode(), b'ory_kratos_session="'], ids=["one", "two", "bad"]
)
@pytest.mark.parametrize("page", [(b"sec-fetch-site", b"cross-site"), (b"origin", b"https://evil.test")], ids=str)
async def test_cross_site_logout_is_a_403(cookie: bytes, page: Pair) -> None:
    """Before the cookie is validated."""
    kratos = Kratos()

    answered = await leave(kratos, (b"cookie", cookie), page)

    assert (answered.status, answered.error_id) == (403, "security_csrf_violation")
    assert (cookies(answered), kratos.requests) == ([], [])


async def test_cross_site_logout_is_refused_with_any_method() -> None:
    """`guard.logout` accepts a GET, which a page of another site can cause, and a websocket."""
    bench = Bench(Kratos())
    for scope in (
        request(SESSION_COOKIE, (b"sec-fetch-site", b"cross-site")),
        request(SESSION_COOKIE, (b"origin", b"https://evil.test"), method="HEAD"),
        websocket_scope(headers=[SESSION_COOKIE, (b"origin", b"https://evil.test")]),
        websocket_scope(headers=[SESSION_COOKIE]),
    ):
        with pytest.raises(CsrfViolation):
            await bench.guard.logout(scope)
    assert all(urlsplit(asked.url).path == "/sessions/whoami" for asked in bench.kratos.requests)

    set_cookies = await bench.guard.logout(request(SESSION_COOKIE, (b"sec-fetch-site", b"same-origin")))
    assert list(set_cookies) == [CLEARED, *EXPIRED]


async def test_logout_with_token_and_cookie_ends_only_the_token() -> None:
    """Kratos' order selects one kind; the session of the cookie continues."""
    kratos = Kratos()

    answered = await leave(kratos, SESSION_TOKEN, SESSION_COOKIE, (b"sec-fetch-site", b"cross-site"))

    assert (answered.status, cookies(answered)) == (204, [])
    assert kratos.requests == [(NATIVE, None)]


@pytest.mark.parametrize("step", [CREATE, SUBMIT])
async def test_unknown_cookie_counts_as_ended(step: str) -> None:
    """Before the logout, or between its two calls; the cookie is expired."""
    answered = await leave(Kratos({(step, COOKIE.decode()): UNKNOWN_COOKIE}), SESSION_COOKIE)

    assert (answered.status, cookies(answered)) == (204, EXPIRED)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (KratosResponse(204, b""), 204),
        (UNKNOWN_TOKEN, 204),
        (refused(403, "session_aal2_required"), 503),
        (refused(403, code="403"), 503),
        (refused(403, code=True), 503),
        (KratosResponse(403, {"error": "forbidden"}), 503),
        (KratosResponse(403, b"denied", (("content-type", "text/plain"),)), 503),
        (refused(401), 503),
        (refused(400), 503),
        (KratosResponse(200, {}), 503),
        (KratosResponse(202, b""), 503),
    ],
)
async def test_token_has_ended_only_if_kratos_confirms_it(answer: KratosResponse, status: int) -> None:
    """With 204, or with 403 and an error without an id; any other 403 comes from a proxy."""
    assert (await leave(Kratos({(NATIVE, None): answer}), SESSION_TOKEN)).status == status


@pytest.mark.parametrize("failure", [None, httpx2.ReadTimeout("slow")], ids=["ended", "timed out"])
async def test_logout_invalidates_each_session_in_other_processes(failure: Exception | None) -> None:
    """Also after a timeout, because Kratos may have ended the session."""
    memory_server, kratos = MemoryServer(), Kratos()
    one, other = (
        OryGuard(
            settings_of(),
            transport=ScriptedKratos(kratos),
            clock=AdjustableClock(),
            store=MemoryStore(memory_server),
        )
        for _ in range(2)
    )
    first, second = request((b"cookie", FIRST.encode())), request((b"cookie", SECOND.encode()))
    for scope in (dict(first), dict(second)):
        assert isinstance(await other.authenticate(scope), Authenticated)
    await eventually(lambda: len(memory_server.entries) == 2)
    if failure is not None:
        kratos.responses = {(SUBMIT, FIRST): failure, (SUBMIT, SECOND): failure}

    if failure is None:
        await one.logout(request(BOTH, method="POST"))
    else:
        with pytest.raises(KratosTimeout):
            await one.logout(request(BOTH, method="POST"))

    assert {"session-1", "session-2"} <= set(memory_server.revoked)
    kratos.active, kratos.responses = {}, {}
    await eventually(lambda: not memory_server.entries)
    for scope in (dict(first), dict(second)):
        assert await one.authenticate(dict(scope)) == Rejected("inactive", "cookie")
        assert await other.authenticate(dict(scope)) == Rejected("inactive", "cookie")
    await one.aclose()
    await other.aclose()


async def test_logout_with_an_internal_error_invalidates_the_session() -> None:
    """An unexpected error may come after Kratos has ended the session."""
    bench = Bench(Kratos())
    assert isinstance(await bench.outcome(SESSION_COOKIE), Authenticated)
    bench.guard.client.create_browser_logout_flow = None  # type: ignore[assignment] # any bug

    with pytest.raises(TypeError):
        await bench.guard.logout(request(SESSION_COOKIE, method="POST"))

    calls = bench.calls
    await bench.outcome(SESSION_COOKIE)
    assert bench.calls == calls + 1


async def test_cancelled_logout_invalidates_the_session() -> None:
    """Kratos may have received the request."""
    bench = Bench(Kratos())
    assert isinstance(await bench.outcome(SESSION_COOKIE), Authenticated)
    bench.kratos.hold()
    leaving = asyncio.ensure_future(bench.guard.logout(request(SESSION_COOKIE, method="POST")))
    await eventually(lambda: bench.calls == 2)

    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving

    bench.kratos.release()
    bench.kratos.responses = [refused(401)]
    assert isinstance(await bench.outcome(SESSION_COOKIE), Rejected)


class BusyKratos(ScriptedKratos):
    """Receives another request of the same browser before it ends the session."""

    guard: OryGuard

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Respond like Kratos."""
        if request.url.path == SUBMIT:
            assert isinstance(await self.guard.authenticate(other_request()), Authenticated)
        return await super().handle_async_request(request)


def other_request() -> dict[str, Any]:
    """Return another request with the session cookie."""
    return request(SESSION_COOKIE)


async def test_check_during_a_logout_does_not_outlast_it() -> None:
    """It cached the session again after the start of the logout."""
    kratos = BusyKratos(Kratos())
    kratos.guard = guard_of(kratos)

    await kratos.guard.logout(request(SESSION_COOKIE, method="POST"))

    assert isinstance(await kratos.guard.authenticate(other_request()), Rejected)


async def test_logout_invalidates_a_session_that_only_the_cache_knows() -> None:
    """The request that logs out could not be authenticated."""
    memory_server, kratos = MemoryServer(), ScriptedKratos(refused(500))
    guard = OryGuard(settings_of(), transport=kratos, clock=AdjustableClock(), store=MemoryStore(memory_server))
    scope = request(SESSION_COOKIE, method="POST")
    await guard.authenticate(scope)
    kratos.responses = [Kratos()]
    await guard.authenticate(other_request())

    await guard.logout(scope)

    assert set(memory_server.revoked) == {SESSION_ID}
    await guard.aclose()


class TokenBench:
    """A guard that verifies JWTs, and its Kratos."""

    def __init__(self, jwks: Any = None, **options: Any) -> None:
        self.key = ec_key()
        self.kratos = ScriptedKratos(Kratos())
        verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, jwks=jwks or jwks_of(self.key), **options)
        self.guard = OryGuard(settings_of(), transport=self.kratos, clock=AdjustableClock(), tokens=verifier)

    async def leave(self, token: str) -> SentResponse:
        """Log out with a JWT."""
        headers = [(b"authorization", b"Bearer " + token.encode())]
        return await call(application(self.guard), "/logout", method="POST", headers=headers)


async def test_jwt_cannot_be_logged_out() -> None:
    """It is not sent to Kratos, which can't end its session; the response names the accepted credentials."""
    bench = TokenBench()

    answered = await bench.leave(token_of(bench.key))

    assert (answered.status, answered.error_id) == (403, "requirement_not_met")
    failures = [{"id": "credential", "expected": ["cookie", "session_token"], "actual": "jwt"}]
    assert answered.json["error"]["details"]["failures"] == failures
    assert bench.kratos.requests == []
    token = (b"authorization", b"Bearer " + token_of(bench.key).encode())
    assert isinstance(await bench.guard.authenticate(request(token)), Authenticated), "nothing was revoked"


async def test_rejected_jwt_is_a_401() -> None:
    """An expired JWT does not prove that its session has ended."""
    bench = TokenBench()

    answered = await bench.leave(token_of(bench.key, exp=1))

    assert (answered.status, answered.error_id) == (401, "session_inactive")
    assert answered.json["error"]["details"]["failures"][0]["actual"] == "inactive"
    assert bench.kratos.requests == []


async def test_jwt_is_a_503_without_keys() -> None:
    bench = TokenBench("https://keys.example.com/jwks.json", transport=ScriptedKratos(refused(500)))

    answered = await bench.leave(token_of(bench.key))

    assert (answered.status, bench.kratos.requests) == (503, [])


@pytest.mark.parametrize("kind", ["cookie", "token"])
async def test_logout_ends_the_session_at_the_fake(kind: str) -> None:
    """With the whole exchange, once and again."""
    fake = FakeKratos()
    transport = httpx2.ASGITransport(app=fake.app)
    guard = OryGuard(GuardSettings(kratos_public_url=KRATOS, app_url=APP), transport=transport)
    signed_in = fake.sign_in(fake.add_identity())
    name, value = next(iter(signed_in.cookies.items()))
    token = signed_in.headers["X-Session-Token"]
    header = (b"cookie", f"{name}={value}".encode()) if kind == "cookie" else (b"x-session-token", token.encode())
    assert isinstance(await guard.authenticate(request(header)), Authenticated)

    first = await call(application(guard), "/logout", method="POST", headers=[header])
    again = await call(application(guard), "/logout", method="POST", headers=[header])

    assert (first.status, again.status) == (204, 204)
    assert isinstance(await guard.authenticate(request(header)), Rejected)
    assert (len(cookies(first)) > len(EXPIRED)) == (kind == "cookie")
    assert cookies(again) == (EXPIRED if kind == "cookie" else [])
    unknown = (b"x-session-token", b"ory_st_unknown")
    assert (await call(application(guard), "/logout", method="POST", headers=[unknown])).status == 204
    await guard.aclose()


async def test_response_of_the_application_to_a_failure_contains_the_cookies() -> None:
    """The middleware adds the `Set-Cookie` of the ended session to any response."""

    async def leave(request: Request) -> Response:
        try:
            await guard.logout(request)
        except KratosUnavailable:
            return Response("try again", status_code=502)
        raise AssertionError

    guard = guard_of(ScriptedKratos(Kratos({(CREATE, SECOND): refused(500)})))
    app = Starlette(
        routes=[Route("/", leave, methods=["POST"])], middleware=[Middleware(OrySessionMiddleware, guard=guard)]
    )

    answered = await call(app, method="POST", headers=[BOTH])

    assert (answered.status, cookies(answered)) == (502, [CLEARED])
    assert answered.header(b"cache-control") == b"private, no-store"
