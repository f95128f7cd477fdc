"""HTTP requests with one deadline, a size limit, and connections that belong to the running event loop.

This module uses the transport of httpx2, not its client. A client has a cookie jar, and a shared cookie jar logs in
one user as another; a client also follows redirects and reads proxies from the environment.
"""

import asyncio
import os
import ssl
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import httpx2

from ory_guard._event_loop import LoopLocal
from ory_guard.exceptions import ConfigurationError
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.log_filter import suppress_header_logs
from ory_guard.kratos.require_asyncio import require_asyncio
from ory_guard.kratos.urls import unix_socket_of
from ory_guard.models.credential import Header

__all__ = [
    "COMMON_HEADERS",
    "URL",
    "HTTPClient",
    "InvalidResponse",
    "PoolTimeout",
    "RemoteProtocolError",
    "Request",
    "ResponseTooLarge",
    "Transport",
    "get_request",
    "request_headers",
    "tls_context",
]

RemoteProtocolError = httpx2.RemoteProtocolError
Request = httpx2.Request
Transport = httpx2.AsyncBaseTransport
URL = httpx2.URL

_EMPTY_BODY: Final = httpx2.ByteStream(b"")
COMMON_HEADERS: Final[tuple[Header, ...]] = (
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"identity"),
    (b"User-Agent", b"ory-guard"),
)


class InvalidResponse(ValueError):
    """The response cannot be read. The message does not contain any part of it."""


class ResponseTooLarge(InvalidResponse):
    """The body, or its `Content-Length`, is larger than the limit.

    Args:
        limit: The limit, in bytes.
        size: The `Content-Length`, or the number of bytes of the body that have arrived.
        head: The response without its body.

    Attributes:
        limit: The limit, in bytes.
        size: The minimum size of the body, in bytes.
        head: The response without its body.
    """

    def __init__(self, limit: int, size: int, head: HTTPResponse) -> None:
        super().__init__(f"the response is larger than {limit} bytes: it has {size} bytes or more")
        self.limit, self.size, self.head = limit, size, head


class PoolTimeout(Exception):
    """No connection became available before the deadline."""


def request_headers(url: URL, *headers: Header) -> list[Header]:
    """Return all headers of a request: `Host`, the common ones and `headers`."""
    return [(b"Host", url.netloc), *COMMON_HEADERS, *headers]


def get_request(url: URL, *headers: Header) -> Request:
    """Return a GET request for JSON. It has no headers besides the common ones and `headers`."""
    return Request("GET", url, headers=request_headers(url, *headers), stream=_EMPTY_BODY)


class HTTPClient:
    """Sends requests to one server, each on a connection of its own.

    Args:
        base_url: The URL of the server. Certificates are loaded only if it starts with `https:`.
        timeout: Seconds for a whole request, from waiting for a connection to the last byte of the response.
        max_response_bytes: The maximum size of a body.
        max_concurrency: The maximum number of concurrent requests per event loop.
        ca_file: A PEM file with the certificate authorities to trust; see `tls_context`.
        transport: A transport to use instead of the client's own connections. The client does not close it.

    Attributes:
        timeout: Seconds for a whole request.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float,
        max_response_bytes: int,
        max_concurrency: int = 100,
        ca_file: str | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.timeout = timeout
        self._max_response_bytes = max_response_bytes
        owned = transport is None
        open_transport: Callable[[], Transport] = (
            (lambda: transport)
            if transport is not None
            else _transport_factory(base_url, max_concurrency, ca_file=ca_file)
        )
        self._transports = LoopLocal(
            lambda: _LimitedTransport(open_transport(), max_concurrency, owned=owned), _LimitedTransport.aclose
        )

    async def send(self, request: Request, *, retry: bool = False) -> HTTPResponse:
        """Send a request and read the whole response.

        Args:
            request: The request.
            retry: Whether to send the request once more, before the same deadline, if the server closed a reused
                connection without a response (RFC 9110, section 9.2.2). Only for idempotent requests.

        Raises:
            TimeoutError: If the response is not complete before the deadline.
            PoolTimeout: If the deadline passes while `max_concurrency` other requests are in progress.
            ResponseTooLarge: If the body is larger than `max_response_bytes`.
            InvalidResponse: If the transport is not asynchronous.
            ConfigurationError: If it does not run in asyncio.
            Exception: Any error of the transport. Its text may contain the request.
        """
        require_asyncio()
        acquired = False
        try:
            async with asyncio.timeout(self.timeout):
                limited = self._transports.current() or await self._transports.get()
                async with limited.semaphore:
                    acquired = True
                    with suppress_header_logs():
                        if retry:
                            return await self._exchange_with_retry(limited.transport, request)
                        return await self._exchange(limited.transport, request)
        except TimeoutError:
            if not acquired:
                raise PoolTimeout from None
            raise

    async def _exchange_with_retry(self, transport: Transport, request: Request) -> HTTPResponse:
        request.extensions["trace"] = trace = _Trace()
        try:
            return await self._exchange(transport, request)
        except httpx2.TransportError:
            # The server may close an idle connection at the moment of its reuse.
            if not trace.is_safe_to_retry():
                raise
        return await self._exchange(transport, request)

    async def _exchange(self, transport: Transport, request: Request) -> HTTPResponse:
        response = await transport.handle_async_request(request)
        stream = response.stream
        if not isinstance(stream, httpx2.AsyncByteStream):
            raise InvalidResponse("the transport is not asynchronous; use an httpx2.AsyncBaseTransport")
        try:
            headers = [(name.lower(), value) for name, value in response.headers.raw]
            # `response.headers` would decode all headers to find one.
            content_length = int(dict(headers).get(b"content-length", 0))
            head = HTTPResponse(response.status_code, headers, b"")
            return head._replace(body=await self._read(stream, content_length, head))
        finally:
            await stream.aclose()

    async def _read(self, stream: httpx2.AsyncByteStream, content_length: int, head: HTTPResponse) -> bytes:
        limit = self._max_response_bytes
        if content_length > limit:
            raise ResponseTooLarge(limit, content_length, head)
        parts: list[bytes] = []
        size = 0
        async for part in stream:
            size += len(part)
            if size > limit:
                raise ResponseTooLarge(limit, size, head)
            parts.append(part)
        return b"".join(parts)

    async def aclose(self) -> None:
        """Close the connections of the running event loop. The next request opens new ones."""
        await self._transports.aclose()


class _LimitedTransport:
    """The transport of one event loop, and the limit of its concurrent requests."""

    def __init__(self, transport: Transport, max_concurrency: int, *, owned: bool) -> None:
        self.transport = transport
        self.semaphore = asyncio.Semaphore(max_concurrency)
        self._owned = owned

    async def aclose(self) -> None:
        if self._owned:
            await self.transport.aclose()


class _Trace:
    """Records what httpcore did for one request."""

    def __init__(self) -> None:
        self._events: list[str] = []

    async def __call__(self, event: str, _info: dict[str, Any]) -> None:
        self._events.append(event)

    def is_safe_to_retry(self) -> bool:
        """Return whether the request was sent on a reused connection and no response arrived."""
        is_new = any(event.startswith("connection.connect") for event in self._events)
        was_sent = "http11.send_request_headers.started" in self._events
        has_response = "http11.receive_response_headers.complete" in self._events
        return was_sent and not is_new and not has_response


def _transport_factory(base_url: str, max_concurrency: int, *, ca_file: str | None) -> Callable[[], Transport]:
    # On a reused connection, httpx2 would read bytes after a response as the next one, which is another user's.
    limits = httpx2.Limits(max_connections=max_concurrency, max_keepalive_connections=0)
    # Without certificates, a context of PROTOCOL_TLS_CLIENT rejects every server.
    tls = tls_context(ca_file) if base_url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unix_socket = unix_socket_of(base_url)

    def open_transport() -> Transport:
        return httpx2.AsyncHTTPTransport(verify=tls, trust_env=False, limits=limits, uds=unix_socket)

    # The first transport imports the rest of httpx2, which takes 0.1 s: here, not in the first request.
    open_transport()
    return open_transport


def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Return the TLS context for a server.

    Args:
        ca_file: A PEM file with the certificate authorities to trust. The default is the file in `SSL_CERT_FILE` or
            the directory in `SSL_CERT_DIR`, and without these variables the authorities that the system trusts.

    Raises:
        ConfigurationError: If the certificate authorities cannot be loaded.
    """
    # Loading them takes tens of milliseconds.
    return _load_tls_context(ca_file, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _load_tls_context(ca_file: str | None, cert_file: str | None, _cert_dir: str | None) -> ssl.SSLContext:
    try:
        if ca_file is not None:
            return ssl.create_default_context(cafile=ca_file)
        return httpx2.create_ssl_context()
    except OSError as error:
        name = "SSL_CERT_FILE" if ca_file is None else "ca_file"
        value = cert_file if ca_file is None else ca_file
        raise ConfigurationError(f"{name} must be a PEM file with CA certificates (got {value!r})") from error
