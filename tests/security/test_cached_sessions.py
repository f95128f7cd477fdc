"""Cached sessions never serve another credential, a stricter requirement, or a request after their end."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from support.applications import reply
from support.memory_store import eventually
from support.raw_kratos import UNAUTHORIZED, RawKratos, RawRequest, raw_response

from ory_guard import OrySessionMiddleware

from .bench import ALICE, BOB, COOKIE, Bench, call, identity_of, request, session, token

pytestmark = pytest.mark.anyio


async def test_unknown_tokens_do_not_evict_sessions(make_bench: Callable[..., Bench]) -> None:
    """Sessions and refusals are cached separately, each up to `max_sessions`."""
    bench = make_bench(max_sessions=20)
    assert identity_of(await bench.get(token())) == ALICE
    assert {(await bench.get(token(f"tok-{number}"))).status for number in range(100)} == {401}
    calls = len(bench.kratos.requests)

    assert identity_of(await bench.get(token())) == ALICE
    assert len(bench.kratos.requests) == calls
    assert bench.guard.stats().entries == 21


@pytest.mark.parametrize("inner_headers", [[(b"x-session-token", b"tok-B")], [], [COOKIE]])
async def test_changed_headers_do_not_change_the_user(
    bench: Bench, inner_headers: list[tuple[bytes, bytes]]
) -> None:
    """A middleware inside may replace or remove the credential; revalidation uses the one that was authenticated.

    Otherwise the response for one credential would be cached under the key of another.
    """
    identities = []

    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        scope["headers"] = inner_headers
        identities.append((await bench.guard.require(scope, revalidate=True)).identity.id)
        await bench.guard.require(scope)
        await reply(send, {})

    app = OrySessionMiddleware(endpoint, guard=bench.guard)
    for _ in range(2):
        assert (await call(app, token("tok-A"))).status == 200
    assert identities == [ALICE, ALICE]
    assert {sent.credential for sent in bench.kratos.requests} == {b"tok-A"}
    assert (await bench.who("tok-A"), await bench.who("tok-B")) == (ALICE, BOB)


async def test_logout_ends_the_session_that_was_authenticated(bench: Bench) -> None:
    """Not that of a cookie which a middleware inside replaced."""

    async def handle_logout(sent: RawRequest, writer: asyncio.StreamWriter) -> None:
        flow = {"logout_url": "https://auth.example.com/bye", "logout_token": "once"}
        is_flow = b"/logout/browser" in sent.target
        writer.write(raw_response(flow) if is_flow else bench.kratos.responses[sent.credential])

    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        scope["headers"] = [(b"cookie", b"ory_kratos_session=ck-B")]
        await bench.guard.logout(scope)
        await reply(send, {})

    bench.kratos.handler = handle_logout
    await call(OrySessionMiddleware(endpoint, guard=bench.guard), request(COOKIE, method="POST"))
    paths = [sent.target.partition(b"?")[0] for sent in bench.kratos.requests]
    assert paths == [b"/sessions/whoami", b"/self-service/logout/browser", b"/self-service/logout"]
    assert {sent.credential for sent in bench.kratos.requests} == {b"ck-A"}


async def test_cached_session_must_meet_stricter_requirements(bench: Bench) -> None:
    bench.kratos.responses[b"tok-A"] = raw_response(session(authenticated_at="2020-01-01T00:00:00Z"))
    assert identity_of(await bench.get(token())) == ALICE

    for path, error_id in (("/aal2", "session_aal2_enrollment_required"), ("/fresh", "session_refresh_required")):
        response = await bench.get(token(path=path))
        assert (response.status, response.error_id) == (403, error_id)


async def test_session_is_not_served_after_its_end(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(cache_ttl=3_600, clock_skew=0)
    expires_at = datetime.fromtimestamp(bench.clock.time() + 5, UTC).isoformat()
    bench.kratos.responses[b"tok-A"] = raw_response(session(expires_at=expires_at))
    assert identity_of(await bench.get(token())) == ALICE
    bench.clock.advance(6)

    assert await bench.who() == "Rejected:inactive"
    assert (await bench.get(token())).status == 401


def delay_responses(kratos: RawKratos) -> asyncio.Event:
    """Let Kratos decide about each request when it arrives, and send the response when the event is set."""
    released = asyncio.Event()

    async def handle(sent: RawRequest, writer: asyncio.StreamWriter) -> None:
        response = kratos.responses.get(sent.credential, UNAUTHORIZED)
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

    assert [response.status for response in await asyncio.gather(first, second)] == [200, 401]
