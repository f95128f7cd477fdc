"""Sockets and streams end with the session that opened them; redirects don't go on for ever."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request as StarletteRequest
from starlette.websockets import WebSocket
from support.memory_store import SOON
from support.raw_kratos import UNAUTHORIZED, RawKratos, error_body, raw_response, respond

from ory_guard import GuardSettings, OryGuard, OrySessionMiddleware
from ory_guard.models import Session

from .bench import Bench, TurnedClock, token
from .harness import Reply, Request, Vigil, call, navigation
from .users import ALICE, session

pytestmark = pytest.mark.anyio

EVERY = 0.05


@pytest.fixture(autouse=True)
def _counted(tried: Counter[str]) -> None:
    tried["sequences"] += 1


async def _open_socket(
    bench: Bench, every: float = EVERY, when_open: Callable[[], Awaitable[None]] | None = None, **conditions: Any
) -> tuple[Reply, float]:
    """Keep a socket open for as long as it may be, and return what was sent and the seconds it was open."""
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


async def test_a_socket_closes_when_its_session_ends_at_kratos(kratos: RawKratos) -> None:
    """W05: with 1008, within the interval, though nobody told the guard."""
    bench = Bench(kratos)

    async def sign_out() -> None:
        kratos.responses.clear()

    async with Vigil():
        reply, seconds = await _open_socket(bench, when_open=sign_out)
    assert _closed_with(reply) == 1008
    assert seconds < SOON
    await bench.guard.aclose()


async def test_a_socket_closes_at_once_when_its_session_is_revoked_here(kratos: RawKratos) -> None:
    """The interval does not matter to a revocation through the guard."""
    bench = Bench(kratos)

    async def revoke() -> None:
        kratos.responses.clear()
        await bench.guard.invalidate(identity_id=ALICE)

    reply, seconds = await _open_socket(bench, every=3_600, when_open=revoke)
    assert _closed_with(reply) == 1008
    assert seconds < SOON
    await bench.guard.aclose()


async def test_a_block_that_loses_its_cancellation_ends_all_the_same(
    kratos: RawKratos, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Python 3.11's `wait_for` can: it is cancelled again, and every cancellation is taken back."""
    monkeypatch.setattr("ory_guard.guard.watch._CANCEL_INTERVAL", 0.01)
    bench = Bench(kratos)
    lost = 0

    async def lose_three() -> None:
        nonlocal lost
        kratos.responses.clear()
        while lost < 3:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(2 * SOON)
            lost += 1

    reply, seconds = await _open_socket(bench, when_open=lose_three)
    assert _closed_with(reply) == 1008
    assert seconds < SOON
    assert lost == 3
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await bench.guard.aclose()


async def test_a_revocation_during_a_look_is_looked_at_again(kratos: RawKratos) -> None:
    """Who is revoked while a condition of the application's takes its time does not stay to the next interval."""
    bench = Bench(kratos)
    looks = 0

    async def slowly(_session: Session[Any]) -> bool:
        nonlocal looks
        looks += 1
        if looks == 2:  # the first look of the watch
            kratos.responses.clear()
            await bench.guard.invalidate(identity_id=ALICE)
        return True

    reply, seconds = await _open_socket(bench, every=3_600, when=slowly)
    assert _closed_with(reply) == 1008
    assert seconds < SOON
    await bench.guard.aclose()


async def test_a_revoked_session_does_not_outlive_an_outage(kratos: RawKratos) -> None:
    """Revoked here while Kratos can't be asked: what was known counts no longer, so the socket closes with 1013."""
    bench = Bench(kratos)

    async def revoke() -> None:
        kratos.handler = respond(raw_response(error_body(500), 500))
        await bench.guard.invalidate(identity_id=ALICE)

    reply, seconds = await _open_socket(bench, every=3_600, when_open=revoke)
    assert _closed_with(reply) == 1013
    assert seconds < SOON
    await bench.guard.aclose()


async def test_an_outage_closes_sockets_after_the_time_a_session_is_kept(kratos: RawKratos) -> None:
    """A Kratos that is down ends nobody's socket at once, and nobody stays on for longer than is promised."""
    clock = TurnedClock(datetime.now(UTC).timestamp())
    bench = Bench(kratos, clock, cache_ttl=30)
    began = clock.steady
    survived = 0.0

    async def break_down() -> None:
        nonlocal survived
        kratos.handler = respond(raw_response(error_body(500), 500))
        while len(kratos.requests) < 3:  # the first that the watch asks, and its retry after a second
            clock.move(1.5)
            await asyncio.sleep(0.1)
        survived = clock.steady - began
        clock.move(30)

    reply, _ = await _open_socket(bench, when_open=break_down)
    assert 0 < survived < 30
    assert _closed_with(reply) == 1013
    await bench.guard.aclose()


async def test_a_socket_closes_when_its_session_loses_what_the_route_asks_for(kratos: RawKratos) -> None:
    """Every requirement that was met when the socket opened is asked of it later, too."""
    now = datetime.now(UTC).isoformat()
    methods = [{"method": "totp", "aal": "aal2", "completed_at": now}]
    kratos.responses[b"tok-A"] = raw_response(
        session(authenticator_assurance_level="aal2", authentication_methods=methods)
    )
    bench = Bench(kratos)

    async def step_down() -> None:
        kratos.responses[b"tok-A"] = raw_response(session())

    reply, _ = await _open_socket(bench, when_open=step_down, aal="aal2")
    assert _closed_with(reply) == 1008
    await bench.guard.aclose()


async def test_a_condition_that_breaks_leaves_no_socket_open(kratos: RawKratos) -> None:
    """What `when` raises at a later look is the application's error, and ends the block."""
    bench = Bench(kratos)
    looks = 0

    def breaks_later(_session: Session[Any]) -> bool:
        nonlocal looks
        looks += 1
        if looks > 1:
            raise LookupError("no such tenant")
        return True

    with pytest.raises(LookupError, match="no such tenant"):
        await _open_socket(bench, when=breaks_later)
    await bench.guard.aclose()


@pytest.mark.parametrize("cache_ttl", [0, 3_600])
async def test_many_sockets_of_a_session_share_one_look(kratos: RawKratos, cache_ttl: float) -> None:
    """Twenty sockets cost Kratos one request in each interval, however short answers are kept for."""
    bench = Bench(kratos, cache_ttl=cache_ttl)

    async def wait() -> None:
        await asyncio.sleep(0.55)
        kratos.responses.clear()

    started = time.monotonic()
    await asyncio.gather(*(_open_socket(bench, every=0.1, when_open=wait) for _ in range(20)))
    assert len(kratos.requests) <= 4 + (time.monotonic() - started) / 0.1
    await bench.guard.aclose()


async def test_a_stream_ends_with_its_session(kratos: RawKratos) -> None:
    """An event stream stops when the session is over, and its client sees an end, no error."""
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
    seen = [tick async for tick in bench.guard.watch(request, every=EVERY).stream(ticks())]
    assert 3 <= len(seen) < SOON / 0.01
    await bench.guard.aclose()


async def test_a_cancelled_socket_stays_cancelled(kratos: RawKratos) -> None:
    """The server's own cancellation is not taken for the session's end."""
    bench = Bench(kratos)
    task = asyncio.create_task(_open_socket(bench))
    await asyncio.sleep(EVERY * 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await bench.guard.aclose()


async def test_the_third_redirect_for_a_page_is_a_page(kratos: RawKratos) -> None:
    """A browser that comes back without a session is sent to sign in twice, and then told what goes round."""
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


async def test_a_refused_cookie_goes_round_no_further(kratos: RawKratos) -> None:
    """The same for a session cookie that Kratos set and does not take: no endless way between the two."""
    kratos.handler = respond(UNAUTHORIZED)
    bench = Bench(kratos)
    counted = b""
    statuses = []
    for _ in range(3):
        reply = await bench.get(navigation((b"cookie", b"ory_kratos_session=ck-A" + counted)))
        statuses.append(reply.status)
        counted = b"; " + reply.one(b"set-cookie").partition(";")[0].encode() if reply.all(b"set-cookie") else b""

    assert statuses == [303, 303, 401]
    await bench.guard.aclose()


_ONE_COUNT = rb"[0-9]\.[0-9]{1,12}\.[0-9a-f]{8}"
_COUNT = re.compile(rb"ory_guard_redirects=%b(-%b){0,3}; Path=/; Max-Age=[0-9]{1,2}; " % (_ONE_COUNT, _ONE_COUNT))
_pieces = st.one_of(
    st.sampled_from([b"ory_guard_redirects=", b".", b";", b"1", b"9" * 30, b"-1", b"=", b" ", b"\r\n", b"\xb2"]),
    st.sampled_from([b"-", b"1.1799999990.0123abcd", b"9.1799999990.aaaaaaaa-", b"0.1.\nbcdefgh"]),
    st.binary(max_size=6),
)


@settings(
    max_examples=150,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(cookie=st.lists(_pieces, max_size=8).map(b"".join))
def test_a_forged_count_does_no_harm(cookie: bytes, tried: Counter[str]) -> None:
    """Whatever stands in the loop breaker's cookie, it ends in a redirect or the page, with a count that is one."""
    tried["property examples"] += 1
    guard = OryGuard(
        GuardSettings(kratos_public_url="http://127.0.0.1:4433", app_url="https://app.example.com"),
        clock=TurnedClock(),
    )

    async def endpoint(scope: Any, _receive: Any, _send: Any) -> None:
        await guard.require(scope)

    request = navigation((b"cookie", cookie), (b"cookie", b"ory_guard_redirects=" + cookie))
    reply = asyncio.run(call(OrySessionMiddleware(endpoint, guard=guard), request))
    assert reply.status in (303, 401)
    assert all(_COUNT.match(value) for value in reply.all(b"set-cookie"))
