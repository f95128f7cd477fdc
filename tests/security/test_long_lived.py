"""Websockets and streams end with their session; redirects end after three requests."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request as StarletteRequest
from starlette.websockets import WebSocket
from support.clock import AdjustableClock
from support.memory_store import SOON
from support.raw_kratos import UNAUTHORIZED, RawKratos, error_body, raw_response, respond

from ory_guard import GuardSettings, OryGuard, OrySessionMiddleware
from ory_guard.models import Session

from .bench import Bench, token
from .harness import Monitor, Reply, Request, call, navigation
from .users import ALICE, session

pytestmark = pytest.mark.anyio

EVERY = 0.05


async def _open_socket(
    bench: Bench, every: float = EVERY, when_open: Callable[[], Awaitable[None]] | None = None, **conditions: Any
) -> tuple[Reply, float]:
    """Open a watched websocket, and return the messages and the seconds until it was closed."""
    opened = ended = 0.0

    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        nonlocal opened, ended
        websocket = WebSocket(scope, receive, send)
        await bench.guard.require(websocket, **conditions)
        await websocket.accept()
        opened = time.monotonic()
        async with bench.guard.watch(websocket, every=every):
            if when_open is not None:
                await when_open()
            await asyncio.sleep(2 * SOON)
        ended = time.monotonic()

    request = Request(token().headers, path="/ws", websocket=True)
    return await call(OrySessionMiddleware(endpoint, guard=bench.guard), request), ended - opened


def _closed_with(reply: Reply) -> int | None:
    return next((message["code"] for message in reply.messages if message["type"] == "websocket.close"), None)


async def test_socket_closes_within_the_interval_if_its_session_ends_at_kratos(kratos: RawKratos) -> None:
    bench = Bench(kratos)

    async def end_session() -> None:
        kratos.responses.clear()

    async with Monitor():
        reply, seconds = await _open_socket(bench, when_open=end_session)
    assert _closed_with(reply) == 1008
    assert seconds < SOON
    await bench.guard.aclose()


async def test_socket_closes_at_once_if_its_session_is_invalidated(kratos: RawKratos) -> None:
    bench = Bench(kratos)

    async def revoke() -> None:
        kratos.responses.clear()
        await bench.guard.invalidate(identity_id=ALICE)

    reply, seconds = await _open_socket(bench, every=3_600, when_open=revoke)
    assert _closed_with(reply) == 1008
    assert seconds < SOON
    await bench.guard.aclose()


@pytest.mark.parametrize("invalidate", [False, True])
async def test_socket_closes_in_every_framework(bench: Bench, *, invalidate: bool) -> None:
    request = Request(token().headers, path="/live", websocket=True)
    messages = asyncio.Queue[dict[str, Any]]()

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    running = asyncio.ensure_future(bench.application(request.scope(), receive, messages.put))
    assert (await asyncio.wait_for(messages.get(), SOON))["type"] == "websocket.accept"
    bench.kratos.responses.clear()
    if invalidate:
        await bench.guard.invalidate(identity_id=ALICE)
    else:
        bench.clock.advance(60)
    close = await asyncio.wait_for(messages.get(), SOON)
    await asyncio.wait_for(running, SOON)

    assert (close["type"], close["code"]) == ("websocket.close", 1008)
    assert messages.empty()


async def test_cancellation_is_repeated_until_the_block_ends(
    kratos: RawKratos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`asyncio.wait_for` of Python 3.11 can swallow one. Afterwards the task is not cancelled."""
    monkeypatch.setattr("ory_guard.guard.watch._CANCEL_INTERVAL", 0.01)
    bench = Bench(kratos)
    swallowed = 0

    async def swallow_three_cancellations() -> None:
        nonlocal swallowed
        kratos.responses.clear()
        while swallowed < 3:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(2 * SOON)
            swallowed += 1

    reply, seconds = await _open_socket(bench, when_open=swallow_three_cancellations)
    assert _closed_with(reply) == 1008
    assert seconds < SOON
    assert swallowed == 3
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await bench.guard.aclose()


async def test_invalidation_during_a_revalidation_starts_another(kratos: RawKratos) -> None:
    """The socket does not stay open until the next interval."""
    bench = Bench(kratos)
    evaluations = 0

    async def invalidate_during_evaluation(_session: Session[Any]) -> bool:
        nonlocal evaluations
        evaluations += 1
        if evaluations == 2:  # the first revalidation
            kratos.responses.clear()
            await bench.guard.invalidate(identity_id=ALICE)
        return True

    reply, seconds = await _open_socket(bench, every=3_600, when=invalidate_during_evaluation)
    assert _closed_with(reply) == 1008
    assert seconds < SOON
    await bench.guard.aclose()


async def test_socket_closes_if_its_session_is_invalidated_during_an_outage(kratos: RawKratos) -> None:
    bench = Bench(kratos)

    async def revoke() -> None:
        kratos.handler = respond(raw_response(error_body(500), 500))
        await bench.guard.invalidate(identity_id=ALICE)

    reply, seconds = await _open_socket(bench, every=3_600, when_open=revoke)
    assert _closed_with(reply) == 1013
    assert seconds < SOON
    await bench.guard.aclose()


async def test_outage_closes_sockets_after_cache_ttl(kratos: RawKratos) -> None:
    """Not at once, and not later than documented."""
    clock = AdjustableClock(datetime.now(UTC))
    bench = Bench(kratos, clock, cache_ttl=30)
    started = clock.monotonic()
    survived = 0.0

    async def fail() -> None:
        nonlocal survived
        kratos.handler = respond(raw_response(error_body(500), 500))
        while len(kratos.requests) < 3:  # of the first revalidation and its retry after a second
            clock.advance(1.5)
            await asyncio.sleep(0.1)
        survived = clock.monotonic() - started
        clock.advance(30)

    reply, _ = await _open_socket(bench, when_open=fail)
    assert 0 < survived < 30
    assert _closed_with(reply) == 1013
    await bench.guard.aclose()


async def test_socket_closes_if_its_session_no_longer_meets_the_requirement(kratos: RawKratos) -> None:
    now = datetime.now(UTC).isoformat()
    methods = [{"method": "totp", "aal": "aal2", "completed_at": now}]
    kratos.responses[b"tok-A"] = raw_response(
        session(authenticator_assurance_level="aal2", authentication_methods=methods)
    )
    bench = Bench(kratos)

    async def lose_second_factor() -> None:
        kratos.responses[b"tok-A"] = raw_response(session())

    reply, _ = await _open_socket(bench, when_open=lose_second_factor, aal="aal2")
    assert _closed_with(reply) == 1008
    await bench.guard.aclose()


async def test_error_of_a_condition_ends_the_block(kratos: RawKratos) -> None:
    bench = Bench(kratos)
    evaluations = 0

    def fail_later(_session: Session[Any]) -> bool:
        nonlocal evaluations
        evaluations += 1
        if evaluations > 1:
            raise LookupError("no such tenant")
        return True

    with pytest.raises(LookupError, match="no such tenant"):
        await _open_socket(bench, when=fail_later)
    await bench.guard.aclose()


@pytest.mark.parametrize("cache_ttl", [0, 3_600])
async def test_sockets_of_a_session_share_one_revalidation(kratos: RawKratos, cache_ttl: float) -> None:
    """Twenty sockets cause one request per interval, for any `cache_ttl`."""
    bench = Bench(kratos, cache_ttl=cache_ttl)

    async def wait() -> None:
        await asyncio.sleep(0.55)
        kratos.responses.clear()

    started = time.monotonic()
    await asyncio.gather(*(_open_socket(bench, every=0.1, when_open=wait) for _ in range(20)))
    assert len(kratos.requests) <= 4 + (time.monotonic() - started) / 0.1
    await bench.guard.aclose()


async def test_stream_ends_with_its_session(kratos: RawKratos) -> None:
    """The iterator ends without an error."""
    bench = Bench(kratos)

    async def ticks() -> AsyncIterator[int]:
        number = 0
        while True:
            yield number
            number += 1
            if number == 3:
                kratos.responses.clear()
            await asyncio.sleep(0.01)

    request = StarletteRequest(token().scope())
    await bench.guard.require(request)
    received = [tick async for tick in bench.guard.watch(request, every=EVERY).stream(ticks())]
    assert 3 <= len(received) < SOON / 0.01
    await bench.guard.aclose()


async def test_cancellation_by_the_server_is_raised(kratos: RawKratos) -> None:
    """It is not mistaken for the end of the session."""
    bench = Bench(kratos)
    task = asyncio.create_task(_open_socket(bench))
    await asyncio.sleep(EVERY * 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await bench.guard.aclose()


async def test_third_redirect_for_a_page_is_an_error_page(kratos: RawKratos) -> None:
    """The browser returns from the login page without a session each time."""
    bench = Bench(kratos)
    cookies: list[bytes] = []
    statuses = []
    for _ in range(3):
        reply = await bench.get(navigation(*((b"cookie", cookie.partition(b";")[0]) for cookie in cookies[-1:])))
        statuses.append(reply.status)
        cookies += reply.all(b"set-cookie")

    assert statuses == [303, 303, 401]
    assert all(b"HttpOnly; SameSite=Lax; Secure" in cookie for cookie in cookies)
    await bench.guard.aclose()


async def test_redirects_end_if_kratos_rejects_its_own_cookie(kratos: RawKratos) -> None:
    kratos.handler = respond(UNAUTHORIZED)
    bench = Bench(kratos)
    counter = b""
    statuses = []
    for _ in range(3):
        reply = await bench.get(navigation((b"cookie", b"ory_kratos_session=ck-A" + counter)))
        statuses.append(reply.status)
        counter = b"; " + reply.one(b"set-cookie").partition(";")[0].encode() if reply.all(b"set-cookie") else b""

    assert statuses == [303, 303, 401]
    await bench.guard.aclose()


_COUNTER = rb"[0-9]\.[0-9]{1,15}\.[0-9]{1,15}\.[0-9a-f]{8}"
_COOKIE = re.compile(rb"ory_guard_redirects=%b(-%b){0,3}; Path=/; Max-Age=[0-9]{1,2}; " % (_COUNTER, _COUNTER))
_pieces = st.one_of(
    st.sampled_from([b"ory_guard_redirects=", b".", b";", b"1", b"9" * 30, b"-1", b"=", b" ", b"\r\n", b"\xb2"]),
    st.sampled_from([b"-", b"1.1799999990.0123abcd", b"9.1799999990.aaaaaaaa-", b"0.1.\nbcdefgh"]),
    st.binary(max_size=6),
)


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(cookie=st.lists(_pieces, max_size=8).map(b"".join))
def test_forged_redirect_counter_is_ignored(cookie: bytes) -> None:
    """The response is a redirect or the error page, with a valid counter."""
    guard = OryGuard(
        GuardSettings(kratos_public_url="http://127.0.0.1:4433", app_url="https://app.example.com"),
        clock=AdjustableClock(),
    )

    async def endpoint(scope: Any, _receive: Any, _send: Any) -> None:
        await guard.require(scope)

    request = navigation((b"cookie", cookie), (b"cookie", b"ory_guard_redirects=" + cookie))
    reply = asyncio.run(call(OrySessionMiddleware(endpoint, guard=guard), request))
    assert reply.status in (303, 401)
    assert all(_COOKIE.match(value) for value in reply.all(b"set-cookie"))
