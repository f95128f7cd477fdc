"""Tests of `ory_guard.client.transport`: deadlines, limits and broken connections, over real sockets."""

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest
from recorded import ScriptedTransport, response

from ory_guard.client import FrontendClient
from ory_guard.client.transport import MAX_RESPONSE_BYTES
from ory_guard.exceptions import KratosProtocolError, KratosTimeout, KratosUnavailable

pytestmark = pytest.mark.anyio

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def kratos(serve: Serve) -> AsyncIterator[str]:
    """Run a server with a handler for its connections, and yield its URL."""
    connections: set[asyncio.Task[None] | None] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())
        try:
            await serve(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.close()
        for connection in connections:
            assert connection is not None
            connection.cancel()
        await server.wait_closed()


def answering(*parts: bytes) -> Serve:
    """Return a handler that sends these bytes for every request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            writer.writelines(parts)
            await writer.drain()

    return serve


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Receive and send nothing."""
    await reader.read()


async def dripping(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send one byte at a time, each within any timeout of a single read."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


LOGOUT = b'{"logout_token": "t", "logout_url": "u"}'
LOGOUT_RESPONSE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(LOGOUT) + LOGOUT
)


async def test_client_reuses_its_own_connections() -> None:
    """Without a transport the client has its own connection pool."""
    async with kratos(answering(LOGOUT_RESPONSE)) as url, FrontendClient(url) as client:
        first = await client.create_browser_logout_flow(cookie="a=b")
        second = await client.create_browser_logout_flow(cookie="c=d")

    assert (first.logout_token, second.logout_url) == ("t", "u")


async def test_client_is_usable_after_aclose() -> None:
    """The next call opens new connections."""
    async with kratos(answering(LOGOUT_RESPONSE)) as url:
        client = FrontendClient(url)
        await client.create_browser_logout_flow(cookie="a=b")
        await client.aclose()
        again = await client.create_browser_logout_flow(cookie="a=b")
        await client.aclose()

    assert again.logout_token == "t"


@pytest.mark.parametrize("serve", [silent, dripping], ids=["silent", "dripping"])
async def test_timeout_covers_the_whole_call(serve: Serve) -> None:
    """A server that sends nothing, or too slowly, raises `KratosTimeout`."""
    async with kratos(serve) as url, FrontendClient(url, timeout=0.1) as client:
        with pytest.raises(KratosTimeout) as caught:
            await client.to_session(x_session_token="ory_st_secret")

    assert str(caught.value) == "to_session: no response from Kratos within 0.1 s"


async def test_refused_connection_is_unavailable() -> None:
    """The message does not contain the credential."""
    async with kratos(silent) as url:
        pass

    async with FrontendClient(url) as client:
        with pytest.raises(KratosUnavailable) as caught:
            await client.to_session(x_session_token="ory_st_secret")

    assert str(caught.value) == "to_session: Kratos is unreachable (ConnectError)"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "answer",
    [b"", b"no HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort"],
    ids=["closed", "not_http", "incomplete"],
)
async def test_incomplete_response_is_unavailable(answer: bytes) -> None:
    """A connection that fails before the end of the response raises `KratosUnavailable`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with kratos(serve) as url, FrontendClient(url) as client:
        with pytest.raises(KratosUnavailable):
            await client.to_session(x_session_token="ory_st_secret")


async def test_response_has_a_maximum_size() -> None:
    """A chunked body is read up to the limit."""
    part = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    parts = [part] * (MAX_RESPONSE_BYTES // 0x10000 + 1)

    async with kratos(answering(head, *parts)) as url, FrontendClient(url) as client:
        with pytest.raises(KratosProtocolError, match="larger than 1048576 bytes"):
            await client.to_session(x_session_token="ory_st_secret")


async def test_response_of_the_maximum_size_is_read() -> None:
    """The limit is inclusive."""
    script = "/" * MAX_RESPONSE_BYTES
    client = FrontendClient("http://id.example", transport=ScriptedTransport(response(200, script)))

    assert await client.get_web_authn_java_script() == script


async def test_encoded_response_is_a_protocol_error() -> None:
    """A body with a content encoding is not decompressed."""
    compressed = gzip.compress(LOGOUT)
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n"
    )

    async with kratos(answering(head % len(compressed) + compressed)) as url, FrontendClient(url) as client:
        with pytest.raises(KratosProtocolError, match="is encoded"):
            await client.create_browser_logout_flow(cookie="a=b")


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (httpx2.ConnectTimeout("secret"), KratosTimeout),
        (httpx2.PoolTimeout("secret"), KratosTimeout),
        (httpx2.ReadError("secret"), KratosUnavailable),
        (httpx2.RemoteProtocolError("secret"), KratosUnavailable),
        (httpx2.InvalidURL("secret"), KratosUnavailable),
        (OSError("secret"), KratosUnavailable),
        (RuntimeError("secret"), KratosUnavailable),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
async def test_transport_errors_are_converted(raised: Exception, expected: type[KratosUnavailable]) -> None:
    """An exception of the transport becomes `KratosUnavailable` without its message."""
    client = FrontendClient("http://id.example", transport=ScriptedTransport(raised))

    with pytest.raises(KratosUnavailable) as caught:
        await client.to_session(cookie="secret=1")

    assert type(caught.value) is expected
    assert "secret" not in str(caught.value)


class SynchronousStream(httpx2.SyncByteStream):
    """A stream that is not asynchronous."""


class Synchronous(httpx2.AsyncBaseTransport):
    """A transport that returns a synchronous stream."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return a response."""
        return httpx2.Response(200, stream=SynchronousStream())


async def test_synchronous_transport_is_rejected() -> None:
    """The message names the expected type."""
    client = FrontendClient("http://id.example", transport=Synchronous())

    with pytest.raises(
        KratosProtocolError, match=r"the transport is not asynchronous; use an httpx2\.AsyncBaseTransport"
    ):
        await client.to_session(cookie="a=b")


async def test_cancellation_is_not_converted() -> None:
    """A cancelled call raises `CancelledError`."""
    async with kratos(silent) as url, FrontendClient(url) as client:
        call = asyncio.create_task(client.to_session(cookie="a=b"))
        await asyncio.sleep(0)
        call.cancel()

        with pytest.raises(asyncio.CancelledError):
            await call


async def test_client_does_not_close_a_custom_transport() -> None:
    """The owner of the transport closes it."""
    script = ScriptedTransport(response(200, {"logout_token": "t", "logout_url": "u"}))

    async with FrontendClient("http://id.example", transport=script) as client:
        await client.create_browser_logout_flow(cookie="a=b")

    assert not script.closed


def test_each_event_loop_has_its_own_connections() -> None:
    """One client serves several event loops in turn, as with a test client."""

    async def call() -> str:
        async with kratos(answering(LOGOUT_RESPONSE)) as url:
            client._base_url = url
            return (await client.create_browser_logout_flow(cookie="a=b")).logout_token

    client = FrontendClient("http://127.0.0.1:1")

    assert [asyncio.run(call()), asyncio.run(call())] == ["t", "t"]


def test_certificates_are_loaded_only_for_https(monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificate settings of the environment are ignored, and http requires no certificates."""
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")

    assert repr(FrontendClient("https://id.example")) == "<FrontendClient https://id.example>"
    assert repr(FrontendClient("http://id.example/")) == "<FrontendClient http://id.example>"


async def test_http_library_does_not_log_cookies(caplog: pytest.LogCaptureFixture) -> None:
    """Headers of Kratos' responses are not logged; other requests of the application are logged as before."""
    serve = answering(b"HTTP/1.1 200 OK\r\nSet-Cookie: ory_kratos_session=new\r\nContent-Length: 2\r\n\r\n{}")
    async with kratos(serve) as url, FrontendClient(url) as client, httpx2.AsyncHTTPTransport() as other:
        with caplog.at_level(logging.DEBUG):
            with pytest.raises(KratosProtocolError):
                await client.to_session(cookie="ory_kratos_session=ck-A")
            assert "send_request_headers" in caplog.text
            assert "=new" not in caplog.text
            assert "ck-A" not in caplog.text

            response = await other.handle_async_request(httpx2.Request("GET", url))
            await response.aclose()
        assert "=new" in caplog.text
