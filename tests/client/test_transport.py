"""Tests of `ory_guard.client.transport`: deadlines, limits and broken connections, over real sockets."""

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest
from recorded import Script, response

from ory_guard.client import FrontendClient
from ory_guard.client.transport import MAX_ANSWER_BYTES
from ory_guard.exceptions import KratosProtocolError, KratosTimeout, KratosUnavailable

pytestmark = pytest.mark.anyio

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def kratos(serve: Serve) -> AsyncIterator[str]:
    """Run a server that does what it is told with each connection, and give its URL."""
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
    """Answer every request on a connection with these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            writer.writelines(parts)
            await writer.drain()

    return serve


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Take everything and say nothing."""
    await reader.read()


async def dripping(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one byte at a time, each well within any timeout for a single read."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


LOGOUT = b'{"logout_token": "t", "logout_url": "u"}'
LOGOUT_ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(LOGOUT) + LOGOUT
)


async def test_a_pool_of_its_own() -> None:
    """Without a transport the client opens connections of its own, and keeps them for the next call."""
    async with kratos(answering(LOGOUT_ANSWER)) as url, FrontendClient(url) as client:
        first = await client.create_browser_logout_flow(cookie="a=b")
        second = await client.create_browser_logout_flow(cookie="c=d")

    assert (first.logout_token, second.logout_url) == ("t", "u")


async def test_after_close_the_next_call_opens_anew() -> None:
    """Closing ends connections and not the client."""
    async with kratos(answering(LOGOUT_ANSWER)) as url:
        client = FrontendClient(url)
        await client.create_browser_logout_flow(cookie="a=b")
        await client.aclose()
        again = await client.create_browser_logout_flow(cookie="a=b")
        await client.aclose()

    assert again.logout_token == "t"


@pytest.mark.parametrize("serve", [silent, dripping], ids=["silent", "dripping"])
async def test_one_deadline_for_the_whole_call(serve: Serve) -> None:
    """A server that says nothing, or too slowly, is given up after the client's timeout."""
    async with kratos(serve) as url, FrontendClient(url, timeout=0.1) as client:
        with pytest.raises(KratosTimeout) as caught:
            await client.to_session(x_session_token="ory_st_secret")

    assert str(caught.value) == "to_session: Kratos did not answer within 0.1 s"


async def test_nobody_listens() -> None:
    """A refused connection is a failing Kratos, with nothing of the call in its text."""
    async with kratos(silent) as url:
        pass

    async with FrontendClient(url) as client:
        with pytest.raises(KratosUnavailable) as caught:
            await client.to_session(x_session_token="ory_st_secret")

    assert str(caught.value) == "to_session: Kratos could not be reached (ConnectError)"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "answer",
    [b"", b"no HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort"],
    ids=["closed", "nonsense", "cut"],
)
async def test_broken_connections(answer: bytes) -> None:
    """Whatever goes wrong on the way is a failing Kratos."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with kratos(serve) as url, FrontendClient(url) as client:
        with pytest.raises(KratosUnavailable):
            await client.to_session(x_session_token="ory_st_secret")


async def test_an_endless_answer_is_given_up() -> None:
    """Not more than the limit is read, whatever the answer says about its length."""
    part = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    parts = [part] * (MAX_ANSWER_BYTES // 0x10000 + 1)

    async with kratos(answering(head, *parts)) as url, FrontendClient(url) as client:
        with pytest.raises(KratosProtocolError, match="larger than 1048576 bytes"):
            await client.to_session(x_session_token="ory_st_secret")


async def test_the_greatest_answer_is_read() -> None:
    """An answer of just the limit is no nonsense for its size."""
    script = "/" * MAX_ANSWER_BYTES
    client = FrontendClient("http://id.example", transport=Script(response(200, script)))

    assert await client.get_web_authn_java_script() == script


async def test_an_encoded_answer_is_nonsense() -> None:
    """What was not asked for is not unpacked, however small it pretends to be."""
    packed = gzip.compress(LOGOUT)
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n"
    )

    async with kratos(answering(head % len(packed) + packed)) as url, FrontendClient(url) as client:
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
async def test_no_error_of_the_library_escapes(raised: Exception, expected: type[KratosUnavailable]) -> None:
    """Whatever a transport raises becomes one of ours, without its text."""
    client = FrontendClient("http://id.example", transport=Script(raised))

    with pytest.raises(KratosUnavailable) as caught:
        await client.to_session(cookie="secret=1")

    assert type(caught.value) is expected
    assert "secret" not in str(caught.value)


class SynchronousStream(httpx2.SyncByteStream):
    """A stream without `__aiter__`."""


class Synchronous(httpx2.AsyncBaseTransport):
    """A transport that answers with what only threads can read."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer."""
        return httpx2.Response(200, stream=SynchronousStream())


async def test_a_transport_for_threads_is_refused() -> None:
    """An answer that can't be read asynchronously is nonsense and no crash."""
    client = FrontendClient("http://id.example", transport=Synchronous())

    with pytest.raises(KratosProtocolError, match="can't be read asynchronously"):
        await client.to_session(cookie="a=b")


async def test_cancelling_a_call_cancels_it() -> None:
    """A caller that goes away is not answered with an error of ours."""
    async with kratos(silent) as url, FrontendClient(url) as client:
        call = asyncio.create_task(client.to_session(cookie="a=b"))
        await asyncio.sleep(0)
        call.cancel()

        with pytest.raises(asyncio.CancelledError):
            await call


async def test_a_transport_that_was_handed_in_stays_open() -> None:
    """Closing the client leaves it to the owner to close the transport."""
    script = Script(response(200, {"logout_token": "t", "logout_url": "u"}))

    async with FrontendClient("http://id.example", transport=script) as client:
        await client.create_browser_logout_flow(cookie="a=b")

    assert not script.closed


def test_each_event_loop_has_its_own_connections() -> None:
    """One client serves loops one after the other, as a test client's requests do."""

    async def ask() -> str:
        async with kratos(answering(LOGOUT_ANSWER)) as url:
            client._base_url = url
            return (await client.create_browser_logout_flow(cookie="a=b")).logout_token

    client = FrontendClient("http://127.0.0.1:1")

    assert [asyncio.run(ask()), asyncio.run(ask())] == ["t", "t"]


def test_certificates_are_loaded_for_https_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's certificate settings are not read, and http needs no certificates at all."""
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")

    assert repr(FrontendClient("https://id.example")) == "<FrontendClient https://id.example>"
    assert repr(FrontendClient("http://id.example/")) == "<FrontendClient http://id.example>"


async def test_no_log_of_the_http_library_holds_kratos_cookies(caplog: pytest.LogCaptureFixture) -> None:
    """A sign-in answers with one; what the application itself asks elsewhere is logged as before."""
    serve = answering(b"HTTP/1.1 200 OK\r\nSet-Cookie: ory_kratos_session=anew\r\nContent-Length: 2\r\n\r\n{}")
    async with kratos(serve) as url, FrontendClient(url) as client, httpx2.AsyncHTTPTransport() as own:
        with caplog.at_level(logging.DEBUG):
            with pytest.raises(KratosProtocolError):
                await client.to_session(cookie="ory_kratos_session=ck-A")
            assert "send_request_headers" in caplog.text
            assert "=anew" not in caplog.text
            assert "ck-A" not in caplog.text

            response = await own.handle_async_request(httpx2.Request("GET", url))
            await response.aclose()
        assert "=anew" in caplog.text
