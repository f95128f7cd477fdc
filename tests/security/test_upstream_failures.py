"""Failures and redirects of Kratos deny requests, log no user out, and lead to no other server."""

import asyncio
import tracemalloc
import zlib
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx2 import AsyncHTTPTransport, Limits
from support.raw_kratos import UNAUTHORIZED, RawKratos, RawRequest, error_body, raw_response, respond

from .bench import ALICE, BOB, Bench, identity_of, navigation, socket, token

pytestmark = pytest.mark.anyio

MakeBench = Callable[..., Bench]
TOKEN = (b"x-session-token", b"tok-A")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_not_followed(bench: Bench, status: int) -> None:
    """Its target receives no connection, and a redirect to Kratos itself is not a loop."""
    async with RawKratos() as other:
        for target in (other.url, bench.kratos.url):
            bench.kratos.requests.clear()
            bench.clock.advance(1)  # a protocol failure is remembered for a second
            location = ("Location", f"{target}/sessions/whoami")
            bench.kratos.handler = respond(raw_response(b"", status, location))
            assert (await bench.get(token())).status == 503
            assert len(bench.kratos.requests) == 1
        assert other.connections == 0


async def test_redirect_in_a_response_of_kratos_is_ignored(bench: Bench) -> None:
    """A step-up leads to the configured Kratos."""
    body = error_body(403, "session_aal2_required", redirect_browser_to="https://evil.com/")
    bench.kratos.handler = respond(raw_response(body, 403))
    page = await bench.get(navigation(TOKEN))
    api = await bench.get(token())

    location = urlsplit(page.all(b"location")[0].decode("ascii"))
    assert (page.status, location.netloc) == (303, "id.example.com")
    assert parse_qs(location.query) == {"aal": ["aal2"], "return_to": ["https://app.example.com/p"]}
    assert api.status == 403
    assert b"evil.com" not in api.body


async def test_compressed_response_is_not_decompressed(bench: Bench) -> None:
    """It contains 50 MB of blanks."""
    compressor = zlib.compressobj(1, wbits=31)
    parts = [compressor.compress(b" " * 1_000_000) for _ in range(50)]
    compressed = b"".join([*parts, compressor.flush()])
    bench.kratos.handler = respond(raw_response(compressed, 200, ("Content-Encoding", "gzip")))
    tracemalloc.start()
    try:
        assert await bench.who() == "Unavailable:protocol"
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


async def test_401_for_all_requests_logs_no_user_out(bench: Bench) -> None:
    """Kratos sends it while its database is down: cached sessions stay, and no cookie is expired."""
    assert identity_of(await bench.get(token())) == ALICE
    bench.kratos.handler = respond(UNAUTHORIZED)
    page = await bench.get(navigation((b"cookie", b"ory_kratos_session=ck-B")))

    assert page.status == 303
    assert all(b"ory_kratos_session" not in value for value in page.all(b"set-cookie"))
    assert identity_of(await bench.get(token())) == ALICE


async def test_websocket_is_rejected_before_it_is_accepted(bench: Bench) -> None:
    """With a 503 response if the server supports it, otherwise by closing the socket."""
    bench.kratos.handler = respond(raw_response(error_body(500), 500))
    denied = await bench.get(socket(TOKEN))
    closed = await bench.get(socket(TOKEN, extensions={}))

    assert (denied.status, denied.header(b"retry-after")) == (503, b"1")
    assert closed.status == 1008


async def assert_no_surplus_response_is_used(bench: Bench) -> None:
    """Send requests of two users to a Kratos that sends each response twice."""

    async def respond_twice(sent: RawRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(bench.kratos.responses[sent.credential] * 2)

    bench.kratos.handler = respond_twice
    for _ in range(5):
        assert identity_of(await bench.get(token("tok-A"))) == ALICE
        assert identity_of(await bench.get(token("tok-B"))) == BOB
        await bench.guard.invalidate(identity_id=ALICE)
        await bench.guard.invalidate(identity_id=BOB)
    assert bench.kratos.connections == 10


async def test_surplus_response_is_not_read_as_the_next_response(make_bench: MakeBench) -> None:
    """The connection is closed."""
    await assert_no_surplus_response_is_used(make_bench())


async def test_surplus_response_is_not_read_without_keep_alive(make_bench: MakeBench) -> None:
    """With reused connections it can be: docs/security.md lists that as a residual risk."""
    transport = AsyncHTTPTransport(limits=Limits(max_keepalive_connections=0))
    await assert_no_surplus_response_is_used(make_bench(transport=transport))
