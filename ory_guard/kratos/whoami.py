"""The HTTP seam to Kratos: one question, one credential, one deadline.

It uses httpx2's transport and no client: no cookie jar (a shared jar signs one user in as another), no
redirects, no proxies from the environment.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import httpx2

from ory_guard._event_loop import LoopLocal
from ory_guard.kratos.session_parser import Answer
from ory_guard.models.credential import Credential

__all__ = ["PoolTimeout", "ResponseTooLarge", "Transport", "WhoamiClient", "suppress_header_logs"]

Transport = httpx2.AsyncBaseTransport

_NOTHING: Final = httpx2.ByteStream(b"")
_ASKING: Final = ContextVar("asking", default=False)


class ResponseTooLarge(Exception):
    """An answer that may not be read to its end: too large, or said to be."""


class PoolTimeout(Exception):
    """No slot became free within the deadline."""


class _HideAnswers(logging.Filter):
    """Drops what the HTTP library logs at DEBUG about the headers of our answers: `Set-Cookie` is one."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (_ASKING.get() and str(record.msg).startswith("receive_response_headers."))


_HIDE_ANSWERS: Final = _HideAnswers()
for _name in ("httpcore2.http11", "httpcore2.http2"):
    logging.getLogger(_name).addFilter(_HIDE_ANSWERS)


@contextmanager
def suppress_header_logs() -> Iterator[None]:
    """Keep the headers of answers that come in this block out of the log."""
    token = _ASKING.set(True)
    try:
        yield
    finally:
        _ASKING.reset(token)


class _Connection:
    """What one loop uses to reach Kratos."""

    def __init__(self, transport: Transport, slots: int, owned: bool) -> None:
        self.transport = transport
        self.slots = asyncio.Semaphore(slots)
        self._owned = owned

    async def aclose(self) -> None:
        if self._owned:
            await self.transport.aclose()


class _Trace:
    """Watches one call, to tell whether it went out on a connection that had been used before."""

    def __init__(self) -> None:
        self._events: list[str] = []

    async def __call__(self, event: str, _info: dict[str, Any]) -> None:
        self._events.append(event)

    @property
    def lost_a_reused_connection(self) -> bool:
        connected = any(event.startswith("connection.connect") for event in self._events)
        sent = "http11.send_request_headers.started" in self._events
        answered = "http11.receive_response_headers.complete" in self._events
        return sent and not connected and not answered


class WhoamiClient:
    """Asks Kratos' `/sessions/whoami`.

    Args:
        base_url: Kratos' public URL.
        timeout: Seconds for one check, from waiting for a connection to the last byte.
        max_response_bytes: The largest body that is read, in bytes.
        max_concurrency: The largest number of checks under way.
        keep_alive: Whether connections are used again.
        transport: A transport to use instead of a pool of our own; it is never closed here.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float,
        max_response_bytes: int,
        max_concurrency: int,
        keep_alive: bool = True,
        transport: Transport | None = None,
    ) -> None:
        self._timeout = timeout
        self._max_response_bytes = max_response_bytes
        self._url = httpx2.URL(base_url + "/sessions/whoami")
        self._headers = [
            (b"Host", self._url.netloc),
            (b"Accept", b"application/json"),
            (b"Accept-Encoding", b"identity"),
            (b"User-Agent", b"ory-guard"),
        ]
        self._connections = LoopLocal(
            _connection_maker(base_url, transport, max_concurrency, keep_alive=keep_alive), _Connection.aclose
        )

    async def whoami(self, credential: Credential, *, no_cache: bool) -> Answer:
        """Ask whose session this credential is, within one deadline for all of it.

        Args:
            credential: The one credential to send.
            no_cache: Ask caches on the way (Ory Network has one) for a fresh answer.

        Raises:
            TimeoutError: There was no whole answer in time.
            Overloaded: There was no free slot in time.
            Nonsense: The answer is larger than is read.
            Exception: Whatever else the transport raises; its text may hold the credential.
        """
        headers = [*self._headers, credential.header()]
        if no_cache:
            headers.append((b"Cache-Control", b"max-age=0"))
        slot = False
        try:
            async with asyncio.timeout(self._timeout):
                connection = self._connections.current() or await self._connections.get()
                async with connection.slots:
                    slot = True
                    with suppress_header_logs():
                        return await self._exchange(connection.transport, headers)
        except TimeoutError:
            if not slot:
                raise PoolTimeout from None
            raise

    async def _exchange(self, transport: Transport, headers: list[tuple[bytes, bytes]]) -> Answer:
        trace = _Trace()
        try:
            return await self._send(transport, headers, trace)
        except httpx2.TransportError:
            # Kratos may close an idle connection just as we use it; a GET may be repeated (RFC 9110, 9.2.2).
            if not trace.lost_a_reused_connection:
                raise
        return await self._send(transport, headers, _Trace())

    async def _send(self, transport: Transport, headers: list[tuple[bytes, bytes]], trace: _Trace) -> Answer:
        request = httpx2.Request("GET", self._url, headers=headers, stream=_NOTHING, extensions={"trace": trace})
        response = await transport.handle_async_request(request)
        try:
            headers = [(name.lower(), value) for name, value in response.headers.raw]
            # Not from response.headers, which would decode all of them to find one.
            length = int(dict(headers).get(b"content-length", 0))
            return Answer(response.status_code, headers, await self._read(response, length))
        finally:
            await response.aclose()

    async def _read(self, response: httpx2.Response, length: int) -> bytes:
        limit = self._max_response_bytes
        if length > limit:
            raise ResponseTooLarge
        parts: list[bytes] = []
        size = 0
        stream = response.stream
        assert isinstance(stream, httpx2.AsyncByteStream)  # noqa: S101 - what an async transport returns
        async for part in stream:
            size += len(part)
            if size > limit:
                raise ResponseTooLarge
            parts.append(part)
        return b"".join(parts)

    async def aclose(self) -> None:
        """Close the running loop's connections; the next question opens new ones."""
        await self._connections.aclose()


def _connection_maker(
    base_url: str, given: Transport | None, slots: int, *, keep_alive: bool
) -> Callable[[], _Connection]:
    if given is not None:
        return lambda: _Connection(given, slots, owned=False)
    limits = httpx2.Limits(max_connections=slots, max_keepalive_connections=slots if keep_alive else 0)
    # Loading the certificates takes tens of milliseconds: once, here, and only where they are needed.
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if base_url.startswith("https:"):
        tls = httpx2.create_ssl_context(trust_env=False)

    def connect() -> _Connection:
        transport = httpx2.AsyncHTTPTransport(verify=tls, trust_env=False, limits=limits)
        return _Connection(transport, slots, owned=True)

    # The first transport imports the rest of the library (0.1 s): now, and not in the first request's event loop.
    connect()
    return connect
