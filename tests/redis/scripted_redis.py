"""A Redis server whose replies a test sends itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from support.memory_store import eventually

from ory_guard.cache.store_timeout import ResponsiveClock
from ory_guard.kratos.server_address import ServerAddress
from ory_guard.redis.pipeline import Pipeline, PipelinedConnection
from ory_guard.redis.resp import Reply, ReplyParser, encode_command


class ScriptedClient(asyncio.Protocol):
    """A connection of a client, at the server.

    Attributes:
        commands: The commands that it has sent.
        is_open: Whether the connection is open.
    """

    def __init__(self) -> None:
        self._parser = ReplyParser()  # a command is an array of strings
        self._transport: asyncio.Transport
        self.commands: list[Reply] = []
        self.is_open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Record the commands."""
        self.commands += self._parser.feed(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Record the end."""
        self.is_open = False

    def reply(self, data: bytes) -> None:
        """Send some bytes."""
        self._transport.write(data)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


class ScriptedRedis:
    """A server and a pipeline that is connected to it.

    Attributes:
        clients: The connections of clients.
        port: The port of the server.
        pipeline: The pipeline.
        fails: Whether new connections of the pipeline fail.
        on_open: Called with a new connection of the pipeline, before the pipeline uses it.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._address = ServerAddress("127.0.0.1", port)
        self.clients: list[ScriptedClient] = []
        self.fails = False
        self.on_open: Callable[[PipelinedConnection], object] = lambda _connection: None
        self.pipeline = Pipeline(self._open, ResponsiveClock())

    async def _open(self) -> PipelinedConnection:
        if self.fails:
            raise ConnectionRefusedError
        connection = await self._address.connect(PipelinedConnection)
        self.on_open(connection)
        return connection

    def send(self, *arguments: bytes, seconds: float = 60.0) -> "asyncio.Future[Reply]":
        """Send a command, and return a future for the reply."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def on_result(result: Reply | Exception, latency: float) -> None:
            assert latency >= 0
            if future.cancelled():
                return
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

        self.pipeline.send(encode_command(*arguments), seconds, on_result)
        return future

    async def received(self, count: int, client: int = 0) -> ScriptedClient:
        """Return a client of the server when it has sent `count` commands."""
        await eventually(lambda: len(self.clients) > client and len(self.clients[client].commands) >= count)
        return self.clients[client]


@asynccontextmanager
async def scripted_redis() -> AsyncIterator[ScriptedRedis]:
    clients: list[ScriptedClient] = []

    def accept() -> ScriptedClient:
        clients.append(ScriptedClient())
        return clients[-1]

    loop = asyncio.get_running_loop()
    server = await loop.create_server(accept, "127.0.0.1", 0)
    scripted = ScriptedRedis(server.sockets[0].getsockname()[1])
    scripted.clients = clients
    try:
        yield scripted
    finally:
        await scripted.pipeline.aclose()
        server.close()
        await eventually(lambda: not any(client.is_open for client in clients))
