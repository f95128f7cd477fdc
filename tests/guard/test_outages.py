"""Outages and invalid responses of Kratos: requests get 503, and no user is logged out."""

from typing import Any

import httpx2
import pytest
from support.applications import gated, public
from support.asgi_calls import NAVIGATE, call
from support.clock import AdjustableClock
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench, request, settings_of
from support.raw_kratos import (
    RawKratos,
    error_body,
    hang,
    hang_up,
    raw_response,
    respond,
    respond_slowly,
    respond_without_end,
)
from support.scripted_kratos import KratosResponse, session_body, signed_in

from ory_guard import Authenticated, OryGuard, Unavailable
from ory_guard.exceptions import SessionCheckUnavailable

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


@pytest.mark.parametrize("reply", FAILURES.values(), ids=FAILURES.keys())
async def test_failing_kratos_neither_authenticates_nor_logs_out(reply: Any) -> None:
    """An API client gets 503, a browser gets a 503 page without a login link, and public pages work."""
    async with RawKratos(reply) as kratos:
        settings = settings_of(kratos_public_url=kratos.url, timeout=DEADLINE)
        guards = [OryGuard(settings, clock=AdjustableClock()) for _ in range(3)]
        api = await call(gated(guards[0]), headers=[SESSION_TOKEN])
        page = await call(gated(guards[1]), headers=[SESSION_COOKIE, NAVIGATE])
        public_response = await call(public(guards[2]), headers=[SESSION_TOKEN])
        for each in guards:
            await each.aclose()

    assert (api.status, api.error_id) == (503, "session_check_unavailable")
    assert 1 <= int(api.header(b"retry-after") or b"") <= 60
    assert api.header(b"www-authenticate") is api.header(b"set-cookie") is None
    assert "redirect_browser_to" not in api.json
    assert (page.status, page.header(b"location")) == (503, None)
    assert (public_response.status, public_response.json["outcome"]) == (200, "Unavailable")
    assert public_response.json["is_authenticated"] is False


# --- invalid responses cost one call a second per credential

INVALID = KratosResponse(404, b"")
FAILURE = Unavailable("protocol")


@pytest.mark.parametrize("options", [{}, {"cache_ttl": 0}, {"negative_ttl": 0}], ids=repr)
async def test_protocol_failure_is_remembered_for_a_second(options: dict[str, Any]) -> None:
    """For its own credential only."""
    bench = Bench(INVALID, signed_in(), **options)

    assert [await bench.outcome() for _ in range(3)] == [FAILURE] * 3
    assert bench.calls == 1
    assert isinstance(await bench.outcome((b"x-session-token", b"other")), Authenticated)
    bench.clock.advance(1)
    assert isinstance(await bench.outcome(), Authenticated)


@pytest.mark.parametrize("is_pooled", [True, False], ids=["pool", "transport"])
@pytest.mark.parametrize(
    ("status", "outcome", "calls"),
    [(502, Unavailable("unreachable"), 2), (429, Unavailable("rate_limited", 9), 1), (403, FAILURE, 1)],
)
async def test_size_of_an_error_page_does_not_hide_an_outage_or_a_rate_limit(
    status: int, outcome: Unavailable, calls: int, *, is_pooled: bool
) -> None:
    page = b" " * 70_000
    async with RawKratos(raw_response(page, status, ("Retry-After", "9"))) as kratos:
        transport = None if is_pooled else httpx2.AsyncHTTPTransport()
        guard = OryGuard(settings_of(kratos_public_url=kratos.url), transport=transport)

        assert [await guard.authenticate(request()) for _ in range(2)] == [outcome] * 2

        assert len(kratos.requests) == calls
        await guard.aclose()


async def test_revalidation_bypasses_the_failure() -> None:
    """An ordinary request after it has the new result."""
    bench = Bench(INVALID, signed_in(), cache_ttl=0)
    with pytest.raises(SessionCheckUnavailable):
        await bench.guard.require(request())

    session = await bench.guard.require(request(), revalidate=True)

    assert session.active
    assert isinstance(await bench.outcome(), Authenticated)
