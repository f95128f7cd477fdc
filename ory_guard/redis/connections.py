"""Connections to the server of a Redis URL."""

from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from ory_guard.cache.store_timeout import ResponsiveClock
from ory_guard.exceptions import ConfigurationError
from ory_guard.kratos.server_address import ServerAddress
from ory_guard.redis.discovery import first_response
from ory_guard.redis.pipeline import PipelinedConnection
from ory_guard.redis.resp import encode_command
from ory_guard.redis.sentinel import Sentinels
from ory_guard.redis.tls_context import TLSContext
from ory_guard.redis.urls import Address, parse_redis_url

__all__ = ["ConnectionFactory"]


class _ConnectionPool(BlockingConnectionPool):
    """A pool whose TLS connections share an SSL context, because creating one takes longer than connecting.

    Unlike one of redis-py, it opens no connection after it was closed.
    """

    tls: TLSContext | None = None
    is_closed: bool = False

    def make_connection(self) -> Any:
        connection = cast("Any", super()).make_connection()
        if self.tls is not None:
            connection.ssl_context = self.tls.get()
        return connection

    async def get_connection(self, *arguments: Any, **options: Any) -> Any:
        if not self.is_closed:
            connection = await cast("Any", super()).get_connection(*arguments, **options)
            if not self.is_closed:
                return connection
            await connection.disconnect(nowait=True)
        raise ConnectionError("the store was closed")

    async def aclose(self) -> None:
        self.is_closed = True
        await self.disconnect()


class ConnectionFactory:
    """Creates connections to the servers of a Redis URL.

    Args:
        url: A URL; see `ory_guard.redis.urls`.
        max_connections: The maximum number of connections of a pool.

    Attributes:
        is_cluster: Whether the URL is that of a cluster.
        addresses: The addresses of the sentinels, or of some servers of the cluster; otherwise empty.
        sentinels: The sentinels that know the address of the server, or None.

    Raises:
        ConfigurationError: If the URL is invalid, or if its TLS files can't be loaded.
    """

    def __init__(self, url: str, max_connections: int) -> None:
        self._parts = parse_redis_url(url)
        self.is_cluster: bool = self._parts.topology == "cluster"
        self.addresses: tuple[Address, ...] = self._parts.addresses
        self._max_connections = max_connections
        self._tls: TLSContext | None = None
        try:
            connection = self.create_pool().make_connection()
        except (RedisError, TypeError, ValueError):
            # The text of the error may contain the password.
            raise ConfigurationError(
                "url: must be a valid redis:// URL, but its port, database or an option is invalid; write for "
                "example redis://user:password@host:6379/0, with options of redis-py after a question mark"
            ) from None
        # Options in the URL override the arguments, and these two would change the type of the replies.
        if connection.get_protocol() != 2 or connection.encoder.decode_responses:
            raise ConfigurationError("url: must not contain protocol or decode_responses")
        if hasattr(connection, "ssl_context"):
            try:  # loads the files now, not during the first request
                self._tls = TLSContext(self._create_ssl_context)
            except OSError as error:
                raise ConfigurationError(f"url: can't load the TLS files ({type(error).__name__})") from None
        self._parameters = connection
        host, port = getattr(connection, "host", ""), int(getattr(connection, "port", 0))
        self._address = ServerAddress(host, port, unix_socket=getattr(connection, "path", None))
        self.sentinels: Sentinels | None = None
        if self._parts.topology == "sentinel":
            self.sentinels = Sentinels(self._parts.addresses, self._parts.service, self._connect_to_sentinel)

    def create_pool(self, address: Address | None = None) -> _ConnectionPool:
        """Return a new connection pool.

        Args:
            address: The address of the server, or None for that in the URL.
        """
        # The guard limits the time of each call, and retries.
        pool = _ConnectionPool.from_url(
            self._parts.url,
            max_connections=self._max_connections,
            timeout=None,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            driver_info=None,
        )
        if address is not None:
            pool.connection_kwargs["host"], pool.connection_kwargs["port"] = address
        pool.tls = self._tls
        return pool

    def _create_ssl_context(self) -> Any:
        pool = self.create_pool()
        pool.tls = None
        return pool.make_connection().ssl_context

    def _connect_to_sentinel(self, address: Address) -> Any:
        pool = self.create_pool(address)
        username, password = self._parts.sentinel_username, self._parts.sentinel_password
        pool.connection_kwargs |= {"username": username, "password": password, "db": 0, "client_name": None}
        return pool.make_connection()

    async def create_client(self) -> Redis:
        """Return a new client of the server, which the sentinels name if there are any, or of one in the cluster.

        Raises:
            OSError: If no sentinel knows the server, or if no server of the cluster is reachable.
        """
        address = None
        if self.sentinels is not None:
            address = await self.sentinels.find_primary()
        elif self.is_cluster:
            address = await first_response([self._try(each) for each in self.addresses])
            if address is None:
                raise ConnectionError("no server of the cluster is reachable")
        return Redis.from_pool(self.create_pool(address))

    async def _try(self, address: Address) -> Address:
        connection = self.create_pool(address).make_connection()
        try:
            await connection.connect()
            return address
        finally:
            await connection.disconnect(nowait=True)

    async def open(self, clock: ResponsiveClock, address: Address | None, *commands: bytes) -> PipelinedConnection:
        """Return a new connection that is authenticated and has sent these encoded commands successfully.

        Args:
            clock: The clock for the commands.
            address: The address of the server, or None for that in the URL.
            *commands: The commands.

        Raises:
            OSError: If the server does not accept the connection.
            RedisError: If the server rejects the credentials or a command.
        """
        server = self._address if address is None else self._address._replace(host=address[0], port=address[1])
        if self._tls is not None:
            server = server._replace(tls=self._tls.get().get())
        connection = await server.connect(PipelinedConnection)
        try:
            for command in (*self._handshake(), *commands):
                await connection.request(command, clock)
        except BaseException:
            connection.abort()
            raise
        return connection

    def _handshake(self) -> list[bytes]:
        parameters = self._parameters
        credentials = list(filter(None, (parameters.username, parameters.password)))
        commands: list[bytes] = []
        if credentials:
            commands.append(encode_command(b"AUTH", *(each.encode() for each in credentials)))
        if parameters.client_name:
            commands.append(encode_command(b"CLIENT", b"SETNAME", parameters.client_name.encode()))
        if parameters.db:
            commands.append(encode_command(b"SELECT", b"%d" % int(parameters.db)))
        return commands
