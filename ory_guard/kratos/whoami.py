"""`GET /sessions/whoami`: one request with one credential."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from ory_guard._event_loop import LoopLocal, set_result_if_pending
from ory_guard.kratos.admission import ClassLoad
from ory_guard.kratos.caller import UNKNOWN, Caller
from ory_guard.kratos.connection_pool import ConnectionPool
from ory_guard.kratos.http import (
    URL,
    HTTPClient,
    PoolTimeout,
    Request,
    Transport,
    get_request,
    request_headers,
    tls_context,
)
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.server_address import ServerAddress
from ory_guard.kratos.slots import Slots
from ory_guard.kratos.urls import http_url
from ory_guard.models.credential import Credential, Header

__all__ = ["WhoamiClient"]

_REVALIDATE: Header = (b"Cache-Control", b"max-age=0")


class WhoamiClient:
    """Requests the session of a credential.

    Args:
        base_url: Kratos' public URL.
        timeout: Seconds for one call, from waiting for a connection to the last byte of the response.
        max_response_bytes: The maximum size of a body.
        max_concurrency: The maximum number of concurrent calls per event loop.
        ca_file: A PEM file with the certificate authorities to trust; see `tls_context`.
        transport: A transport to use instead of the connection pool. The client does not close it.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float,
        max_response_bytes: int,
        max_concurrency: int,
        ca_file: str | None = None,
        transport: Transport | None = None,
    ) -> None:
        self._url = URL(http_url(base_url) + "/sessions/whoami")
        self._request_head = b"GET %b HTTP/1.1\r\n%b" % (
            self._url.raw_path,
            _header_lines(request_headers(self._url)),
        )
        self._timeout = timeout
        self._http: HTTPClient | None = None
        if transport is not None:
            self._http = HTTPClient(
                base_url,
                timeout=timeout,
                max_response_bytes=max_response_bytes,
                max_concurrency=max_concurrency,
                transport=transport,
            )
        tls = tls_context(ca_file) if transport is None and base_url.startswith("https:") else None
        make_pool = partial(
            ConnectionPool,
            ServerAddress.from_url(base_url, tls),
            timeout=timeout,
            max_connections=max_concurrency,
            max_response_bytes=max_response_bytes,
        )
        self._pools: LoopLocal[ConnectionPool] = LoopLocal(make_pool, ConnectionPool.aclose)
        self._slots = Slots(max_concurrency, timeout)

    async def pool(self) -> ConnectionPool | None:
        """Return the connection pool of the running event loop, or None if a transport is used instead."""
        if self._http is not None:
            return None
        return self._pools.current() or await self._pools.get()

    def request_bytes(self, credential: Credential, *, bypass_caches: bool) -> bytes:
        """Return a request for the connection pool.

        Raises:
            ValueError: If the credential contains a line break, which could add another request.
        """
        name, value = credential.header()
        if b"\n" in value or b"\r" in value:
            raise ValueError("the credential contains a line break")
        end = b"\r\nCache-Control: max-age=0\r\n\r\n" if bypass_caches else b"\r\n\r\n"
        return b"".join((self._request_head, name, b": ", value, end))

    async def get(self, credential: Credential, *, bypass_caches: bool, caller: Caller = UNKNOWN) -> HTTPResponse:
        """Return Kratos' response to a credential.

        A request on a reused connection that Kratos closed is sent once more, before the same deadline.

        Args:
            credential: The only credential that is sent.
            bypass_caches: Whether caches in front of Kratos, such as the one of Ory Network, must revalidate.
            caller: The credential of the call; known credentials come first if slots are scarce.

        Raises:
            TimeoutError: If the response is not complete before the deadline.
            PoolTimeout: If the deadline passes while `max_concurrency` other calls are in progress.
            ResponseTooLarge: If the body is larger than `max_response_bytes`.
            Exception: Any error of the transport. Its text may contain the credential.
        """
        if self._http is not None:
            headers = _own_headers(credential, bypass_caches=bypass_caches)
            return await self._send(self._http, get_request(self._url, *headers), caller)
        pool = self._pools.current() or await self._pools.get()
        received: asyncio.Future[HTTPResponse | Exception] = asyncio.get_running_loop().create_future()
        request = self.request_bytes(credential, bypass_caches=bypass_caches)
        pool.send(request, partial(set_result_if_pending, received), caller)
        result = await received
        if isinstance(result, Exception):
            raise result
        return result

    async def _send(self, http: HTTPClient, request: Request, caller: Caller) -> HTTPResponse:
        is_waiting = True
        try:
            async with asyncio.timeout(self._timeout), self._slots.take(caller) as call:
                while True:
                    is_waiting = False
                    response = await http.send(request, retry=True)
                    call.is_limited = response.status == 429
                    if not call.is_limited or not call.retry_later():
                        return response
                    is_waiting = True
                    await call.wait()
        except TimeoutError:
            if is_waiting:
                raise PoolTimeout from None
            raise

    def load(self, *, known: bool) -> ClassLoad:
        """Return the number of calls of a class in the running event loop."""
        if self._http is not None:
            return self._slots.load(known=known)
        pool = None
        with suppress(RuntimeError):  # there is no running event loop
            pool = self._pools.current()
        return ClassLoad() if pool is None else pool.admission.load(known=known)

    async def aclose(self) -> None:
        """Close the connections of the running event loop. The next call opens new ones."""
        await self._pools.aclose()
        await self._slots.aclose()
        if self._http is not None:
            await self._http.aclose()


def _own_headers(credential: Credential, *, bypass_caches: bool) -> tuple[Header, ...]:
    return (credential.header(), _REVALIDATE) if bypass_caches else (credential.header(),)


def _header_lines(headers: Iterable[Header]) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])
