"""Attacks over real sockets: a server in front of the proxy, and a Kratos behind it that misbehaves."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.certificates import make_certificate
from support.memory_store import SOON
from support.raw_kratos import Handler, RawKratos, hang, hang_up, raw_response, respond, respond_and_reset
from support.served_kratos import listening_socket, serving

from .upstream import SESSION, Received, Upstream, application, guard_for

pytestmark = pytest.mark.anyio

WHOAMI = b"/.ory/sessions/whoami"
HOST = b"Host: app.test\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"


class Server:
    """A served application with a proxy.

    Attributes:
        port: The port of the application.
    """

    def __init__(self, port: int) -> None:
        self.port = port

    async def send(self, *parts: bytes) -> bytes:
        """Send bytes, and return all bytes until the server closes the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for part in parts:
            writer.write(part)
            with contextlib.suppress(OSError):
                await writer.drain()
        async with asyncio.timeout(20):
            received = await reader.read()
        writer.close()
        return received

    async def get(self, target: bytes = WHOAMI, headers: bytes = b"") -> tuple[int, bytes]:
        """Send a GET request, and return the status and everything after the status line."""
        received = await self.send(
            b"GET " + target + b" HTTP/1.1\r\n" + HOST + headers + b"Connection: close\r\n\r\n"
        )
        line, _, rest = received.partition(b"\r\n")
        return int(line.split(b" ")[1]), rest


@contextlib.asynccontextmanager
async def served(kratos_url: str, *, deadline: float = SOON, **settings: Any) -> AsyncIterator[Server]:
    """Serve an application with a proxy for a Kratos."""
    guard = guard_for(None, kratos_public_url=kratos_url, **settings)
    with listening_socket() as listener:
        async with serving(application(guard, timeout=deadline), listener):
            yield Server(listener.getsockname()[1])
        await guard.aclose()


@contextlib.asynccontextmanager
async def served_upstream() -> AsyncIterator[tuple[Server, list[Received]]]:
    """Serve an application, and the double behind its proxy."""
    upstream = Upstream()
    with listening_socket() as listener:
        async with serving(upstream, listener), served(f"http://127.0.0.1:{listener.getsockname()[1]}") as server:
            yield server, upstream.requests


TARGETS = {
    WHOAMI: 200,
    b"/.ory/self-service/../../admin/identities": 404,
    b"/.ory/%2e%2e/admin/identities": 404,
    b"/.ory//sessions/whoami": 404,
    b"/.ory/sessions%2fwhoami": 404,
    b"/.ory/sessions%5cwhoami": 404,
    b"/.ory/sessions/whoami%00": 404,
    b"/.ory/sessions/whoami%0d%0aHost:%20evil.example": 404,
    b"/.ory/sessions%252fwhoami": 404,
    b"/.ory/sessions/whoami;x": 404,
    b"/.ory/http://evil.example/": 404,
}


async def test_only_routes_of_kratos_are_forwarded() -> None:
    async with served_upstream() as (server, requests):
        assert {target: (await server.get(target))[0] for target in TARGETS} == TARGETS
        assert [request.target for request in requests] == ["/sessions/whoami"]


async def test_absolute_target_does_not_choose_the_server() -> None:
    async with served_upstream() as (server, requests):
        await server.get(b"http://evil.example/.ory/sessions/whoami")

        assert all(request.all(b"host")[0].startswith(b"127.0.0.1:") for request in requests)


SMUGGLED = b"GET /.ory/sessions/whoami HTTP/1.1\r\nHost: smuggled\r\n\r\n"


MESSAGES = [
    (b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", b"4\r\nabcd\r\n0\r\n\r\n" + SMUGGLED),
    (b"Content-Length: 0\r\nContent-Length: 60\r\n", SMUGGLED),
    (b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"0\r\n\r\n" + SMUGGLED),
    (b"Content-Length: +4\r\n", b"abcd" + SMUGGLED),
]


async def test_body_does_not_contain_another_request() -> None:
    """Whatever the server in front makes of the message, Kratos receives whole requests without its headers."""
    async with served_upstream() as (server, requests):
        for headers, body in MESSAGES:
            head = b"POST /.ory/self-service/login HTTP/1.1\r\n" + HOST + FORM + headers + b"\r\n"
            await server.send(head + body + b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
        for request in requests:
            lengths = request.all(b"content-length")
            assert request.method == "GET" or lengths == [str(len(request.body)).encode()]
            assert request.all(b"transfer-encoding") == []


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
INFORMATIONAL = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"


REPLIES = [
    (raw_response({"a": 1}), 200),
    (INFORMATIONAL + raw_response({"a": 1}), 200),
    (raw_response(b"", 304, content_type=None), 304),
    (CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", 200),
    (CHUNKED + b"2\r\n{}\r\n", 502),
    (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{}", 502),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 502),
    (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}", 502),
    (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9000000\r\n\r\n", 502),
    (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", 502),
    (b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n", 502),
    (b"SSH-2.0-OpenSSH_9.2\r\n", 502),
    (b"", 502),
]


async def test_response_is_whole_or_an_error() -> None:
    async with RawKratos() as kratos, served(kratos.url) as server:
        for reply, expected in REPLIES:
            kratos.handler = respond(reply, then_close=True)
            status, rest = await server.get()
            assert (reply, status) == (reply, expected)
            assert kratos.url.encode() not in rest


async def test_failure_of_kratos_is_an_error() -> None:
    failures: list[tuple[Handler, float, tuple[int, ...]]] = [
        (hang, 0.1, (504,)),
        (hang_up, SOON, (502,)),
        (respond_and_reset(), SOON, (502, 503)),
    ]
    for handler, deadline, statuses in failures:
        async with RawKratos() as kratos, served(kratos.url, deadline=deadline) as server:
            kratos.handler = handler
            assert (await server.get())[0] in statuses
    with listening_socket() as listener:
        port = listener.getsockname()[1]
    async with served(f"http://127.0.0.1:{port}") as server:
        status, rest = await server.get()
        assert (status, b"retry-after: 1" in rest, str(port).encode() in rest) == (503, True, False)


async def test_bytes_after_a_response_are_not_the_next_response() -> None:
    surplus = raw_response({"identity": "of another user"})
    replies = raw_response({"n": 1}) + surplus, raw_response({"n": 2})
    async with RawKratos(*replies) as kratos, served(kratos.url) as server:
        bodies = [json.loads((await server.get())[1].partition(b"\r\n\r\n")[2]) for _ in range(2)]

    assert bodies == [{"n": 1}, {"n": 2}]


async def test_request_is_not_repeated() -> None:
    replies = raw_response({}), respond_and_reset(), raw_response({})
    async with RawKratos(*replies) as kratos, served(kratos.url) as server:
        statuses = [(await server.get())[0] for _ in range(2)]

    assert statuses[0] == 200
    assert statuses[1] in (502, 503)
    assert len(kratos.requests) == 2


async def test_kratos_on_another_host_with_https(tmp_path: Path) -> None:
    tls, ca_file = make_certificate(tmp_path)
    location = "https://localhost:{}/self-service/login?flow=1"
    async with RawKratos(tls=tls) as kratos:
        found = ("Location", location.format(kratos.port))
        kratos.handler = respond(raw_response(b"", 303, found, content_type=None))
        url = f"https://localhost:{kratos.port}"
        async with served(url, ca_file=str(ca_file)) as server:
            status, rest = await server.get(b"/.ory/self-service/login/browser", b"Cookie: " + SESSION + b"\r\n")
        async with served(url) as untrusting:
            untrusted, _ = await untrusting.get()

    assert (status, untrusted) == (303, 503)
    assert b"location: http://app.test/.ory/self-service/login?flow=1\r\n" in rest
    assert kratos.requests[0].credentials == [(b"cookie", SESSION)]
