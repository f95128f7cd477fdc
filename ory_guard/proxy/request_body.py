"""The body of a request: bounded by its bytes, not by its headers, and streamed unless it is small."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from ory_guard.guard.context import header_value
from ory_guard.guard.responses.asgi import Receive
from ory_guard.proxy.errors import ProxyError

__all__ = ["RequestBody"]

_MAX_BODY_BYTES: Final = 1_048_576
"""The maximum size of a request body."""

_BUFFERED_BYTES: Final = 65_536


class RequestBody:
    """The body of one request.

    A small body is received completely before a connection to Kratos is used, so that slow clients do not occupy
    connections. A larger one is streamed.

    Args:
        scope: The ASGI scope of the request.
        receive: The ASGI callable.

    Attributes:
        is_complete: Whether the last byte has arrived.
        error: The error that ended the body, or None.
        declared_size: The size in the headers, or None for a chunked body.

    Raises:
        ProxyError: If the headers contradict each other (400), the body has a content encoding (415), or its
            declared size is above the limit (413).
    """

    def __init__(self, scope: Mapping[str, Any], receive: Receive) -> None:
        self._receive = receive
        self._size = 0
        self._start: bytes = b""
        self.is_complete = False
        self.error: ProxyError | None = None
        self.declared_size: int | None = _declared_size(scope)
        if (header_value(scope, b"content-encoding") or b"identity").strip().lower() != b"identity":
            raise ProxyError(415, "unsupported_encoding", "The body must not have a content encoding.")
        if self.declared_size is not None and self.declared_size > _MAX_BODY_BYTES:
            raise _too_large()

    async def read(self) -> bytes | AsyncIterator[bytes]:
        """Return the whole body if it is small, or an iterator of its parts.

        Raises:
            ProxyError: If the body is too large (413), does not have the declared size, or ends early (400).
        """
        parts = []
        while not self.is_complete and self._size <= _BUFFERED_BYTES:
            parts.append(await self._next())
        self._start = b"".join(parts)
        return self._start if self.is_complete else self._stream()

    async def _stream(self) -> AsyncIterator[bytes]:
        yield self._start
        while not self.is_complete:
            part = await self._next()
            if part:
                yield part

    async def _next(self) -> bytes:
        try:
            return await self._receive_part()
        except ProxyError as error:
            self.error = error
            raise

    async def _receive_part(self) -> bytes:
        message = await self._receive()
        if message["type"] != "http.request":
            raise ProxyError(400, "incomplete_body", "The request ended before its body was complete.")
        part: bytes = message.get("body", b"")
        self._size += len(part)
        if self._size > _MAX_BODY_BYTES:
            raise _too_large()
        is_complete = not message.get("more_body", False)
        if self.declared_size is not None and (
            self._size > self.declared_size or (is_complete and self._size < self.declared_size)
        ):
            raise ProxyError(400, "invalid_content_length", "The body does not have the size in Content-Length.")
        self.is_complete = is_complete
        if not part and not is_complete:
            await asyncio.sleep(0)  # `receive` may return at once, and the deadline needs the event loop
        return part


def _declared_size(scope: Mapping[str, Any]) -> int | None:
    # RFC 9112, section 6.1: a request with both headers may be an attempt at request smuggling.
    length = header_value(scope, b"content-length")
    if length is None:
        return None
    digits = length.strip(b" \t")
    if header_value(scope, b"transfer-encoding") is not None or not digits.isdigit() or len(digits) > 18:
        raise ProxyError(400, "invalid_content_length", "Content-Length must be one number, sent once.")
    return int(digits)


def _too_large() -> ProxyError:
    return ProxyError(
        413, "request_body_too_large", f"The body of the request must have at most {_MAX_BODY_BYTES} bytes."
    )
