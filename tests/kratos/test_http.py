"""Tests of the HTTP client over real sockets."""

import asyncio
import logging
import ssl
from contextlib import nullcontext
from typing import Any

import httpx2
import pytest
from support.raw_kratos import (
    RawKratos,
    RawRequest,
    hang_up,
    raw_response,
    respond,
    respond_and_reset,
    respond_without_end,
)

from ory_guard.kratos.http import (
    URL,
    HTTPClient,
    InvalidResponse,
    PoolTimeout,
    ResponseTooLarge,
    _load_tls_context,
    get_request,
)
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.models.credential import Header

pytestmark = pytest.mark.anyio

LIMIT = 2_048
OK = raw_response({"ok": True}, 200, ("Set-Cookie", "session=new-secret; Path=/"))
INCOMPLETE = OK[:-5]
LOST: dict[str, Any] = {
    "closed": hang_up,
    "reset": respond_and_reset(),
    "incomplete": respond(INCOMPLETE, then_close=True),
}


class Borrowed(httpx2.AsyncBaseTransport):
    """A transport that the client does not own."""

    def __init__(self, body: bytes = b"{}", stream: Any = None, **headers: str) -> None:
        self.stream = stream or httpx2.ByteStream(body)
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.requests: list[httpx2.Request] = []
        self.closed = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Record the request and return the response."""
        self.requests.append(request)
        return httpx2.Response(200, headers=self.headers, stream=self.stream)

    async def aclose(self) -> None:
        """Record that the transport was closed."""
        self.closed = True


def http_client(url: str, **options: Any) -> HTTPClient:
    return HTTPClient(url, **{"timeout": 60, "max_response_bytes": LIMIT, **options})


async def get(client: HTTPClient, url: str, *headers: Header, retry: bool = False) -> HTTPResponse:
    return await client.send(get_request(URL(f"{url}/path?q=1"), *headers), retry=retry)


async def test_request_has_only_the_common_and_the_given_headers() -> None:
    async with RawKratos(OK) as server:
        client = http_client(server.url)
        await get(client, server.url, (b"X-Session-Token", b"secret"))
        await client.aclose()

        host = server.url.removeprefix("http://").encode()
        assert server.requests[0].head == (
            b"GET /path?q=1 HTTP/1.1\r\nHost: " + host + b"\r\nAccept: application/json\r\n"
            b"Accept-Encoding: identity\r\nUser-Agent: ory-guard\r\nX-Session-Token: secret\r\n\r\n"
        )


async def test_response_is_returned_unchanged() -> None:
    """Only the header names are converted, to lower case."""
    async with RawKratos(raw_response(b"\xff{}", 418, ("X-Odd", "a"), ("X-ODD", "b"))) as server:
        client = http_client(server.url)
        response = await get(client, server.url)
        await client.aclose()

    assert (response.status, response.body) == (418, b"\xff{}")
    assert [header for header in response.headers if header[0] == b"x-odd"] == [(b"x-odd", b"a"), (b"x-odd", b"b")]
    assert (response.header(b"x-odd"), response.header(b"missing")) == (b"a", None)


@pytest.mark.parametrize(
    ("headers", "is_json", "is_encoded"),
    [
        ([(b"content-type", b"application/json")], True, False),
        ([(b"content-type", b"Application/JSON ; charset=utf-8")], True, False),
        ([(b"content-type", b"application/json"), (b"content-encoding", b"Identity")], True, False),
        ([(b"content-type", b"application/json"), (b"content-encoding", b"gzip")], False, True),
        ([(b"content-encoding", b"identity"), (b"content-encoding", b"br")], False, True),
        ([(b"content-type", b"application/json+x")], False, False),
        ([(b"content-type", b"text/html"), (b"content-type", b"application/json")], False, False),
        ([], False, False),
    ],
)
def test_content_type_and_encoding(headers: list[Header], *, is_json: bool, is_encoded: bool) -> None:
    response = HTTPResponse(200, headers, b"{}")

    assert (response.is_json(), response.is_encoded()) == (is_json, is_encoded)


async def test_bytes_after_a_response_are_not_the_next_response() -> None:
    """Each request has a connection of its own, also if they wait for each other."""
    surplus = raw_response({"of": "another user"})
    async with RawKratos(OK + surplus) as server:
        client = http_client(server.url, max_concurrency=2)
        responses = [await get(client, server.url) for _ in range(3)]
        responses += await asyncio.gather(*(get(client, server.url) for _ in range(7)))
        await client.aclose()

        assert {response.body for response in responses} == {b'{"ok": true}'}
        assert (server.connections, len(server.requests)) == (10, 10)


async def test_client_opens_new_connections_after_aclose() -> None:
    async with RawKratos(OK) as server:
        client = http_client(server.url)
        for _ in range(2):
            assert (await get(client, server.url)).status == 200
            await client.aclose()
            await server.all_closed()

        assert server.connections == 2


@pytest.mark.parametrize(
    ("replies", "retry", "result", "sent"),
    [
        ((OK, LOST["closed"], OK), True, 200, 3),
        ((OK, LOST["reset"], OK), True, 200, 3),
        ((OK, LOST["closed"]), False, None, 2),
        ((OK, LOST["closed"], LOST["closed"], OK), True, None, 3),
        ((OK, LOST["incomplete"], OK), True, None, 2),
        ((LOST["closed"], OK), True, None, 1),
        ((LOST["reset"], OK), True, None, 1),
        ((LOST["incomplete"], OK), True, None, 1),
    ],
    ids=["closed", "reset", "no retry", "twice", "incomplete", "new: closed", "new: reset", "new: incomplete"],
)
async def test_request_is_sent_again_if_a_reused_connection_was_lost(
    replies: tuple[Any, ...], result: int | None, sent: int, *, retry: bool
) -> None:
    """The server may close an idle connection at the moment of its reuse.

    A request on a new connection, or with the start of a response, is not sent again.
    """
    async with RawKratos(*replies) as server, httpx2.AsyncHTTPTransport() as transport:
        client = http_client(server.url, transport=transport)
        if replies[0] is OK:
            await get(client, server.url)

        with nullcontext() if result else pytest.raises(httpx2.TransportError):
            assert (await get(client, server.url, retry=retry)).status == result

        assert len(server.requests) == sent


@pytest.mark.parametrize(
    ("reply", "is_rejected"),
    [
        (raw_response(b" " * LIMIT), False),
        (raw_response(b" " * (LIMIT + 1)), True),
        (respond_without_end, True),
    ],
    ids=["maximum", "length", "chunked"],
)
async def test_body_above_the_limit_is_rejected(reply: Any, *, is_rejected: bool) -> None:
    too_large = pytest.raises(ResponseTooLarge, match=f"^the response is larger than {LIMIT} bytes: it has")
    async with RawKratos(reply) as server:
        client = http_client(server.url)

        with too_large if is_rejected else nullcontext():
            assert len((await get(client, server.url)).body) == LIMIT

        await client.aclose()


async def test_cookies_are_not_stored() -> None:
    """A cookie of one user's response is not sent with the next request."""
    async with RawKratos(OK) as server:
        client = http_client(server.url)
        await get(client, server.url, (b"Cookie", b"session=a"))
        await get(client, server.url)
        await client.aclose()

        assert [request.credentials for request in server.requests] == [[(b"cookie", b"session=a")], []]


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens at the address of the proxy."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with RawKratos(OK) as server:
        client = http_client(server.url)

        assert (await get(client, server.url)).status == 200

        await client.aclose()


async def test_deadline_covers_the_wait_for_another_request() -> None:
    transport = Borrowed()
    client = http_client("http://127.0.0.1", max_concurrency=1, timeout=0.05, transport=transport)
    semaphore = (await client._transports.get()).semaphore
    await semaphore.acquire()

    with pytest.raises(PoolTimeout):
        await get(client, "http://127.0.0.1")

    assert transport.requests == []
    semaphore.release()
    assert (await get(client, "http://127.0.0.1")).status == 200


async def test_concurrent_requests_are_limited() -> None:
    open_connections = []

    async def count(_request: RawRequest, writer: asyncio.StreamWriter) -> None:
        open_connections.append(server.open)
        writer.write(OK)

    async with RawKratos(count) as server:
        client = http_client(server.url, max_concurrency=3)

        responses = await asyncio.gather(*(get(client, server.url) for _ in range(20)))

        assert {response.status for response in responses} == {200}
        assert len(open_connections) == 20
        assert max(open_connections) <= 4  # the server notices the end of the previous connection later
        await client.aclose()


async def test_borrowed_transport_is_not_closed() -> None:
    """Its owner may use it elsewhere."""
    transport = Borrowed()
    client = http_client("http://127.0.0.1", transport=transport)
    await get(client, "http://127.0.0.1")

    await client.aclose()

    assert not transport.closed


class SynchronousStream(httpx2.SyncByteStream):
    """A stream that is not asynchronous."""


async def test_synchronous_transport_is_rejected() -> None:
    client = http_client("http://127.0.0.1", transport=Borrowed(stream=SynchronousStream()))

    with pytest.raises(InvalidResponse, match=r"not asynchronous; use an httpx2\.AsyncBaseTransport"):
        await get(client, "http://127.0.0.1")


async def test_certificates_are_loaded_once_and_only_for_https(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading them takes tens of milliseconds."""
    contexts: list[ssl.SSLContext] = []
    create = httpx2.create_ssl_context

    def recording(**options: Any) -> ssl.SSLContext:
        contexts.append(create(**options))
        return contexts[-1]

    monkeypatch.setattr(httpx2, "create_ssl_context", recording)
    _load_tls_context.cache_clear()

    http_client("http://127.0.0.1:9")
    http_client("https://127.0.0.1:9", transport=Borrowed())
    assert contexts == []
    client = http_client("https://127.0.0.1:9")
    http_client("https://id.example")
    for _ in range(2):
        with pytest.raises(httpx2.ConnectError):
            await get(client, "https://127.0.0.1:9")
        await client.aclose()
    assert [context.verify_mode for context in contexts] == [ssl.CERT_REQUIRED]


@pytest.mark.parametrize("owned", [True, False], ids=["owned", "borrowed"])
async def test_http_library_does_not_log_credentials(caplog: pytest.LogCaptureFixture, *, owned: bool) -> None:
    """Headers of responses are not logged; other requests of the application are logged as before."""
    async with RawKratos(OK) as server, httpx2.AsyncHTTPTransport() as other:
        client = http_client(server.url, transport=None if owned else other)
        with caplog.at_level(logging.DEBUG):
            await get(client, server.url, (b"Cookie", b"session=old-secret"))
            assert "send_request_headers" in caplog.text
            assert "old-secret" not in caplog.text
            assert "new-secret" not in caplog.text

            response = await other.handle_async_request(httpx2.Request("GET", server.url))
            await response.aclose()
        assert "new-secret" in caplog.text
        await client.aclose()
