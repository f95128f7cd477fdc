"""A failing Kratos denies requests, logs no user out, and is not called more often than necessary."""

import asyncio
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from httpx2 import AsyncHTTPTransport, Limits
from support.raw_kratos import UNAUTHORIZED, RawKratos, RawRequest, error_body, raw_response, respond

from ory_guard import Rejected

from .bench import Bench, token
from .harness import Request, navigation, socket
from .users import ALICE, BOB

pytestmark = pytest.mark.anyio

COOKIE = Request(((b"cookie", b"ory_kratos_session=ck-A"),))
MakeBench = Callable[..., Bench]

FAIL = respond(raw_response(error_body(500), 500))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_not_followed(bench: Bench, status: int) -> None:
    """Its target receives no connection, and a redirect to Kratos itself is not a loop."""
    async with RawKratos() as other:
        for target in (other.url, bench.kratos.url):
            bench.kratos.requests.clear()
            await bench.guard.invalidate(session_id="another")  # a protocol failure is remembered for a second
            location = ("Location", f"{target}/sessions/whoami")
            bench.kratos.handler = respond(raw_response(b"", status, location))
            assert (await bench.get(token())).status == 503
            assert len(bench.kratos.requests) == 1
        assert other.connections == 0
    bench.kratos.handler = None
    await bench.guard.invalidate(session_id="another")
    assert (await bench.get(token())).identity == ALICE


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", "7"), ("-1", "1"), ("99999999", "60"), ("x", "1"), ("", "1"), ("0", "1")]
)
async def test_rate_limit_holds_one_credential(bench: Bench, header: str, seconds: str) -> None:
    """Responses have the `Retry-After` of Kratos, limited to 1 to 60 seconds; other users are not affected."""
    limited = respond(raw_response(error_body(429), 429, ("Retry-After", header)))
    bench.kratos.handler = limited
    replies = [await bench.get(token())]
    bench.kratos.handler = None
    replies += await asyncio.gather(*(bench.get(token()) for _ in range(100)))

    assert {(reply.status, reply.one(b"retry-after")) for reply in replies} == {(503, seconds)}
    assert len(bench.kratos.requests) == 1
    assert await bench.who("ck-A") == ALICE


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


async def test_failure_is_shared_but_not_cached(bench: Bench) -> None:
    bench.kratos.handler = FAIL
    replies = await asyncio.gather(*(bench.get(COOKIE) for _ in range(10)))
    assert [reply.status for reply in replies] == [503] * 10
    assert len(bench.kratos.requests) == 1

    bench.kratos.handler = None
    assert (await bench.get(COOKIE)).identity == ALICE


async def test_401_without_an_error_of_kratos_does_not_reject(bench: Bench) -> None:
    """A proxy may have sent it; it is remembered for a second."""
    bench.kratos.handler = respond(raw_response(b"no", 401))
    assert [await bench.who() for _ in range(3)] == ["Unavailable:protocol"] * 3
    assert len(bench.kratos.requests) == 1
    bench.kratos.handler = None
    bench.clock.advance(1)

    assert (await bench.get(token())).identity == ALICE


async def test_401_for_all_requests_logs_no_user_out(bench: Bench) -> None:
    """Kratos sends it while its database is down: cached sessions stay, and no cookie is expired."""
    assert (await bench.get(token())).identity == ALICE
    bench.kratos.handler = respond(UNAUTHORIZED)
    page = await bench.get(navigation((b"cookie", b"ory_kratos_session=ck-B")))

    assert page.status == 303
    assert all(b"ory_kratos_session" not in value for value in page.all(b"set-cookie"))
    assert (await bench.get(token())).identity == ALICE


async def test_websocket_is_rejected_before_it_is_accepted(bench: Bench) -> None:
    """With a 503 response if the server supports it, otherwise by closing the socket."""
    bench.kratos.handler = FAIL
    denied = await bench.get(socket((b"x-session-token", b"tok-A")))
    closed = await bench.get(Request(token().headers, path="/ws", websocket=True))

    assert (denied.status, denied.one(b"retry-after")) == (503, "1")
    assert [message["type"] for message in closed.messages] == ["websocket.close"]


@pytest.mark.parametrize("scope_type", ["webtransport", "", None])
async def test_unknown_scope_type_is_rejected(bench: Bench, scope_type: str | None) -> None:
    class OtherType(Request):
        def scope(self) -> dict[str, object]:
            return {**super().scope(), "type": scope_type}

    with pytest.raises(RuntimeError, match="ory_guard"):
        await bench.get(OtherType(token().headers))
    # Without a middleware the guard treats it as a websocket: a cookie needs a trusted origin.
    outcome = await bench.guard.authenticate(OtherType(COOKIE.headers).scope())
    assert outcome == Rejected("origin", "cookie")
    assert bench.kratos.requests == []


async def assert_no_surplus_response_is_used(bench: Bench) -> None:
    """Send requests of two users to a Kratos that sends each response twice."""

    async def respond_twice(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(bench.kratos.responses[request.credential] * 2)

    bench.kratos.handler = respond_twice
    for _ in range(5):
        assert (await bench.get(token("tok-A"))).identity == ALICE
        assert (await bench.get(token("tok-B"))).identity == BOB
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
