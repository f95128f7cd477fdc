"""A Kratos that is down, slow or talks nonsense lets nobody in and never looks like a logout; over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.applications import gated, public
from support.asgi_calls import NAVIGATE, SentResponse, call, connect
from support.memory_store import SOON, eventually
from support.socket_kratos import SESSION, SocketKratos, break_off, drip, flood, hang_up, http, listening, silence
from support.stub_kratos import COOKIE, TOKEN, StandingClock, session_body, settings_of

from ory_guard import OryGuard

pytestmark = pytest.mark.anyio

Pair = tuple[bytes, bytes]
SESSION_TOKEN = (b"x-session-token", TOKEN)
SESSION_COOKIE = (b"cookie", COOKIE)
DEADLINE = 0.3

FAILING: dict[str, Any] = {
    "silent": silence,
    "a byte at a time": drip,
    "hangs up": hang_up,
    "breaks off": break_off,
    "without an end": flood,
    "too large": http(200, session_body(note="x" * 300_000)),
    "500": http(500, {"error": {"code": 500}}),
    "502 of a proxy": http(502, b"<html>Bad Gateway</html>", "Content-Type: text/html"),
    "503": http(503, b""),
    "429": http(429, {"error": {"code": 429}}, "Retry-After: 3"),
    "404": http(404, {"error": {"code": 404}}),
    "a page": http(200, b"<html>Welcome</html>"),
    "half a session": http(200, {"id": "s", "active": True}),
    "no session at all": http(200, {}),
    "compressed": http(200, session_body(), "Content-Encoding: gzip"),
    "moved": http(302, b"", "Location: http://127.0.0.1:9/"),
    "a firewall's 403": http(403, b"blocked"),
    "not http": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "nothing but a line": b"HTTP/1.1 200 OK\r\n",
    "two lengths": http(200, session_body(), "Content-Length: 5"),
    "an old protocol": b"<html>HTTP/0.9</html>\r\n\r\n",
}


@asynccontextmanager
async def guarding(*replies: Any, **changes: Any) -> AsyncIterator[tuple[OryGuard, SocketKratos]]:
    """Return a guard on such a Kratos, which has time enough unless a deadline is given."""
    async with listening(*replies) as kratos:
        settings = settings_of(**{"kratos_public_url": kratos.url, "timeout": 60, **changes})
        guard = OryGuard(settings, clock=StandingClock())
        try:
            yield guard, kratos
        finally:
            await guard.aclose()


def assert_unavailable(answered: SentResponse) -> None:
    """Assert that the answer says "try again", and nothing about who is signed in."""
    assert answered.status == 503
    assert answered.error_id == "session_check_unavailable"
    assert 1 <= int(answered.header(b"retry-after") or b"") <= 60
    assert answered.header(b"www-authenticate") is None
    assert answered.header(b"set-cookie") is None
    assert "redirect_browser_to" not in answered.json


@pytest.mark.parametrize("reply", FAILING.values(), ids=FAILING.keys())
async def test_a_failing_kratos_lets_nobody_in_and_logs_nobody_out(reply: Any) -> None:
    """A program gets 503, a person a page without a way to the login, a public page goes on."""
    async with guarding(reply, SESSION, timeout=DEADLINE) as (guard, _kratos):
        assert_unavailable(await call(gated(guard), headers=[SESSION_TOKEN]))
    async with guarding(reply, timeout=DEADLINE) as (guard, _kratos):
        page = await call(gated(guard), headers=[SESSION_COOKIE, NAVIGATE])
        assert (page.status, page.header(b"location")) == (503, None)
    async with guarding(reply, timeout=DEADLINE) as (guard, _kratos):
        open_to_all = await call(public(guard), headers=[SESSION_TOKEN])
        assert (open_to_all.status, open_to_all.json["outcome"]) == (200, "Unavailable")
        assert open_to_all.json["is_authenticated"] is False


async def test_a_kratos_that_is_not_there() -> None:
    """Connection refused is as much of an outage, and a fast one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        guard = OryGuard(settings_of(kratos_public_url=f"http://127.0.0.1:{free.getsockname()[1]}", timeout=60))

        assert_unavailable(await call(gated(guard), headers=[SESSION_TOKEN]))
        await guard.aclose()


async def test_a_name_that_does_not_resolve() -> None:
    """The reserved domain `.invalid` never does (RFC 6761)."""
    guard = OryGuard(settings_of(kratos_public_url="http://kratos.invalid:4433", timeout=DEADLINE))

    assert_unavailable(await call(gated(guard), headers=[SESSION_TOKEN]))
    await guard.aclose()


@pytest.mark.parametrize("reply", [silence, drip, flood], ids=["silent", "a byte at a time", "without an end"])
async def test_nobody_waits_for_longer_than_the_deadline(reply: Any) -> None:
    """It is one for everything: connecting, asking, reading, and trying again."""
    async with guarding(reply, timeout=DEADLINE) as (guard, _kratos):
        loop = asyncio.get_running_loop()
        started = loop.time()

        assert_unavailable(await call(gated(guard), headers=[SESSION_TOKEN]))

        assert loop.time() - started < SOON


async def test_after_an_outage_the_next_request_is_answered() -> None:
    """Nothing of the failure is kept."""
    async with guarding(hang_up, http(500, b""), SESSION) as (guard, _kratos):
        for _ in range(2):
            assert_unavailable(await call(gated(guard), headers=[SESSION_TOKEN]))

        assert (await call(gated(guard), headers=[SESSION_TOKEN])).status == 200


async def test_an_outage_does_not_end_sessions_that_are_kept() -> None:
    """What is fresh is served; Kratos is not even asked."""
    async with guarding(SESSION, hang_up) as (guard, kratos):
        for _ in range(5):
            assert (await call(gated(guard), headers=[SESSION_TOKEN])).status == 200
        assert len(kratos.heads) == 1


async def test_who_is_refused_stays_refused_during_an_outage() -> None:
    """For as long as Kratos' 401 is kept; then nobody knows, and nobody gets in."""
    refusal = http(401, {"error": {"code": 401}})
    async with guarding(refusal, hang_up, negative_ttl=0) as (guard, _kratos):
        assert (await call(gated(guard), headers=[SESSION_TOKEN])).status == 401
        assert_unavailable(await call(gated(guard), headers=[SESSION_TOKEN]))


async def test_a_slow_kratos_holds_up_nobody_who_sends_nothing() -> None:
    """Anonymous requests and malformed credentials need no answer of Kratos."""
    async with guarding(silence) as (guard, kratos):
        waiting = asyncio.ensure_future(call(gated(guard), headers=[SESSION_TOKEN]))
        await eventually(lambda: kratos.heads)

        assert (await call(gated(guard))).status == 401
        assert (await call(gated(guard), headers=[(b"x-session-token", b"a b")])).status == 401

        assert not waiting.done()
        await guard.aclose()
        assert_unavailable(await waiting)
        assert len(kratos.heads) == 1


async def test_more_requests_than_slots_are_told_to_come_again() -> None:
    """Who finds no slot in time was not checked, and that is a 503 too."""
    async with guarding(SESSION, max_upstream_concurrency=2, timeout=0.05) as (guard, kratos):
        slots = (await guard.authentication.checker._whoami._http._pools.get()).semaphore
        async with slots, slots:
            for number in range(4):
                assert_unavailable(await call(gated(guard), headers=[(b"x-session-token", b"t%d" % number)]))

        assert kratos.heads == []


@pytest.mark.parametrize("reply", [hang_up, http(500, b""), http(200, b"{}")], ids=["hangs up", "500", "nonsense"])
async def test_a_websocket_is_refused_in_an_outage(reply: Callable[..., Any] | bytes) -> None:
    """With the same 503, before it is accepted."""
    async with guarding(reply) as (guard, _kratos):
        start, _body = await connect(gated(guard), headers=[SESSION_TOKEN])

        assert (start["type"], start["status"]) == ("websocket.http.response.start", 503)


async def test_a_burst_with_one_credential_is_one_question_on_the_wire() -> None:
    """Five hundred requests, one connection, one call, five hundred answers."""
    async with guarding(SESSION) as (guard, kratos):
        app = gated(guard)

        answers = await asyncio.gather(*(call(app, headers=[SESSION_TOKEN]) for _ in range(500)))

        assert {answered.status for answered in answers} == {200}
        assert (len(kratos.heads), kratos.connections) == (1, 1)


async def test_the_end_of_a_guard_ends_a_question_under_way() -> None:
    """Whoever waits is told at once that nobody knows."""
    reached = asyncio.Event()

    async def stuck(writer: asyncio.StreamWriter) -> None:
        reached.set()
        await silence(writer)

    async with guarding(SESSION, stuck) as (guard, _kratos):
        await call(gated(guard), headers=[SESSION_TOKEN])
        waiting = asyncio.ensure_future(call(gated(guard), headers=[(b"x-session-token", b"other")]))
        await reached.wait()

        await guard.aclose()

        assert_unavailable(await waiting)
