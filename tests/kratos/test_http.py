"""The HTTP seam to small documents, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx2
import pytest

from ory_guard.kratos.http import Document

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def serving(answer: bytes, *, hold: bool = False) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answer every request with these bytes; yield the URL and what was asked."""
    asked: list[bytes] = []
    over = asyncio.Event()
    handlers: set[asyncio.Task[object]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handler = asyncio.current_task()
        assert handler is not None
        handlers.add(handler)
        with suppress(asyncio.IncompleteReadError):  # nobody asked before the deadline
            asked.append(await reader.readuntil(b"\r\n\r\n"))
        if hold:
            await over.wait()
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys?v=1", asked
    over.set()
    server.close()
    await asyncio.gather(*handlers)
    await server.wait_closed()


def http(status: str, body: bytes, *headers: bytes) -> bytes:
    """Return the bytes of an answer."""
    head = [f"HTTP/1.1 {status}".encode(), b"content-length: %d" % len(body), b"connection: close", *headers]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


async def test_a_document_is_fetched() -> None:
    """Each time anew, and with no more headers than needed."""
    async with serving(http("200 OK", b"{}")) as (url, asked):
        document = Document(url, timeout=60)

        assert [await document.fetch(), await document.fetch()] == [b"{}", b"{}"]

    assert asked[0].startswith(b"GET /keys?v=1 HTTP/1.1\r\n")
    names = {line.partition(b":")[0].lower() for line in asked[0].split(b"\r\n")[1:] if line}
    assert names == {b"host", b"accept", b"accept-encoding", b"user-agent"}
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (http("404 Not Found", b""), "status 404"),
        (http("302 Found", b"", b"location: http://127.0.0.1:1/"), "status 302"),
        (http("200 OK", b" " * 262_145), "larger than 262144 bytes"),
    ],
    ids=["404", "redirect", "large"],
)
async def test_any_other_answer_is_none(answer: bytes, match: str) -> None:
    """Redirects are not followed, and no more is read than a document may hold."""
    async with serving(answer) as (url, _):
        with pytest.raises(ValueError, match=match):
            await Document(url, timeout=60).fetch()


async def test_there_is_one_deadline_for_all_of_it() -> None:
    """However the server drips."""
    async with serving(http("200 OK", b"{}"), hold=True) as (url, _):
        with pytest.raises(TimeoutError):
            await Document(url, timeout=0.05).fetch()


def test_a_url_is_checked_when_the_document_is_made() -> None:
    """And an https one gets its certificates then."""
    Document("https://keys.example.com/jwks.json", timeout=60)
    for url in ("ftp://x", "keys.json", "https://u:p@keys.example.com"):
        with pytest.raises(ValueError, match="must"):
            Document(url, timeout=60)


async def test_a_transport_that_is_given_is_used_and_left_open() -> None:
    """It belongs to whoever gave it."""

    class Given(httpx2.AsyncBaseTransport):
        closed = False

        async def handle_async_request(self, _request: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(200, content=b"{}")

        async def aclose(self) -> None:
            self.closed = True

    given = Given()
    assert await Document("https://keys.example.com/", timeout=60, transport=given).fetch() == b"{}"
    assert not given.closed
