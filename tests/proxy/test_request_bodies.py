"""Request bodies are bounded by their bytes, streamed if they are large, and must arrive in time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from support.asgi_calls import SentResponse, call, http_scope

from .upstream import SESSION, Pair, Upstream, application, guard_for, proxied

pytestmark = pytest.mark.anyio

LOGIN = "/.ory/self-service/login"
MIB = 1_048_576
PART = 65_536
FORM = (b"content-type", b"application/x-www-form-urlencoded")


def declared(size: int) -> Pair:
    """Return a `Content-Length` header."""
    return b"content-length", str(size).encode()


async def post(upstream: Upstream, *parts: bytes, headers: list[Pair] | None = None) -> SentResponse:
    """Send a body in parts."""
    return await call(proxied(upstream), LOGIN, method="POST", headers=headers or [], parts=parts)


@pytest.mark.parametrize("is_declared", [True, False])
@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, MIB])
async def test_body_is_forwarded_with_its_size(size: int, is_declared: bool) -> None:
    upstream = Upstream()
    body = bytes(range(256)) * (size // 256 + 1)
    parts = [body[start : min(start + 50_000, size)] for start in range(0, size, 50_000)] or [b""]
    headers = [FORM, *([declared(size)] if is_declared else [])]
    response = await post(upstream, *parts, b"", headers=headers)

    assert response.status == 200
    assert upstream.last.body == body[:size]
    assert upstream.last.all(b"content-type") == [FORM[1]]
    is_chunked = size > PART and not is_declared
    assert upstream.last.all(b"transfer-encoding") == ([b"chunked"] if is_chunked else [])
    assert upstream.last.all(b"content-length") == ([] if is_chunked else [str(size).encode()])


@pytest.mark.parametrize(
    ("headers", "size"),
    [
        ([declared(MIB + 1)], 0),  # refused before a part is read
        ([], MIB + 1),
        ([declared(10)], MIB + 1),
        ([(b"transfer-encoding", b"chunked")], 64 * MIB),
    ],
)
async def test_large_body_is_refused(headers: list[Pair], size: int) -> None:
    upstream = Upstream()
    received = 0

    async def receive() -> dict[str, Any]:
        nonlocal received
        received += PART
        return {"type": "http.request", "body": b"a" * PART, "more_body": received < size}

    response = await exchange(proxied(upstream), receive, headers)

    assert response.status in (413, 400)
    assert response.status == 413 or headers == [declared(10)]
    assert received <= MIB + PART
    assert upstream.requests == []


async def exchange(
    app: Any, receive: Callable[[], Awaitable[dict[str, Any]]], headers: list[Pair], path: str = LOGIN
) -> SentResponse:
    """Send a POST request whose body comes from `receive`."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(http_scope(path, method="POST", headers=headers), receive, send)
    return SentResponse(sent[0]["status"], sent[0]["headers"], sent[1]["body"])


@pytest.mark.parametrize(
    "headers",
    [
        [declared(5)],
        [declared(7)],
        [(b"content-length", b"6, 6")],
        [(b"content-length", b"6"), (b"content-length", b"7")],
        [(b"content-length", b"-6")],
        [(b"content-length", b"+6")],
        [(b"content-length", b"0x6")],
        [(b"content-length", b"")],
        [(b"content-length", "٦".encode())],
        [(b"content-length", b"6" * 5_000)],
        [declared(6), (b"transfer-encoding", b"chunked")],
    ],
)
async def test_contradictory_size_is_refused(headers: list[Pair]) -> None:
    upstream = Upstream()
    response = await post(upstream, b"method", headers=headers)

    assert (response.status, response.error_id) == (400, "invalid_content_length")
    assert upstream.requests == []


@pytest.mark.parametrize("size", [PART + 1_000, 3 * PART])
async def test_contradictory_size_of_a_streamed_body_is_refused(size: int) -> None:
    upstream = Upstream()
    response = await post(upstream, b"a" * PART, b"a" * PART, headers=[declared(size)])

    assert (response.status, response.error_id) == (400, "invalid_content_length")
    assert upstream.requests == []


async def test_encoded_body_is_refused() -> None:
    response = await post(Upstream(), b"\x1f\x8b", headers=[(b"content-encoding", b"gzip")])

    assert (response.status, response.error_id) == (415, "unsupported_encoding")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_body_of_a_safe_request_is_not_forwarded(method: str) -> None:
    upstream = Upstream()
    await call(proxied(upstream), LOGIN, method=method, headers=[declared(6)], parts=[b"method"])

    assert upstream.last.body == b""
    assert upstream.last.all(b"content-length") == []


@pytest.mark.parametrize("start", [b"", b"a" * 10, b"a" * 2 * PART])
async def test_client_that_disconnects_ends_the_request(start: bytes) -> None:
    upstream = Upstream()
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": start, "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    response = await exchange(proxied(upstream), receive, [])

    assert (response.status, response.error_id) == (400, "incomplete_body")
    assert upstream.requests == []


class WrappingTransport(httpx2.AsyncBaseTransport):
    """Raises an error of its own for every error, as a transport may."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Read the body."""
        try:
            await request.aread()
        except Exception as error:
            raise httpx2.WriteError("failed") from error
        raise AssertionError


async def test_error_of_the_client_is_not_an_error_of_kratos() -> None:
    app = application(guard_for(WrappingTransport()))
    response = await call(app, LOGIN, method="POST", parts=[b"a" * PART] * 18)

    assert (response.status, response.error_id) == (413, "request_body_too_large")


@pytest.mark.parametrize("start", [b"", b"a" * 10, b"a" * 2 * PART])
async def test_slow_body_is_refused_at_the_deadline(start: bytes) -> None:
    upstream = Upstream()
    messages = [{"type": "http.request", "body": start, "more_body": True}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError

    response = await exchange(application(guard_for(upstream.transport), timeout=0.01), receive, [])

    assert (response.status, response.error_id) == (408, "request_timeout")
    assert upstream.requests == []


async def test_endless_empty_parts_are_refused_at_the_deadline() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": True}

    response = await exchange(application(guard_for(Upstream().transport), timeout=0.01), receive, [])

    assert response.status == 408


async def test_slow_large_bodies_do_not_occupy_the_connections_of_others() -> None:
    upstream = Upstream()
    app = application(guard_for(upstream.transport, max_upstream_concurrency=8), timeout=5)
    started = 0
    all_started, end = asyncio.Event(), asyncio.Event()

    def slow_body() -> Callable[[], Awaitable[dict[str, Any]]]:
        first = True

        async def receive() -> dict[str, Any]:
            nonlocal first, started
            if first:
                first, started = False, started + 1
                if started == 20:
                    all_started.set()
                return {"type": "http.request", "body": b"a" * 2 * PART, "more_body": True}
            await end.wait()
            return {"type": "http.disconnect"}

        return receive

    slow = [asyncio.create_task(exchange(app, slow_body(), [])) for _ in range(20)]
    await all_started.wait()
    response = await call(app, LOGIN, method="POST", headers=[(b"cookie", SESSION)], parts=[b"{}"])
    end.set()
    await asyncio.gather(*slow)

    assert response.status == 200
