"""Small JSON documents, such as a JWKS."""

from typing import Final

from ory_guard.kratos.http import URL, HTTPClient, Transport, get_request
from ory_guard.kratos.urls import origin_of

__all__ = ["JSONDocument"]

_MAX_DOCUMENT_BYTES: Final = 262_144


class JSONDocument:
    """A small JSON document at a URL, such as a JWKS.

    Args:
        url: The absolute http(s) URL.
        timeout: Seconds for one request.
        transport: A transport to use instead of new connections. The document does not close it.

    Raises:
        ValueError: If `url` is not an absolute http(s) URL.
    """

    def __init__(self, url: str, *, timeout: float, transport: Transport | None = None) -> None:
        origin_of(url)
        self._url = URL(url)
        self._http = HTTPClient(url, timeout=timeout, max_response_bytes=_MAX_DOCUMENT_BYTES, transport=transport)

    async def fetch(self) -> bytes:
        """Return the document.

        Raises:
            TimeoutError: If the response is not complete before the deadline.
            ValueError: If the status is not 200, or if the document is too large.
            Exception: Any error of the transport.
        """
        response = await self._http.send(get_request(self._url))
        if response.status != 200:
            raise ValueError(f"status {response.status}")
        return response.body
