"""Responses to a logout: success only if every session has ended, whatever Kratos and the client send."""

from typing import Any

import httpx2
import pytest
from logout_kratos import CLEARED, CREATE, NATIVE, SUBMIT, WHOAMI, LogoutKratos
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from support.asgi_calls import NAVIGATE, SentResponse, call
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Pair, guard_of, request
from support.memory_store import MemoryServer, MemoryStore, eventually
from support.minting import token_of
from support.scripted_kratos import (
    APP,
    COOKIE,
    KRATOS,
    SESSION_ID,
    KratosResponse,
    ScriptedKratos,
    refused,
    signed_in,
)
from support.token_bench import KEY, TokenBench, verifier_of

from ory_guard import Authenticated, OryGuard, OrySessionMiddleware, Rejected
from ory_guard.exceptions import ConfigurationError, KratosTimeout, KratosUnavailable
from ory_guard.starlette import logout_response

pytestmark = pytest.mark.anyio

FIRST, SECOND = "ory_kratos_session=first", "ory_kratos_session=second"
BOTH = (b"cookie", f"{FIRST}; theme=dark; {SECOND}".encode())
SESSIONS = {FIRST: "session-1", SECOND: "session-2", COOKIE.decode(): SESSION_ID}
EXPIRED = [
    f"ory_kratos_session=; Max-Age=0; Path=/{domain}; Secure; HttpOnly; SameSite=Lax"
    for domain in ("", "; Domain=app.example.com", "; Domain=example.com")
]
SAME_SITE = (b"sec-fetch-site", b"same-origin")
# Whoami and logout flows respond with 401 to an unknown cookie, the native logout with 403 to an unknown token.
UNKNOWN_COOKIE = refused(401, "session_inactive")
UNKNOWN_TOKEN = refused(403)


def application(guard: OryGuard) -> Starlette:
    """Return an application that logs out, also in a mounted application."""

    async def leave(request: Request) -> Response:
        return await logout_response(request, return_to=request.query_params.get("to"))

    inner = Starlette(routes=[Route("/logout", leave, methods=["POST"])])
    return Starlette(
        routes=[Route("/logout", leave, methods=["GET", "POST"]), Mount("/inner", inner)],
        middleware=[Middleware(OrySessionMiddleware, guard=guard)],
    )


async def leave(
    kratos: LogoutKratos, *headers: Pair, path: str = "/logout", query: bytes = b"", **settings: Any
) -> SentResponse:
    app = application(guard_of(kratos, **settings))
    return await call(app, path, method="POST", headers=headers, query_string=query)


def cookies(answered: SentResponse) -> list[str]:
    return [value.decode() for value in answered.all(b"set-cookie")]


# --- success


async def test_form_is_redirected_after_the_logout() -> None:
    """The logout takes two calls with the session cookie; Kratos' `Set-Cookie` is forwarded."""
    kratos = LogoutKratos({WHOAMI: signed_in().with_header("set-cookie", "ory_kratos_session=renewed; Path=/")})

    answered = await leave(kratos, SESSION_COOKIE, NAVIGATE, SAME_SITE, query=b"to=/bye")

    assert (answered.status, answered.header(b"location")) == (303, f"{APP}/bye".encode())
    assert cookies(answered) == [CLEARED, *EXPIRED]
    assert answered.header(b"cache-control") == b"no-store"
    assert [request.url.removeprefix(KRATOS) for request in kratos.requests] == [
        WHOAMI,
        CREATE,
        f"{SUBMIT}?token={SESSION_ID}",
    ]
    assert {tuple(request.credentials()) for request in kratos.requests} == {(("cookie", COOKIE.decode()),)}


@pytest.mark.parametrize("return_to", [b"", b"to=//evil.test"])
async def test_return_to_of_another_site_is_ignored(return_to: bytes) -> None:
    """The browser is redirected to the start page."""
    answered = await leave(LogoutKratos(), SESSION_COOKIE, NAVIGATE, SAME_SITE, query=return_to)

    assert (answered.status, answered.header(b"location")) == (303, APP.encode())


async def test_form_is_not_redirected_without_app_url() -> None:
    """The URL of the application is unknown."""
    answered = await leave(LogoutKratos(), SESSION_TOKEN, NAVIGATE, app_url=None, credentials=("x_session_token",))

    assert (answered.status, cookies(answered)) == (204, [])


async def test_route_must_not_accept_get() -> None:
    """Any page can cause a GET with an image."""
    with pytest.raises(ConfigurationError, match="give its route methods="):
        await call(application(guard_of(LogoutKratos())), "/logout", headers=[SESSION_COOKIE])


@pytest.mark.parametrize(
    "headers",
    [[BOTH], [(b"cookie", FIRST.encode()), (b"cookie", SECOND.encode())], [BOTH, (b"cookie", FIRST.encode())]],
    ids=["one header", "two headers", "one repeated"],
)
async def test_two_cookies_end_two_sessions(headers: list[Pair]) -> None:
    """Each with its own logout flow; the cookie is expired once for each domain."""
    kratos = LogoutKratos(sessions=SESSIONS)

    answered = await leave(kratos, *headers)

    assert answered.status == 204
    assert kratos.sessions == {COOKIE.decode(): SESSION_ID}
    assert kratos.logouts == [(path, cookie) for cookie in (FIRST, SECOND) for path in (CREATE, SUBMIT)]
    assert cookies(answered) == [CLEARED, CLEARED, *EXPIRED]


async def test_cookies_with_two_names_are_both_expired() -> None:
    """A wildcard in `cookie_names` matches names that only the request contains."""
    kratos = LogoutKratos(sessions={"ory_session_a=1": "session-1", "ory_session_b=1": "session-2"})

    answered = await leave(
        kratos, (b"cookie", b"ory_session_a=1; ory_session_b=1"), cookie_names=("ory_session_*",)
    )

    assert (answered.status, kratos.sessions) == (204, {})
    expired = [value.partition("=")[0] for value in cookies(answered) if "; Domain=" not in value]
    assert expired == ["ory_kratos_session", "ory_kratos_session", "ory_session_a", "ory_session_b"]


@pytest.mark.parametrize("step", [CREATE, SUBMIT])
async def test_unknown_cookie_counts_as_ended(step: str) -> None:
    """Before the logout, or between its two calls; the cookie is expired."""
    answered = await leave(LogoutKratos({step: UNKNOWN_COOKIE}), SESSION_COOKIE)

    assert (answered.status, cookies(answered)) == (204, EXPIRED)


# --- failures

FAILURES = {
    "Kratos fails": refused(500),
    "a timeout": httpx2.ReadTimeout("slow"),
    "a 401 of a proxy": KratosResponse(401, b"<html>", (("content-type", "text/html"),)),
    "a 403": refused(403),
    "a 404": refused(404),
    "a redirect": KratosResponse(303, b"", (("location", "/error"),)),
    "a rate limit": refused(429),
    "a page": KratosResponse(200, b"<html>", (("content-type", "text/html"),)),
}


@pytest.mark.parametrize(("failing", "other"), [(FIRST, SECOND), (SECOND, FIRST)])
@pytest.mark.parametrize("step", [CREATE, SUBMIT])
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
async def test_logout_that_may_have_left_a_session_is_a_503(
    failing: str, other: str, step: str, failure: Any
) -> None:
    """The other session has ended, so Kratos' `Set-Cookie` is forwarded; no cookie is expired by name."""
    kratos = LogoutKratos({(step, failing): failure}, SESSIONS)

    answered = await leave(kratos, BOTH)

    assert (answered.status, answered.error_id) == (503, "session_check_unavailable")
    assert cookies(answered) == [CLEARED]
    assert other not in kratos.sessions
    assert answered.header(b"cache-control") in (b"no-store", b"private, no-store")


@pytest.mark.parametrize("credential", [SESSION_COOKIE, SESSION_TOKEN], ids=["cookie", "token"])
@pytest.mark.parametrize("path", ["/logout", "/inner/logout"])
async def test_failed_logout_sets_no_cookie(credential: Pair, path: str) -> None:
    """The response is 503 in mounted applications, too."""
    answered = await leave(LogoutKratos({CREATE: refused(500), NATIVE: refused(500)}), credential, path=path)

    assert (answered.status, cookies(answered)) == (503, [])


@pytest.mark.parametrize("navigation", [(), (NAVIGATE, SAME_SITE)], ids=["API", "form"])
@pytest.mark.parametrize(
    ("headers", "actual"),
    [
        ([(b"cookie", f"{FIRST}; {SECOND}; ory_kratos_session=third".encode())], "ambiguous"),
        ([(b"cookie", b'ory_kratos_session=a"b')], "malformed"),
        ([(b"cookie", b'ory_kratos_session=a,b; ory_kratos_session=a"b')], "malformed"),
        ([(b"x-session-token", b"a b")], "malformed"),
        ([(b"x-session-token", b"a"), (b"x-session-token", b"b")], "ambiguous"),
        ([(b"authorization", b"Bearer a b")], "malformed"),
    ],
)
async def test_invalid_credential_is_a_401(headers: list[Pair], actual: str, navigation: tuple[Pair, ...]) -> None:
    """Kratos is not called, and a form is not redirected as after a success."""
    kratos = LogoutKratos()

    answered = await leave(kratos, *headers, *navigation)

    assert (answered.status, cookies(answered), kratos.logouts) == (401, [], [])
    assert answered.header(b"location") is None
    if not navigation:
        failures = [{"id": "credential", "expected": "valid", "actual": actual}]
        assert answered.json["error"]["details"]["failures"] == failures
        assert answered.header(b"www-authenticate") == b'Bearer realm="ory_guard", error="invalid_token"'


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
    assert (await leave(LogoutKratos({NATIVE: answer}), SESSION_TOKEN)).status == status


@pytest.mark.parametrize("failure", [None, httpx2.ReadTimeout("slow")], ids=["ended", "timed out"])
async def test_logout_invalidates_each_session_in_other_processes(failure: Exception | None) -> None:
    """Also after a timeout, because Kratos may have ended the session."""
    memory_server, kratos = MemoryServer(), LogoutKratos(sessions=SESSIONS)
    one, other = (guard_of(kratos, store=MemoryStore(memory_server)) for _ in range(2))
    scopes = [request((b"cookie", cookie.encode())) for cookie in (FIRST, SECOND)]
    for scope in scopes:
        assert isinstance(await other.authenticate(dict(scope)), Authenticated)
    await eventually(lambda: len(memory_server.entries) == 2)

    if failure is None:
        await one.logout(request(BOTH, method="POST"))
    else:
        kratos.answers = {SUBMIT: failure}
        with pytest.raises(KratosTimeout):
            await one.logout(request(BOTH, method="POST"))

    assert {"session-1", "session-2"} <= set(memory_server.revoked)
    kratos.sessions, kratos.answers = {}, {}
    await eventually(lambda: not memory_server.entries)
    for guard in (one, other):
        for scope in scopes:
            assert await guard.authenticate(dict(scope)) == Rejected("inactive", "cookie")
        await guard.aclose()


async def test_response_of_the_application_to_a_failure_contains_the_cookies() -> None:
    """The middleware adds the `Set-Cookie` of the ended session to any response."""
    guard = guard_of(LogoutKratos({(CREATE, SECOND): refused(500)}, SESSIONS))

    async def leave(request: Request) -> Response:
        with pytest.raises(KratosUnavailable):
            await guard.logout(request)
        return Response("try again", status_code=502)

    app = Starlette(
        routes=[Route("/", leave, methods=["POST"])], middleware=[Middleware(OrySessionMiddleware, guard=guard)]
    )

    answered = await call(app, method="POST", headers=[BOTH])

    assert (answered.status, cookies(answered)) == (502, [CLEARED])
    assert answered.header(b"cache-control") == b"private, no-store"


# --- JWTs


async def leave_with(bench: TokenBench, token: str) -> SentResponse:
    """Log out with a JWT, which is not sent to Kratos."""
    headers = [(b"authorization", b"Bearer " + token.encode())]
    answered = await call(application(bench.guard), "/logout", method="POST", headers=headers)
    assert bench.kratos.requests == []
    return answered


async def test_jwt_cannot_be_logged_out() -> None:
    """The response names the accepted credentials."""
    bench = TokenBench()

    answered = await leave_with(bench, token_of(KEY))

    assert (answered.status, answered.error_id) == (403, "requirement_not_met")
    failures = [{"id": "credential", "expected": ["cookie", "session_token"], "actual": "jwt"}]
    assert answered.json["error"]["details"]["failures"] == failures
    assert isinstance(await bench.ask(token_of(KEY)), Authenticated), "nothing was revoked"


async def test_rejected_jwt_is_a_401() -> None:
    """An expired JWT does not prove that its session has ended."""
    answered = await leave_with(TokenBench(), token_of(KEY, exp=1))

    assert (answered.status, answered.error_id) == (401, "session_inactive")
    assert answered.json["error"]["details"]["failures"][0]["actual"] == "inactive"


async def test_jwt_is_a_503_without_keys() -> None:
    verifier = verifier_of("https://keys.example.com/jwks.json", transport=ScriptedKratos(refused(500)))

    assert (await leave_with(TokenBench(verifier), token_of(KEY))).status == 503
