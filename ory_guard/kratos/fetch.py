"""The HTTP seam to small documents, such as a JWKS: no redirects, no proxies, one deadline."""

import asyncio
import ssl
from typing import Final

import httpx2

from ory_guard.kratos.urls import origin_of

__all__ = ["Document"]

_MOST_BYTES: Final = 262_144


class Document:
    """A small document at a URL.

    Args:
        url: Its absolute http(s) URL.
        timeout: Seconds that one try may take.
        transport: A transport to use instead of one of our own; it is never closed here.

    Raises:
        ValueError: The URL is none.
    """

    def __init__(self, url: str, *, timeout: float, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        origin_of(url)
        self._url = httpx2.URL(url)
        self._timeout = timeout
        self._transport = transport
        # Loading the certificates takes tens of milliseconds: once, here, and only where they are needed.
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self._url.scheme == "https" and transport is None:
            self._tls = httpx2.create_ssl_context(trust_env=False)

    async def fetch(self) -> bytes:
        """Return its bytes.

        Raises:
            TimeoutError: It took too long.
            ValueError: The answer is no 200, or too large.
            Exception: Whatever else the transport raises.
        """
        async with asyncio.timeout(self._timeout):
            if self._transport is not None:
                return await self._fetch(self._transport)
            async with httpx2.AsyncHTTPTransport(verify=self._tls, trust_env=False) as transport:
                return await self._fetch(transport)

    async def _fetch(self, transport: httpx2.AsyncBaseTransport) -> bytes:
        headers = {
            "Host": self._url.netloc.decode("ascii"),
            "Accept": "application/json",
            "User-Agent": "ory-guard",
        }
        headers["Accept-Encoding"] = "identity"
        response = await transport.handle_async_request(httpx2.Request("GET", self._url, headers=headers))
        try:
            if response.status_code != 200:
                raise ValueError(f"status {response.status_code}")
            return await self._read(response)
        finally:
            await response.aclose()

    async def _read(self, response: httpx2.Response) -> bytes:
        stream = response.stream
        assert isinstance(stream, httpx2.AsyncByteStream)  # noqa: S101 - what an async transport returns
        body = b""
        async for part in stream:
            body += part
            if len(body) > _MOST_BYTES:
                raise ValueError("too large")
        return body
