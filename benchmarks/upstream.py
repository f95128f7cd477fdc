"""A Kratos with one fixed response, in a separate process, so that its CPU time is not measured."""

import asyncio
import contextlib
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.traffic import whoami_body

__all__ = ["StaticTransport", "static_kratos"]


class StaticTransport(httpx2.AsyncBaseTransport):
    """Responds to every whoami call in memory.

    Args:
        body: The session, or a function that returns the session of a token.
        seconds: The duration of a call.
    """

    def __init__(self, body: bytes | Callable[[bytes], bytes], seconds: float = 0.0) -> None:
        self._body = body
        self._seconds = seconds
        self.calls = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the session and count the call."""
        self.calls += 1
        if self._seconds:
            await asyncio.sleep(self._seconds)
        body = self._body
        if not isinstance(body, bytes):
            body = body(request.headers.get("x-session-token", "").encode())
        stream = httpx2.ByteStream(body)
        return httpx2.Response(200, headers={"content-type": "application/json"}, stream=stream, request=request)


class _StaticResponse(asyncio.Protocol):
    """Reads requests without a body and sends the same response to each."""

    def __init__(self, response: bytes) -> None:
        self._response = response
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._received = (self._received + data).split(b"\r\n\r\n")
        self._transport.write(self._response * len(requests))


def _response() -> bytes:
    body = whoami_body(aal="aal2")
    head = (
        "HTTP/1.1 200 OK\r\n"
        "Cache-Control: private, no-cache, no-store, must-revalidate\r\n"
        "Content-Type: application/json; charset=utf-8\r\n"
        "Date: Sun, 22 Nov 2026 00:00:00 GMT\r\n"
        "Ory-Session-Cache-For: 3600\r\n"
        "Vary: Origin\r\n"
        "Vary: Cookie\r\n"
        "X-Kratos-Authenticated-Identity-Id: 67d599b6-6556-48de-8213-2a83774eb46e\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _serve(certificate: str | None) -> None:
    response = _response()
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _StaticResponse(response), "127.0.0.1", 0, ssl=tls)
    address: tuple[Any, ...] = server.sockets[0].getsockname()
    print(address[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def static_kratos(certificate: Path | None = None) -> Iterator[str]:
    """Run the static upstream and yield its base URL.

    Args:
        certificate: A PEM file with a key and its certificate, for https.
    """
    command = [sys.executable, "-m", "benchmarks.upstream", *([] if certificate is None else [str(certificate)])]
    scheme = "http" if certificate is None else "https"
    with subprocess.Popen(command, cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"{scheme}://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(sys.argv[1] if len(sys.argv) > 1 else None))
