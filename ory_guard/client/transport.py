"""One question to Kratos and its whole answer: one deadline, a limit on the size, and errors of our own.

It uses httpx2's transport and no client: no cookie jar (a shared jar signs one user in as another), no
redirects, no proxies from the environment.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import httpx2

from ory_guard.exceptions import KratosProtocolError, KratosTimeout, KratosUnavailable
from ory_guard.loops import PerLoop
from ory_guard.upstream import headers_hidden
from ory_guard.whoami import Answer

__all__ = ["MAX_ANSWER_BYTES", "Wire"]

MAX_ANSWER_BYTES: Final = 1_048_576
"""The greatest body that is read; the largest recorded flow has about 10 000 bytes."""


class Wire:
    """Sends requests, each within one deadline, over connections of the running loop.

    Args:
        transport: A transport to use instead of a pool of our own; it is never closed here.
        timeout: Seconds for a whole call, from the first byte sent to the last one read.
        secure: Whether certificates are needed; loading them takes tens of milliseconds.
    """

    def __init__(self, transport: httpx2.AsyncBaseTransport | None, *, timeout: float, secure: bool) -> None:
        self._timeout = timeout
        self._transports = PerLoop(_opener(transport, secure=secure), _Owned.aclose)

    async def send(self, name: str, request: httpx2.Request) -> Answer:
        """Return the answer, read whole.

        Args:
            name: The operation, for the texts of errors.
            request: What to send.

        Raises:
            KratosTimeout: There was no whole answer in time.
            KratosUnavailable: The connection could not be made, or broke.
            KratosProtocolError: The answer is too large, or encoded although that was not asked for.
        """
        # The library's own texts and tracebacks may hold what was sent, so they end here: `from None`.
        try:
            async with asyncio.timeout(self._timeout):
                kept = await self._transports.get()
                with headers_hidden():
                    return await _exchange(name, kept.transport, request)
        except (TimeoutError, httpx2.TimeoutException):
            raise KratosTimeout(f"{name}: Kratos did not answer within {self._timeout:g} s") from None
        except KratosProtocolError:
            raise
        except Exception as error:  # noqa: BLE001 - a transport that was handed in may raise anything
            what = type(error).__name__
            raise KratosUnavailable(f"{name}: Kratos could not be reached ({what})") from None

    async def aclose(self) -> None:
        """Close the running loop's connections; the next request opens new ones."""
        await self._transports.aclose()


class _Owned:
    """A transport that is closed with the client only where the client made it."""

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
        raise KratosProtocolError(f"{name}: the transport's answer can't be read asynchronously")
    try:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise KratosProtocolError(f"{name}: the answer is encoded, although identity was asked for")
        headers = [(key.lower(), value) for key, value in response.headers.raw]
        return Answer(response.status_code, headers, await _read(name, stream))
    finally:
        await stream.aclose()


async def _read(name: str, stream: httpx2.AsyncByteStream) -> bytes:
    body = bytearray()
    async for part in stream:
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            raise KratosProtocolError(f"{name}: the answer is larger than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)
