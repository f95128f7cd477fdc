"""A connection pool for GET requests to one origin, without a task for each request.

Connections and timers are created in an empty
`contextvars.Context`, because the callbacks of a connection run in the context that opened it, for all users.
"""

import asyncio
import select
from collections import deque
from contextvars import Context
from typing import Final, cast

from ory_guard.kratos.admission import Admission
from ory_guard.kratos.caller import UNKNOWN, Caller
from ory_guard.kratos.exchange import Exchange, OnResult, pool_closed
from ory_guard.kratos.http import HTTPResponse, PoolTimeout
from ory_guard.kratos.http1_parser import HTTP1Parser
from ory_guard.kratos.origin import Origin

__all__ = ["ConnectionPool"]

_MAX_CONNECTS_PER_TURN: Final = 8
"""The number of connections that one turn of the event loop may begin to open, so that no turn becomes long."""

# Below the 60 seconds after which common load balancers drop an idle connection, with or without a word.
_MAX_IDLE_SECONDS: Final = 15.0

_new_poll: Final = getattr(select, "poll", None)  # not on Windows


class ConnectionPool:
    """Send GET requests over at most `max_connections` connections of the running event loop.

    Args:
        origin: The server.
        timeout: Seconds for one exchange: waiting for a connection, connecting, sending and reading.
        max_connections: The largest number of open connections.
        max_response_bytes: The largest body, in bytes.
        keep_alive: Whether connections are reused.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        timeout: float,
        max_connections: int,
        max_response_bytes: int,
        keep_alive: bool = True,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._origin = origin
        self._timeout = timeout
        self.admission: Final = Admission(
            max_connections, timeout, time=self._loop.time, call_later=self._loop.call_later
        )
        self._max_connections = max_connections
        self.max_response_bytes: Final = max_response_bytes
        self.keep_alive: Final = keep_alive
        self._idle: dict[_Connection, float] = {}  # when each became idle; the last one is used first
        self._open: set[_Connection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._connects_in_turn = 0
        self.queue: Final[deque[Exchange]] = deque()  # admitted, without a connection
        self._deadlines: deque[Exchange] = deque()  # all exchanges have the same timeout, so one timer is enough
        self._timer: asyncio.TimerHandle | None = None
        self._send_admitted = self._dispatch  # one bound method for all exchanges
        self._is_closed = False
        self._emptied: asyncio.Future[None] | None = None

    def send(self, request: bytes, on_result: OnResult, caller: Caller = UNKNOWN) -> Exchange:
        """Start an exchange and return it; `on_result` is called later, by the event loop.

        The result is the response, or `TimeoutError` after `timeout` seconds, `PoolTimeout` if no connection was
        available until then, `InvalidResponse` (`ResponseTooLarge` among them) or the `OSError` of the connection.
        """
        exchange = Exchange(self.admission, self._send_admitted, request, on_result, caller)
        Context().run(self._start, exchange)
        return exchange

    def _start(self, exchange: Exchange) -> None:
        if self._is_closed:
            self._loop.call_soon(exchange.finish, pool_closed())
            return
        deadlines = self._deadlines
        while deadlines and deadlines[0].is_done:
            deadlines.popleft()
        exchange.deadline = self._loop.time() + self._timeout
        deadlines.append(exchange)
        if self._timer is None:
            self._timer = self._loop.call_at(exchange.deadline, self._on_deadline)
        self.admission.enter(exchange)

    def _on_deadline(self) -> None:
        self._timer = None
        deadlines, now = self._deadlines, self._loop.time()
        while deadlines and (deadlines[0].is_done or deadlines[0].deadline <= now):
            self._expire(deadlines.popleft())
        if deadlines:
            self._timer = self._loop.call_at(deadlines[0].deadline, self._on_deadline)

    def _dispatch(self, exchange: Exchange) -> None:
        connection = self._take_idle()
        if connection is not None:
            connection.send(exchange)
        else:
            self.queue.append(exchange)
            self._connect_if_needed()

    def _take_idle(self) -> "_Connection | None":
        while self._idle:
            connection, idle_since = self._idle.popitem()
            if self._loop.time() - idle_since < _MAX_IDLE_SECONDS and connection.is_reusable():
                return connection
            connection.abort()
        return None

    def _connect_if_needed(self) -> None:
        while self._needs_connection() and self._connects_in_turn < _MAX_CONNECTS_PER_TURN:
            if self._connects_in_turn == 0:
                self._loop.call_soon(self._on_next_turn, context=Context())
            self._connects_in_turn += 1
            # Not by a task factory of the application: it could run the task at once, or in another context.
            task = asyncio.Task(self._connect(), loop=self._loop, context=Context())
            self._connecting.add(task)
            task.add_done_callback(self._on_connected, context=Context())

    def _needs_connection(self) -> bool:
        while self.queue and self.queue[0].is_done:
            self.queue.popleft()
        if self._is_closed or len(self._connecting) >= len(self.queue):
            return False
        return len(self._open) + len(self._connecting) < self._max_connections

    def _on_next_turn(self) -> None:
        self._connects_in_turn = 0
        self._connect_if_needed()

    async def _connect(self) -> None:
        async with asyncio.timeout(self._timeout):
            connection = await self._origin.connect(lambda: _Connection(self))
        if connection.is_closing():
            raise _connection_lost()
        self.on_open(connection)

    def _on_connected(self, task: asyncio.Task[None]) -> None:
        self._connecting.discard(task)
        error = None if task.cancelled() else task.exception()
        # Each exchange has a deadline of its own, so it does not fail with an attempt that started before.
        exchange = None if error is None or isinstance(error, TimeoutError) else self._next_in_queue()
        self._connect_if_needed()
        if exchange is not None:
            exchange.finish(error if isinstance(error, Exception) else _connection_lost())

    def _next_in_queue(self) -> Exchange | None:
        while self.queue:
            exchange = self.queue.popleft()
            if not exchange.is_done:
                return exchange
        return None

    def _expire(self, exchange: Exchange) -> None:
        connection = exchange.connection
        exchange.finish(PoolTimeout() if exchange.state == "waiting" else TimeoutError())
        if connection is not None:
            connection.abort()

    def on_open(self, connection: "_Connection") -> None:
        """Use a new connection, or one whose exchange is complete."""
        self._open.add(connection)
        if self._is_closed:
            connection.abort()
        elif (exchange := self._next_in_queue()) is not None:
            connection.send(exchange)
        else:
            self._idle[connection] = self._loop.time()

    def on_lost(self, connection: "_Connection", exchange: Exchange | None, error: Exception | None) -> None:
        """Remove a closed connection; send its request again if the server had closed the idle connection."""
        self._open.discard(connection)
        self._idle.pop(connection, None)
        retry = False
        if exchange is not None and not exchange.is_done:
            # A GET request may be sent again if there was no response (RFC 9110, section 9.2.2).
            retry = connection.is_safe_to_retry and not exchange.is_retry and not self._is_closed
            if retry:
                exchange.is_retry, exchange.connection = True, None
                self.queue.appendleft(exchange)
        self._connect_if_needed()
        if exchange is not None and not retry:
            exchange.finish(error or _connection_lost())
        if self._emptied is not None and not self._open and not self._emptied.done():
            self._emptied.set_result(None)

    async def aclose(self) -> None:
        """Close all connections. Exchanges in progress end with an error."""
        Context().run(self._close)
        await asyncio.gather(*self._connecting, return_exceptions=True)
        if self._open:
            self._emptied = self._loop.create_future()
            await self._emptied

    def _close(self) -> None:
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task in self._connecting:
            task.cancel()
        for connection in self._open:
            connection.abort()
        self.admission.close()
        while (exchange := self._next_in_queue()) is not None:
            exchange.finish(pool_closed())


class _Connection(asyncio.Protocol):
    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport
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
        return not self.is_closing() and not (self._poll is not None and self._poll.poll(0))

    def is_closing(self) -> bool:
        """Return whether the connection is closed, or about to be."""
        return self._transport.is_closing()

    def send(self, exchange: Exchange) -> None:
        self._exchange = exchange
        exchange.connection = self
        self._parser = HTTP1Parser(self._pool.max_response_bytes)
        self._transport.write(exchange.request)

    def abort(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # the class is another one in uvloop
        if self._poll is not None:
            self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None or exchange.is_done:
            self.abort()  # no request is waiting for these bytes
            return
        try:
            response = self._parser.feed(data)
        except Exception as error:  # noqa: BLE001 - after any failure of the parser, the end of the response is unknown
            self._exchange = None
            self.abort()
            exchange.finish(error)
            return
        if response is not None:
            self._complete(exchange, response)

    def eof_received(self) -> None:
        exchange = self._exchange
        if exchange is not None and (response := self._parser.feed_eof()) is not None:
            self._complete(exchange, response)

    def _complete(self, exchange: Exchange, response: HTTPResponse) -> None:
        self._exchange = None
        self._responses += 1
        if self._is_clean():
            self._pool.on_open(self)
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
        exchange, self._exchange = self._exchange, None
        self._pool.on_lost(self, exchange, exc)


def _connection_lost() -> ConnectionError:
    return ConnectionError("the connection was closed before the response was complete")
