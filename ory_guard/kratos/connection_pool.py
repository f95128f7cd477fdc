"""A connection pool for GET requests to one server, without a task for each request.

Connections and timers are created in an empty `contextvars.Context`, because the callbacks of a connection run in
the context that opened it, for all users.
"""

import asyncio
from collections import deque
from contextvars import Context
from typing import Final

from ory_guard.kratos.admission import Admission
from ory_guard.kratos.caller import UNKNOWN, Caller
from ory_guard.kratos.exchange import Exchange, OnResult, pool_closed
from ory_guard.kratos.http import PoolTimeout
from ory_guard.kratos.pooled_connection import PooledConnection
from ory_guard.kratos.server_address import ServerAddress

__all__ = ["ConnectionPool"]

_MAX_CONNECTS_PER_TURN: Final = 8
"""The number of connections that one turn of the event loop may begin to open, so that no turn becomes long."""

# Below the 60 seconds after which common load balancers drop an idle connection, often without closing it.
_MAX_IDLE_SECONDS: Final = 15.0


class ConnectionPool:
    """Sends GET requests over at most `max_connections` connections of the running event loop.

    Args:
        address: The server.
        timeout: Seconds for one exchange: waiting for a connection, connecting, sending and reading.
        max_connections: The largest number of open connections.
        max_response_bytes: The largest body, in bytes.
        keep_alive: Whether connections are reused.
    """

    def __init__(
        self,
        address: ServerAddress,
        *,
        timeout: float,
        max_connections: int,
        max_response_bytes: int,
        keep_alive: bool = True,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._time = self._loop.time
        self._address = address
        self._timeout = timeout
        self.admission: Final = Admission(
            max_connections, timeout, time=self._time, call_later=self._loop.call_later
        )
        self._max_connections = max_connections
        self.max_response_bytes: Final = max_response_bytes
        self.keep_alive: Final = keep_alive
        self._idle: dict[PooledConnection, float] = {}  # when each became idle; the last one is used first
        self._open: set[PooledConnection] = set()
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
        exchange.deadline = self._time() + self._timeout
        deadlines.append(exchange)
        if self._timer is None:
            self._timer = self._loop.call_at(exchange.deadline, self._on_deadline)
        self.admission.enter(exchange)

    def _on_deadline(self) -> None:
        self._timer = None
        deadlines, now = self._deadlines, self._time()
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

    def _take_idle(self) -> PooledConnection | None:
        while self._idle:
            connection, idle_since = self._idle.popitem()
            if self._time() - idle_since < _MAX_IDLE_SECONDS and connection.is_reusable():
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
            connection = await self._address.connect(lambda: PooledConnection(self))
        if connection.is_closing():
            raise _connection_lost()
        self._open.add(connection)
        self.on_ready(connection)

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

    def on_ready(self, connection: PooledConnection) -> None:
        """Use a new connection, or one whose exchange is complete."""
        if self._is_closed:
            connection.abort()
        elif self.queue and (exchange := self._next_in_queue()) is not None:
            connection.send(exchange)
        else:
            self._idle[connection] = self._time()

    def on_lost(self, connection: PooledConnection, exchange: Exchange | None, error: Exception | None) -> None:
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


def _connection_lost() -> ConnectionError:
    return ConnectionError("the connection was closed before the response was complete")
