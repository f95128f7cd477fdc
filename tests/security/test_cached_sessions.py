"""Cached sessions never serve another credential, a stricter requirement, or a request after their end."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.memory_store import eventually
from support.raw_kratos import UNAUTHORIZED, RawKratos, RawRequest, raw_response

from ory_guard import Authenticated, OrySessionMiddleware
from ory_guard.guard.responses.asgi import ASGIResponse

from .bench import Bench, token
from .harness import Request, call, navigation
from .users import ALICE, BOB, session

pytestmark = pytest.mark.anyio

MakeBench = Callable[..., Bench]

COOKIE_HEADER = (b"cookie", b"ory_kratos_session=ck-A")
COOKIE = Request((COOKIE_HEADER,))
BOBS_COOKIE = Request(((b"cookie", b"ory_kratos_session=ck-B"),))
CROSS_SITE = (b"sec-fetch-site", b"cross-site")


def aal2_session() -> bytes:
    """Return a whoami response with a second factor used just now."""
    methods = [{"method": "totp", "aal": "aal2", "completed_at": datetime.now(UTC).isoformat()}]
    return raw_response(session(authenticator_assurance_level="aal2", authentication_methods=methods))


# --- keys


async def test_cookie_name_is_part_of_the_key(make_bench: MakeBench) -> None:
    bench = make_bench(cookie_names=("one", "two"))
    for name in (b"one", b"two"):
        assert (await bench.get(Request(((b"cookie", name + b"=ck-A"),)))).identity == ALICE

    assert [request.credentials for request in bench.kratos.requests] == [
        [(b"cookie", b"one=ck-A")],
        [(b"cookie", b"two=ck-A")],
    ]


async def test_only_the_configured_cookie_is_read(make_bench: MakeBench) -> None:
    bench = make_bench(cookie_names=("ory_session_acme",))
    for name in ("ory_session_other", "ory_session_acmex", "ory_session_acm", "ory_kratos_session"):
        assert (await bench.get(Request(((b"cookie", f"{name}=ck-A".encode()),)))).status == 401
    assert bench.kratos.requests == []

    assert (await bench.get(Request(((b"cookie", b"ory_session_acme=ck-A"),)))).identity == ALICE


async def test_unknown_tokens_do_not_evict_sessions(make_bench: MakeBench) -> None:
    """Sessions and refusals are cached separately, each up to `max_sessions`."""
    bench = make_bench(max_sessions=20)
    assert (await bench.get(token())).identity == ALICE
    assert {(await bench.get(token(f"tok-{number}"))).status for number in range(100)} == {401}
    calls = len(bench.kratos.requests)

    assert (await bench.get(token())).identity == ALICE
    assert len(bench.kratos.requests) == calls
    assert bench.guard.stats().entries == 21


@pytest.mark.parametrize("inner_headers", [((b"x-session-token", b"tok-B"),), (), (COOKIE_HEADER,)])
async def test_changed_headers_do_not_change_the_user(
    kratos: RawKratos, inner_headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    """A middleware inside may replace or remove the credential; revalidation uses the one that was authenticated.

    Otherwise the response for one credential would be cached under the key of another.
    """
    bench = Bench(kratos, cookie_names=("other", "ory_kratos_session"))
    identities = []

    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        scope["headers"] = list(inner_headers)
        identities.append((await bench.guard.require(scope, revalidate=True)).identity.id)
        await bench.guard.require(scope)
        await ASGIResponse(204, [], b"")(scope, receive, send)

    app = OrySessionMiddleware(endpoint, guard=bench.guard)
    for _ in range(2):
        assert (await call(app, token("tok-A"))).status == 204
    assert identities == [ALICE, ALICE]
    assert {request.credential for request in kratos.requests} == {b"tok-A"}
    assert (await bench.who("tok-A"), await bench.who("tok-B")) == (ALICE, BOB)
    await bench.guard.aclose()


async def test_logout_ends_the_session_that_was_authenticated(kratos: RawKratos) -> None:
    """Not that of a cookie which a middleware inside replaced."""

    async def handle_logout(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        flow = {"logout_url": "https://auth.example.com/bye", "logout_token": "once"}
        is_flow = b"/logout/browser" in request.target
        writer.write(raw_response(flow) if is_flow else kratos.responses[request.credential])

    kratos.handler = handle_logout
    bench = Bench(kratos)

    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        scope["headers"] = [(b"cookie", b"ory_kratos_session=ck-B")]
        await bench.guard.logout(scope)
        await ASGIResponse(204, [], b"")(scope, receive, send)

    await call(OrySessionMiddleware(endpoint, guard=bench.guard), Request((COOKIE_HEADER,), method="POST"))
    paths = [request.target.partition(b"?")[0] for request in kratos.requests]
    assert paths == [b"/sessions/whoami", b"/self-service/logout/browser", b"/self-service/logout"]
    assert {request.credential for request in kratos.requests} == {b"ck-A"}
    await bench.guard.aclose()


# --- decisions are not cached


async def test_cached_session_must_meet_stricter_requirements(bench: Bench) -> None:
    bench.kratos.responses[b"tok-A"] = raw_response(session(authenticated_at="2020-01-01T00:00:00Z"))
    assert (await bench.get(token())).identity == ALICE

    for path, error_id in (("/aal2", "session_aal2_enrollment_required"), ("/fresh", "session_refresh_required")):
        reply = await bench.get(token(path=path))
        assert (reply.status, reply.error_id) == (403, error_id)


async def test_cached_session_does_not_allow_cross_site_requests(bench: Bench) -> None:
    assert (await bench.get(COOKIE)).identity == ALICE
    for path in ("/p", "/fresh") * 3:
        reply = await bench.get(Request((COOKIE_HEADER, CROSS_SITE), path, method="POST"))
        assert (reply.status, reply.error_id) == (403, "security_csrf_violation")
    assert len(bench.kratos.requests) == 1


@pytest.mark.parametrize(
    "request_",
    [
        token(path="/aal2"),
        token(path="/aal2", method="POST"),
        Request((COOKIE_HEADER,), "/aal2", method="POST"),
        navigation(COOKIE_HEADER, path="/aal2"),
    ],
)
async def test_step_up_takes_effect_at_the_next_request(bench: Bench, request_: Request) -> None:
    """Before the guard rejects a cached session for its assurance level, it revalidates the session."""
    assert (await bench.get(request_)).status in (303, 403)
    bench.kratos.responses[b"tok-A"] = bench.kratos.responses[b"ck-A"] = aal2_session()

    assert (await bench.get(request_)).identity == ALICE
    assert len(bench.kratos.requests) == 2


# --- lifetimes


async def test_session_is_not_served_after_its_end(make_bench: MakeBench) -> None:
    bench = make_bench(cache_ttl=3_600, clock_skew=0)
    expires_at = datetime.fromtimestamp(bench.clock.time(), UTC) + timedelta(seconds=5)
    bench.kratos.responses[b"tok-A"] = raw_response(session(expires_at=expires_at.isoformat()))
    assert (await bench.get(token())).identity == ALICE
    bench.clock.advance(6)

    assert await bench.who() == "Rejected:inactive"
    assert (await bench.get(token())).status == 401


async def test_wall_clock_set_back_prolongs_nothing(bench: Bench) -> None:
    assert (await bench.get(token())).identity == ALICE
    bench.clock.advance(31)
    bench.clock.set_wall_clock(-3_600)
    bench.kratos.responses.clear()
    assert await bench.who() == "Rejected:inactive"
    assert (await bench.get(token())).status == 401
    assert len(bench.kratos.requests) == 2

    ended = datetime.fromtimestamp(bench.clock.time(), UTC) - timedelta(seconds=61)
    bench.kratos.responses[b"tok-B"] = raw_response(session(BOB, expires_at=ended.isoformat()))
    assert await bench.who("tok-B") == "Rejected:inactive"


async def test_monotonic_clock_that_stops_prolongs_nothing(bench: Bench) -> None:
    """It stops while the machine sleeps, so each entry also has an end on the wall clock."""
    assert (await bench.get(token())).identity == ALICE
    bench.clock.set_wall_clock(3_600)
    await bench.who()

    assert len(bench.kratos.requests) == 2


# --- isolation between requests


async def test_reissued_cookie_reaches_one_response(bench: Bench) -> None:
    """Not those from the cache, and not those of other users; other cookies of Kratos are dropped."""
    reissued = "ory_kratos_session=issued-anew; Path=/; HttpOnly"
    bench.kratos.responses[b"ck-A"] = raw_response(
        session(), 200, ("Set-Cookie", reissued), ("Set-Cookie", "other=app-secret")
    )
    replies = [await bench.get(request) for request in (COOKIE, COOKIE, BOBS_COOKIE, BOBS_COOKIE)]

    assert [reply.all(b"set-cookie") for reply in replies] == [[reissued.encode()], [], [], []]
    assert replies[0].one(b"cache-control") == "private, no-store"
    assert bench.kratos.requests[-1].credentials == list(BOBS_COOKIE.headers)


async def test_token_receives_no_cookie(bench: Bench) -> None:
    """The cookie could log in another user in this browser."""
    bench.kratos.responses[b"tok-A"] = raw_response(
        session(), 200, ("Set-Cookie", "ory_kratos_session=issued-anew")
    )
    reply = await bench.get(token())

    assert (reply.identity, reply.all(b"set-cookie")) == (ALICE, [])


def changes_to(outcome: Authenticated) -> Iterator[Callable[[], object]]:
    """Yield functions that try to change an outcome or its session."""
    identity = outcome.session.identity
    yield lambda: identity.traits.__setitem__("roles", ["admin"])
    yield lambda: identity.traits["roles"].append("admin")
    yield lambda: identity.metadata_public["a"][0].update(admin=True)
    yield lambda: (identity.model_extra or {})["new"].setdefault("admin", True)
    yield lambda: setattr(identity, "id", BOB)
    yield lambda: setattr(outcome, "session", None)


async def test_handler_cannot_change_the_session_of_the_next_request(bench: Bench) -> None:
    """Requests share the cached session, which is immutable; each has its own state."""
    identity = {"id": ALICE, "traits": {"roles": ["user"]}, "metadata_public": {"a": [{}]}, "new": {}}
    bench.kratos.responses[b"tok-A"] = raw_response(session(identity=identity))
    for _ in range(2):
        reply = await bench.get(token())
        assert isinstance(reply.outcome, Authenticated)
        assert reply.scope["state"]["session"] is reply.outcome.session
        assert [*reply.outcome.session.identity.traits["roles"]] == ["user"]
        for change in changes_to(reply.outcome):
            with pytest.raises((TypeError, AttributeError, ValueError)):
                change()
        reply.scope["state"]["session"] = None


# --- concurrent requests


def delay_responses(kratos: RawKratos) -> asyncio.Event:
    """Let Kratos decide about each request when it arrives, and send the response when the event is set."""
    released = asyncio.Event()

    async def handle(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        response = kratos.responses.get(request.credential, UNAUTHORIZED)
        await released.wait()
        writer.write(response)

    kratos.handler = handle
    return released


async def test_revalidation_does_not_join_an_earlier_check(bench: Bench) -> None:
    """The earlier request may have been sent before a logout."""
    await bench.get(token())
    released = delay_responses(bench.kratos)
    bench.kratos.received.clear()
    first = asyncio.create_task(bench.get(token(path="/revalidate")))
    await bench.kratos.received.wait()
    bench.kratos.responses.clear()
    second = asyncio.create_task(bench.get(token(path="/revalidate")))
    await eventually(lambda: len(bench.kratos.requests) == 3)
    released.set()

    assert [reply.status for reply in await asyncio.gather(first, second)] == [200, 401]
