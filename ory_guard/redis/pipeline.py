"""A connection to a Redis server that all lookups of an event loop share.

Commands are sent without waiting for earlier replies, and replies belong to commands by their order alone.
Therefore a canceled command, or one whose deadline has passed, keeps its place in the queue, and its reply is
discarded. After a reply that can't be assigned, the connection is closed, and all waiting commands fail. (redis-py
once returned the reply to a canceled command to the next caller, another user: CVE-2023-28858.)
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from math import inf
from typing import Any, Final, TypeAlias, cast

from ory_guard.cache.store_timeout import ResponsiveClock
from ory_guard.redis.resp import ProtocolError, Reply, ReplyParser

__all__ = ["Command", "Pipeline", "PipelinedConnection", "resolver"]

_BUFFER_BYTES: Final = 65_536
_CONNECT_TIMEOUT: Final = 1.0
_MAX_AGE: Final = 1.0
"""Seconds without a reply to a command after which its connection is replaced."""
_CLOSED: Final = "the store was closed"

Result: TypeAlias = Reply | Exception
OnResult: TypeAlias = Callable[[Result, float], None]


class Command:
    """A command and its result.

    Args:
        on_result: Called exactly once, with the reply or the error, and with the latency in seconds. The delays of
            the event loop are not part of the latency. It must not raise.
        clock: The clock for the deadline.
        seconds: The limit of the time.

    Attributes:
        started_at: The time on the clock at which the command was sent.
    """

    __slots__ = ("_clock", "_on_result", "expires_at", "started_at")

    def __init__(self, on_result: OnResult, clock: ResponsiveClock, seconds: float) -> None:
        self._on_result: OnResult | None = on_result
        self._clock = clock
        self.expires_at: float
        self.started_at: float = clock.add(self, seconds)

    @property
    def age(self) -> float:
        """The time since the command was sent, in seconds."""
        return self._clock.now() - self.started_at

    def finish(self, result: Result) -> None:
        """Deliver the result, unless another one was delivered."""
        on_result, self._on_result = self._on_result, None
        if on_result is not None:
            on_result(result, self._clock.discard(self) - self.started_at)

    def expire(self) -> None:
        """Deliver a `TimeoutError`. The command keeps its place in the queue of the connection."""
        self.finish(TimeoutError())


def resolver(future: "asyncio.Future[Any]") -> Callable[[object, float], None]:
    """Return a callback that resolves a future with a result or an error, unless the future was canceled."""

    def resolve(result: object, _latency: float) -> None:
        if future.done():
            return
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)

    return resolve


class PipelinedConnection(asyncio.BufferedProtocol):
    """One connection with a queue of commands, and a buffer of its own (see `ory_guard.kratos.pooled_connection`).

    Attributes:
        closed: Set when the connection is closed.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._parser = ReplyParser()
        self._commands: deque[Command] = deque()
        # A transport may register a callback, which must not keep the context of a request.
        self._context = Context()
        self._is_aborted = False
        self.closed: asyncio.Event = asyncio.Event()

    @property
    def is_usable(self) -> bool:
        """Whether commands can be sent."""
        return not self._transport.is_closing()

    def send(self, request: bytes, command: Command) -> bool:
        """Send the bytes of a command, which its reply finishes.

        Returns:
            Whether they were sent. Otherwise the connection is closed; a command had waited for more than a second.
        """
        commands = self._commands
        if commands and commands[0].age > _MAX_AGE:
            self.abort()
        if self._transport.is_closing():
            return False
        commands.append(command)
        self._context.run(self._transport.write, request)
        return True

    async def request(self, request: bytes, clock: ResponsiveClock) -> Reply:
        """Send the bytes of a command, and return the reply.

        Raises:
            OSError: If the connection is lost.
            RedisError: If the server rejects the command, or sends an invalid reply.
        """
        future: asyncio.Future[Reply] = self._loop.create_future()
        command = Command(resolver(future), clock, inf)
        if not self.send(request, command):
            command.finish(ConnectionError())
        return await future

    def abort(self) -> None:
        """Close the connection immediately; all waiting commands fail."""
        self._is_aborted = True
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # the class is another one in uvloop

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Return the buffer for the next read."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Finish the commands whose replies are complete, in their order."""
        try:
            replies = self._parser.feed(bytes(self._buffer[:nbytes]))
        except ProtocolError as error:
            self._fail(error)
            return
        commands = self._commands
        if len(replies) > len(commands):
            self._fail(ProtocolError("no command is waiting for a reply"))
            return
        for reply in replies:
            if self._is_aborted:  # the reply before was not that of its command
                return
            commands.popleft().finish(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail all waiting commands."""
        self._fail(ConnectionError("the connection was closed before the reply") if exc is None else exc)
        self.closed.set()

    def _fail(self, error: Exception) -> None:
        self.abort()
        while self._commands:
            self._commands.popleft().finish(error)


class Pipeline:
    """Sends commands over one connection of the running event loop; opens it on first use, and after a failure.

    Args:
        open_connection: Opens a connection to the server, and authenticates it.
        clock: The clock for the deadlines.
    """

    def __init__(
        self, open_connection: Callable[[], Awaitable[PipelinedConnection]], clock: ResponsiveClock
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._open_connection = open_connection
        self._clock = clock
        self._connection: PipelinedConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._queue: list[tuple[bytes, Command]] = []
        self._is_closed = False

    async def connect(self) -> None:
        """Open the connection, unless it is open.

        Raises:
            OSError: If the server does not accept the connection, or if the pipeline is closed.
            RedisError: If the server rejects the credentials.
            TimeoutError: If the server does not respond within a second.
        """
        if self._is_closed:
            raise ConnectionError(_CLOSED)
        if self._connection is None or not self._connection.is_usable:
            await asyncio.shield(self._connect())

    def send(self, request: bytes, seconds: float, on_result: OnResult) -> None:
        """Send a command; `on_result` is called later, by the event loop.

        The result is the reply, `TimeoutError` if there is none within the limit, the `OSError` of the connection,
        or the `RedisError` of the server.

        Args:
            request: The encoded command.
            seconds: The limit of the time, including that for opening the connection.
            on_result: See `Command`.
        """
        command = Command(on_result, self._clock, seconds)
        connection = self._connection
        if connection is not None and connection.send(request, command):
            return
        if self._is_closed:
            self._loop.call_soon(command.finish, ConnectionError(_CLOSED), context=Context())
        else:
            self._queue.append((request, command))
            self._connect()

    def reset(self) -> None:
        """Close the connection, because a reply was not that of its command. The next command opens a new one."""
        if self._connection is not None:
            self._connection.abort()

    async def aclose(self) -> None:
        """Close the connection. Waiting commands fail."""
        self._is_closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._connection is not None:
            self._connection.abort()
            await self._connection.closed.wait()

    def _connect(self) -> "asyncio.Task[None]":
        if self._connecting is None:
            # Not by a task factory of the application: it could run the task in the context of the request.
            self._connecting = asyncio.Task(self._open(), loop=self._loop, context=Context())
            self._connecting.add_done_callback(self._on_connected, context=Context())
        return self._connecting

    async def _open(self) -> None:
        # Set here, and not by the callback: `aclose` can run between the two, and must close the connection.
        async with asyncio.timeout(_CONNECT_TIMEOUT):
            self._connection = await self._open_connection()

    def _on_connected(self, task: "asyncio.Task[None]") -> None:
        self._connecting = None
        queue, self._queue = self._queue, []
        error = ConnectionError(_CLOSED) if task.cancelled() else task.exception()
        for request, command in queue:
            connection = self._connection if error is None else None
            if connection is None or not connection.send(request, command):
                command.finish(error if isinstance(error, Exception) else ConnectionError())
