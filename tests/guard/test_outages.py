"""Outages of Kratos over real sockets: requests get 503, and no user is logged out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.applications import gated, public
from support.asgi_calls import NAVIGATE, SentResponse, call
from support.clock import AdjustableClock
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, settings_of
from support.memory_store import eventually
from support.raw_kratos import (
    UNAUTHORIZED,
    RawKratos,
    error_body,
    hang,
    hang_up,
    raw_response,
    respond,
    respond_slowly,
    respond_without_end,
)
from support.scripted_kratos import session_body

from ory_guard import OryGuard

pytestmark = pytest.mark.anyio

DEADLINE = 0.3
SESSION = raw_response(session_body())
SLOW = respond_slowly(SESSION)

FAILURES: dict[str, Any] = {
    "silent": hang,
    "a byte at a time": SLOW,
    "closed connection": hang_up,
    "incomplete": respond(SESSION[:-20], then_close=True),
    "endless": respond_without_end,
    "too large": raw_response(session_body(note="x" * 300_000)),
    "500": raw_response(error_body(500), 500),
    "502 of a proxy": raw_response(b"<html>Bad Gateway</html>", 502, content_type="text/html"),
    "503": raw_response(b"", 503),
    "429": raw_response(error_body(429), 429, ("Retry-After", "3")),
    "404": raw_response(error_body(404), 404),
    "HTML page": raw_response(b"<html>Welcome</html>"),
    "session without fields": raw_response({"id": "s", "active": True}),
    "empty object": raw_response({}),
    "compressed": raw_response(session_body(), 200, ("Content-Encoding", "gzip")),
    "redirect": raw_response(b"", 302, ("Location", "http://127.0.0.1:9/")),
    "403 of a firewall": raw_response(b"blocked", 403),
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "status line only": b"HTTP/1.1 200 OK\r\n",
    "two lengths": raw_response(session_body(), 200, ("Content-Length", "5")),
    "HTTP/0.9": b"<html>HTTP/0.9</html>\r\n\r\n",
}


@asynccontextmanager
async def guard_of(*replies: Any, **changes: Any) -> AsyncIterator[tuple[OryGuard, RawKratos]]:
    """Return a guard for a Kratos with these replies; its timeout is long by default."""
    async with RawKratos(*replies) as kratos:
        settings = settings_of(**{"kratos_public_url": kratos.url, "timeout": 60, **changes})
        guard = OryGuard(settings, clock=AdjustableClock())
        try:
            yield guard, kratos
        finally:
            await guard.aclose()


def assert_unavailable(response: SentResponse) -> None:
    """Assert a 503 that does not log out the user."""
    assert response.status == 503
    assert response.error_id == "session_check_unavailable"
    assert 1 <= int(response.header(b"retry-after") or b"") <= 60
    assert response.header(b"www-authenticate") is None
    assert response.header(b"set-cookie") is None
    assert "redirect_browser_to" not in response.json


@pytest.mark.parametrize("reply", FAILURES.values(), ids=FAILURES.keys())
async def test_failing_kratos_neither_authenticates_nor_logs_out(reply: Any) -> None:
    """An API client gets 503, a browser gets a 503 page without a login link, and public pages work."""
    async with guard_of(reply, SESSION, timeout=DEADLINE) as (guard, _kratos):
        assert_unavailable(await call(gated(guard), headers=[SESSION_TOKEN]))
    async with guard_of(reply, timeout=DEADLINE) as (guard, _kratos):
        page = await call(gated(guard), headers=[SESSION_COOKIE, NAVIGATE])
        assert (page.status, page.header(b"location")) == (503, None)
    async with guard_of(reply, timeout=DEADLINE) as (guard, _kratos):
        public_response = await call(public(guard), headers=[SESSION_TOKEN])
        assert (public_response.status, public_response.json["outcome"]) == (200, "Unavailable")
        assert public_response.json["is_authenticated"] is False


async def test_rejected_credential_is_not_accepted_during_an_outage() -> None:
    """When the cached 401 has expired, the response is 503."""
    async with guard_of(UNAUTHORIZED, hang_up, negative_ttl=0) as (guard, _kratos):
        assert (await call(gated(guard), headers=[SESSION_TOKEN])).status == 401
        assert_unavailable(await call(gated(guard), headers=[SESSION_TOKEN]))


async def test_slow_kratos_does_not_delay_requests_without_a_valid_credential() -> None:
    """Anonymous requests and malformed credentials need no call to Kratos."""
    async with guard_of(hang) as (guard, kratos):
        waiting = asyncio.ensure_future(call(gated(guard), headers=[SESSION_TOKEN]))
        await eventually(lambda: kratos.requests)

        assert (await call(gated(guard))).status == 401
        assert (await call(gated(guard), headers=[(b"x-session-token", b"a b")])).status == 401

        assert not waiting.done()
        await guard.aclose()
        assert_unavailable(await waiting)
        assert len(kratos.requests) == 1


async def test_requests_above_the_concurrency_limit_get_503() -> None:
    """They wait until the deadline and are not sent to Kratos."""
    async with guard_of(SESSION, max_upstream_concurrency=2, timeout=0.05) as (guard, kratos):
        pool = await guard.authentication.checker._whoami.pool()
        assert pool is not None
        pool._max_connections = 0  # all connections are in use
        for number in range(4):
            assert_unavailable(await call(gated(guard), headers=[(b"x-session-token", b"t%d" % number)]))

        assert kratos.requests == []
