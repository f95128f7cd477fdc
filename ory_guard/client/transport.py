"""Send one request to Kratos and read the whole response, with a deadline, a size limit and errors of this package.

This module uses the transport of httpx2, not its client: a shared cookie jar would log in one user as another, and
redirects and proxies from the environment must not be followed.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import httpx2

from ory_guard._event_loop import LoopLocal
from ory_guard.exceptions import KratosProtocolError, KratosTimeout, KratosUnavailable
from ory_guard.kratos.session_parser import Answer
from ory_guard.kratos.whoami import suppress_header_logs

__all__ = ["MAX_RESPONSE_BYTES", "Wire"]

MAX_RESPONSE_BYTES: Final = 1_048_576
"""The maximum size of a body; the largest recorded flow has about 10,000 bytes."""


class Wire:
    """Sends requests, each with one deadline, over connections of the running event loop.

    Args:
        transport: A transport to use instead of a pool of this client; it is never closed here.
        timeout: Seconds for a whole call, until the last byte is read.
        secure: Whether to load certificates, which takes tens of milliseconds.
    """

    def __init__(self, transport: httpx2.AsyncBaseTransport | None, *, timeout: float, secure: bool) -> None:
        self._timeout = timeout
        self._transports = LoopLocal(_opener(transport, secure=secure), _Owned.aclose)

    async def send(self, name: str, request: httpx2.Request) -> Answer:
        """Return the whole response.

        Args:
            name: The name of the operation, for error messages.
            request: The request.

        Raises:
            KratosTimeout: If the response is not complete before the deadline.
            KratosUnavailable: If the connection cannot be opened, or is closed early.
            KratosProtocolError: If the response is too large, or has a content encoding.
        """
        # Messages and tracebacks of the library may contain the request, so they are dropped: `from None`.
        try:
            async with asyncio.timeout(self._timeout):
                kept = await self._transports.get()
                with suppress_header_logs():
                    return await _exchange(name, kept.transport, request)
        except (TimeoutError, httpx2.TimeoutException):
            raise KratosTimeout(f"{name}: no response from Kratos within {self._timeout:g} s") from None
        except KratosProtocolError:
            raise
        except Exception as error:  # noqa: BLE001 - a custom transport may raise anything
            kind = type(error).__name__
            raise KratosUnavailable(f"{name}: Kratos is unreachable ({kind})") from None

    async def aclose(self) -> None:
        """Close the connections of the running event loop; the next request opens new ones."""
        await self._transports.aclose()


class _Owned:
    """A transport that is closed with the client only if the client created it."""

    def __init__(self, transport: httpx2.AsyncBaseTransport, *, owned: bool) -> None:
        self.transport = transport
        self._owned = owned

    async def aclose(self) -> None:
        if self._owned:
            await self.transport.aclose()


def _opener(given: httpx2.AsyncBaseTransport | None, *, secure: bool) -> Callable[[], _Owned]:
    if given is not None:
        return lambda: _Owned(given, owned=False)
    tls = httpx2.create_ssl_context(verify=secure, trust_env=False)
    return lambda: _Owned(httpx2.AsyncHTTPTransport(verify=tls, trust_env=False), owned=True)


async def _exchange(name: str, transport: httpx2.AsyncBaseTransport, request: httpx2.Request) -> Answer:
    response = await transport.handle_async_request(request)
    stream = response.stream
    if not isinstance(stream, httpx2.AsyncByteStream):
        raise KratosProtocolError(f"{name}: the transport is not asynchronous; use an httpx2.AsyncBaseTransport")
    try:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise KratosProtocolError(f"{name}: the response is encoded, although identity was requested")
        headers = [(key.lower(), value) for key, value in response.headers.raw]
        return Answer(response.status_code, headers, await _read(name, stream))
    finally:
        await stream.aclose()


async def _read(name: str, stream: httpx2.AsyncByteStream) -> bytes:
    body = bytearray()
    async for part in stream:
        body += part
        if len(body) > MAX_RESPONSE_BYTES:
            raise KratosProtocolError(f"{name}: the response is larger than {MAX_RESPONSE_BYTES} bytes")
    return bytes(body)
