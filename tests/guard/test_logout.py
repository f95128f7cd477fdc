"""Logout: the sessions that end at Kratos, the invalidated cache entries, and the logout URL."""

import asyncio
from typing import Any

import pytest
from logout_kratos import CREATE, LINK, NATIVE, SUBMIT, WHOAMI, LogoutKratos
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from support.asgi_calls import call, websocket_scope
from support.clock import AdjustableClock
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Pair, by, guard_of, request
from support.memory_store import MemoryServer, MemoryStore, eventually
from support.scripted_kratos import (
    APP,
    COOKIE,
    SESSION_ID,
    STEP_UP,
    KratosResponse,
    refused,
    session_body,
    signed_in,
)
from two_cookies_bench import NAMES, scope_of

from ory_guard import Authenticated, OrySessionMiddleware, Rejected, Session, Unavailable
from ory_guard.exceptions import CsrfViolation, KratosProtocolError, KratosTimeout
from ory_guard.kratos.caller import UNKNOWN, Caller, current_caller

pytestmark = pytest.mark.anyio

CROSS_SITE = (b"sec-fetch-site", b"cross-site")
EVIL = (b"origin", b"https://evil.test")
SESSIONS = {"s=a": "id-a", "s=b": "id-b", "a": "id-a", "b": "id-b"}


def post(*headers: Pair) -> dict[str, Any]:
    return request(*(headers or [(b"accept", b"*/*")]), method="POST")


def cookie(value: bytes) -> Pair:
    return b"cookie", value


@pytest.mark.parametrize("cache_ttl", [30, 0])
@pytest.mark.parametrize(
    ("headers", "ended", "expired"),
    [
        ([SESSION_TOKEN], [None], []),
        ([SESSION_TOKEN, cookie(b"s=a"), CROSS_SITE], [None], []),
        ([], [], []),
        ([cookie(b"token=a")], [None], ["token"]),
        ([cookie(b'token="a"')], [None], ["token"]),
        ([cookie(b"token=a; token=b")], [None, None], ["token"]),
        ([cookie(b"s=a; token=b")], ["s=a", None], ["s", "token"]),
        ([cookie(b"s=a; s=gone")], ["s=a"], ["s"]),
        ([cookie(b"s=gone; token=b")], [None], ["s", "token"]),
        ([cookie(b's=a; s="')], ["s=a"], ["s"]),
        ([cookie(b"s=gone; s=gone-too")], [], ["s"]),
    ],
)
async def test_session_of_each_credential_ends(
    headers: list[Pair], ended: list[str | None], expired: list[str], cache_ttl: float
) -> None:
    """A token natively. Cookies are expired, for three domains; a malformed one has no session."""
    kratos = LogoutKratos(sessions={**SESSIONS, SESSION_TOKEN[1].decode(): "id-a"})

    set_cookies = await guard_of(kratos, cache_ttl=cache_ttl, **NAMES).logout(post(*headers))

    assert kratos.ended == ended
    names = [value.partition("=")[0] for value in set_cookies if "=; Max-Age=0" in value]
    assert names == [name for name in expired for _ in range(3)]


async def test_set_cookie_of_a_native_logout_is_not_forwarded() -> None:
    """The response to a token sets no cookie of the browser."""
    kratos = LogoutKratos({NATIVE: KratosResponse(204, b"").with_header("set-cookie", "s=other")}, SESSIONS)
    guard = guard_of(kratos, app_url="https://localhost", token_cookie_names=("token",))

    set_cookies = await guard.logout(post(cookie(b"token=a")))

    assert set_cookies == ("token=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax",)


async def test_cookie_with_an_unknown_token_is_expired() -> None:
    """Kratos responds to an unknown token with a 403 without an id, and to an unknown cookie with 401."""
    guard = guard_of(LogoutKratos({NATIVE: refused(403)}), **NAMES)

    assert len(await guard.logout(post(cookie(b"token=unknown")))) == 3


async def test_session_without_its_second_factor_can_be_ended() -> None:
    """Kratos accepts the logout of an aal1 session."""
    kratos = LogoutKratos({WHOAMI: STEP_UP})
    guard = guard_of(kratos)

    await guard.logout(post(SESSION_COOKIE))
    asked = len(kratos.requests)
    await guard.authenticate(request(SESSION_COOKIE))

    assert kratos.ended == [COOKIE.decode()]
    assert len(kratos.requests) == asked + 1


@pytest.mark.parametrize("override", [None, Session.model_validate(session_body())], ids=["nobody", "session"])
async def test_override_is_not_logged_out(override: Session[Any] | None) -> None:
    """Within `override` the credential of the request does not count."""
    kratos = LogoutKratos()
    guard = guard_of(kratos)

    with guard.override(override):
        assert await guard.logout(post(SESSION_COOKIE)) == ()

    assert kratos.requests == []


@pytest.mark.parametrize(
    "scope",
    [
        request(SESSION_COOKIE, CROSS_SITE),
        websocket_scope(headers=[SESSION_COOKIE, EVIL]),
        websocket_scope(headers=[SESSION_COOKIE]),
        post(SESSION_COOKIE, EVIL),
        post(cookie(b's="; token=a'), CROSS_SITE),
        post(cookie(b"token=a; token=b; token=c"), CROSS_SITE),
    ],
)
async def test_cross_site_logout_is_refused(scope: dict[str, Any]) -> None:
    """With any method, because a page of another site can cause any; and before the cookies are validated."""
    kratos = LogoutKratos(sessions={**SESSIONS, COOKIE.decode(): SESSION_ID})

    with pytest.raises(CsrfViolation):
        await guard_of(kratos, cookie_names=("s", "ory_kratos_session"), token_cookie_names=("token",)).logout(
            scope
        )

    assert kratos.logouts == []


# --- invalidation


async def test_running_check_does_not_outlast_the_logout() -> None:
    """Even if the request that logs out could not be authenticated."""
    kratos = LogoutKratos({WHOAMI: refused(500)})
    guard = guard_of(kratos)
    scope = post(SESSION_COOKIE)
    assert isinstance(await guard.authenticate(scope), Unavailable)
    kratos.answers = {}
    may_respond = kratos.hold_path(WHOAMI)
    running = asyncio.ensure_future(guard.authenticate(request(SESSION_COOKIE)))
    await eventually(lambda: len(kratos.requests) == 2)

    await guard.logout(scope)
    may_respond.set()

    assert await running == Rejected("inactive", "cookie")
    assert await guard.authenticate(request(SESSION_COOKIE)) == Rejected("inactive", "cookie")


async def test_logouts_with_unknown_cookies_record_nothing() -> None:
    """The session of another user and the rejection of the cookie stay cached."""
    calls = 20
    kratos = LogoutKratos()
    guard = guard_of(kratos)
    await guard.authenticate(request(SESSION_COOKIE))
    for number in range(calls):
        guess = cookie(b"ory_kratos_session=guess-%d" % number)
        assert await guard.logout(post(guess))
        assert await guard.authenticate(request(guess)) == Rejected("inactive", "cookie")

    assert by(await guard.authenticate(request(SESSION_COOKIE)))[0] == "cache"
    assert len(kratos.requests) == 1 + 2 * calls
    revocations = guard.authentication.cache.revocations
    assert (len(revocations), revocations.last_invalidation) == (0, float("-inf"))


async def test_logout_concerns_no_other_session() -> None:
    """A running check for another session is joined and cached."""
    other = cookie(b"ory_kratos_session=other")
    kratos = LogoutKratos(sessions={COOKIE.decode(): SESSION_ID, "ory_kratos_session=other": "other"})
    guard = guard_of(kratos)
    scope = post(SESSION_COOKIE)
    assert isinstance(await guard.authenticate(scope), Authenticated)
    may_respond = kratos.hold_path(WHOAMI)
    running = asyncio.ensure_future(guard.authenticate(request(other)))
    await eventually(lambda: len(kratos.requests) == 2)

    await guard.logout(scope)
    joined = asyncio.ensure_future(guard.authenticate(request(other)))
    await eventually(lambda: guard.stats().shared == 1)
    may_respond.set()

    assert by(await running)[0] == by(await joined)[0] == "upstream"
    assert by(await guard.authenticate(request(other)))[0] == "cache"


@pytest.mark.parametrize("credential", [SESSION_COOKIE, SESSION_TOKEN, cookie(b"token=a")])
async def test_session_that_only_the_cache_knows_is_invalidated(credential: Pair) -> None:
    """The request that logs out could not be authenticated; another one was, later."""
    memory_server = MemoryServer()
    kratos = LogoutKratos({WHOAMI: refused(500)})
    guard = guard_of(kratos, store=MemoryStore(memory_server), token_cookie_names=("token",))
    scope = post(credential)
    assert isinstance(await guard.authenticate(scope), Unavailable)
    kratos.answers = {WHOAMI: signed_in()}
    assert isinstance(await guard.authenticate(request(credential)), Authenticated)

    await guard.logout(scope)
    kratos.answers = {WHOAMI: refused(401)}

    assert isinstance(await guard.authenticate(request(credential)), Rejected)
    assert set(memory_server.revoked) == {SESSION_ID}
    await guard.aclose()


async def test_cancelled_logout_invalidates_the_session() -> None:
    """Kratos may have received the request."""
    kratos = LogoutKratos()
    guard = guard_of(kratos)
    kratos.hold_path(SUBMIT)
    leaving = asyncio.ensure_future(guard.logout(post(SESSION_COOKIE)))
    await eventually(lambda: kratos.ended)

    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving

    assert isinstance(await guard.authenticate(request(SESSION_COOKIE)), Rejected)


# --- the URL of a logout


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([cookie(b"s=a")], "id-a"),
        ([cookie(b"s=gone; s=a")], "id-a"),
        ([cookie(b's="; s=a')], "id-a"),
        ([cookie(b"token=a; s=b")], "id-b"),
        ([cookie(b"s=a; s=b")], "id-a"),
        ([cookie(b"s=gone; s=gone-too")], None),
        ([cookie(b"s=a; s=b; s=c")], None),
        ([cookie(b"s=,")], None),
        ([cookie(b"s=a"), EVIL], None),
        ([SESSION_TOKEN], None),
        ([], None),
    ],
)
async def test_logout_url_is_that_of_a_cookie_that_kratos_knows(headers: list[Pair], expected: str | None) -> None:
    """A token has none, because Kratos creates a logout flow only for its own cookie."""
    kratos = LogoutKratos(sessions=SESSIONS)

    url = await guard_of(kratos, **NAMES).logout_url(post(*headers), return_to=f"{APP}/bye")

    assert url == (expected and LINK + expected)
    assert all("?return_to=https%3A%2F%2Fapp.example.com%2Fbye" in sent.url for sent in kratos.requests)


async def test_unexpected_response_is_an_error_with_its_status() -> None:
    guard = guard_of(LogoutKratos({CREATE: refused(418)}, SESSIONS), **NAMES)

    for use in (guard.logout, guard.logout_url):
        with pytest.raises(KratosProtocolError, match="418"):
            await use(scope_of(b"s=a; s=b"))


async def test_logout_has_the_timeout_of_the_guard() -> None:
    """`timeout` applies to each call to Kratos."""
    kratos = LogoutKratos()
    kratos.hold()

    async with asyncio.timeout(30):
        with pytest.raises(KratosTimeout):
            await guard_of(kratos, timeout=0.05).logout_url(request(SESSION_COOKIE))


@pytest.mark.parametrize("asks", ["logout_url", "authenticate"])
async def test_page_with_private_data_is_not_cached(asks: str) -> None:
    """The page shows a one-time URL, or the session."""
    guard = guard_of(LogoutKratos())

    async def page(request: Request) -> Response:
        return Response(str(await getattr(guard, asks)(request)))

    app = Starlette(routes=[Route("/", page)], middleware=[Middleware(OrySessionMiddleware, guard=guard)])
    assert (await call(app, "/", headers=[SESSION_COOKIE])).header(b"cache-control") == b"private, no-store"


@pytest.mark.parametrize("is_known", [True, False], ids=["known session", "invented cookie"])
async def test_logout_waits_for_its_turn_as_the_session_check_does(*, is_known: bool) -> None:
    """A flood of logouts with invented cookies does not take the slots of users."""
    callers: list[Caller] = []

    class Recording(LogoutKratos):
        async def handle_async_request(self, request: Any) -> Any:
            if request.url.path != WHOAMI:
                callers.append(current_caller())
            return await super().handle_async_request(request)

    kratos = Recording({} if is_known else {WHOAMI: refused(401)})
    guard = guard_of(kratos, AdjustableClock())
    client = ("192.0.2.9", 1)
    await guard.logout(request(SESSION_COOKIE, method="POST", client=client))
    await guard.logout_url(request(SESSION_COOKIE, client=client))

    assert [caller.identity is not None for caller in callers] == [is_known, is_known, False]
    assert callers[-1].client == "192.0.2.9"
    assert current_caller() == UNKNOWN
