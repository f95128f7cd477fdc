"""A connection of the connection pool.

It reads into a buffer of its own. For a protocol without one, the event loop allocates 256 KiB for each read. Many
allocators map and unmap memory for that, which takes longer than parsing the response.
"""

import asyncio
import select
from typing import TYPE_CHECKING, Final, cast

from ory_guard.kratos.exchange import Exchange
from ory_guard.kratos.http1_parser import HTTP1Parser
from ory_guard.kratos.http_response import HTTPResponse

if TYPE_CHECKING:
    from ory_guard.kratos.connection_pool import ConnectionPool

__all__ = ["PooledConnection"]

_BUFFER_BYTES: Final = 16_384

_new_poll: Final = getattr(select, "poll", None)  # not on Windows


class PooledConnection(asyncio.BufferedProtocol):
    """A connection that carries one exchange at a time.

    Args:
        pool: The pool of the connection.
    """

    def __init__(self, pool: "ConnectionPool") -> None:
        self._pool = pool
        self._transport: asyncio.Transport
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._poll = None if _new_poll is None else _new_poll()
        self._exchange: Exchange | None = None
        self._parser = HTTP1Parser(0)
        self._responses = 0

    @property
    def is_safe_to_retry(self) -> bool:
        """Whether the connection was reused, and no byte of the last response arrived."""
        return self._responses > 0 and not self._parser.started

    def is_reusable(self) -> bool:
        """Return whether the connection is open, without bytes or an end that the event loop has not read."""
        return not (self._transport.is_closing() or (self._poll is not None and self._poll.poll(0)))

    def is_closing(self) -> bool:
        """Return whether the connection is closed, or about to be."""
        return self._transport.is_closing()

    def send(self, exchange: Exchange) -> None:
        """Send the request of an exchange."""
        self._exchange = exchange
        exchange.connection = self
        self._parser = HTTP1Parser(self._pool.max_response_bytes)
        self._transport.write(exchange.request)

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # the class is another one in uvloop
        if self._poll is not None:
            self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Return the buffer for the next read."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Parse the bytes in the buffer."""
        exchange = self._exchange
        if exchange is None or exchange.is_done:
            self.abort()  # no request is waiting for these bytes
            return
        try:
            response = self._parser.feed(bytes(self._buffer[:nbytes]))
        except Exception as error:  # noqa: BLE001 - after any failure of the parser, the end of the response is unknown
            self._exchange = None
            self.abort()
            exchange.finish(error)
            return
        if response is not None:
            if nbytes == _BUFFER_BYTES:
                self._parser.keep_alive = False  # with TLS, there may be more bytes that `is_reusable` does not see
            self._complete(exchange, response)

    def eof_received(self) -> None:
        """Finish the exchange if the end of the connection completes the response."""
        exchange = self._exchange
        if exchange is not None and (response := self._parser.feed_eof()) is not None:
            self._complete(exchange, response)

    def _complete(self, exchange: Exchange, response: HTTPResponse) -> None:
        self._exchange = None
        self._responses += 1
        if self._is_clean():
            self._pool.on_ready(self)
        else:
            self.abort()
        exchange.finish(response)

    def _is_clean(self) -> bool:
        if self._transport.is_closing() or self._transport.get_write_buffer_size() > 0:
            return False
        if not (self._pool.keep_alive and self._parser.keep_alive):
            return False
        # If a request waits, it is sent at once, so the bytes that the event loop has not read count, too.
        return not self._pool.queue or self.is_reusable()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end to the pool."""
        exchange, self._exchange = self._exchange, None
        self._pool.on_lost(self, exchange, exc)
