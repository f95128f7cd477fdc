"""Connections to the server of a Redis URL."""

from typing import Any, Final, cast

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from ory_guard.cache.store_latency import ResponsiveClock
from ory_guard.exceptions import ConfigurationError
from ory_guard.kratos.origin import Origin
from ory_guard.redis.pipeline import PipelinedConnection
from ory_guard.redis.resp import encode_command

__all__ = ["RedisServerURL", "with_redis_scheme"]

_ALIASES: Final = {"valkey": "redis", "valkeys": "rediss"}


def with_redis_scheme(url: str) -> str:
    """Return a `valkey://` or `valkeys://` URL with the scheme that redis-py accepts; other URLs are unchanged."""
    scheme, separator, rest = url.partition("://")
    return _ALIASES.get(scheme.lower(), scheme) + separator + rest


class _ConnectionPool(BlockingConnectionPool):
    """A pool whose TLS connections share an SSL context: creating one takes longer than connecting."""

    shared_ssl_context: Any = None

    def make_connection(self) -> Any:
        connection = cast("Any", super()).make_connection()
        if self.shared_ssl_context is not None:
            connection.ssl_context = self.shared_ssl_context
        return connection


class RedisServerURL:
    """A URL of one Redis server, and the connections to it.

    Args:
        url: A `redis://`, `rediss://`, `valkey://`, `valkeys://` or `unix://` URL.
        max_connections: The maximum number of connections of a pool.

    Raises:
        ConfigurationError: If the URL is invalid, or if its TLS files can't be loaded.
    """

    def __init__(self, url: str, max_connections: int) -> None:
        self._url = with_redis_scheme(url)
        self._max_connections = max_connections
        self._ssl_context: Any = None
        try:
            connection = self.create_pool().make_connection()
        except (RedisError, TypeError, ValueError):
            # The text of the error may contain the password.
            raise ConfigurationError(
                "url: must be a valid redis://, rediss://, valkey://, valkeys:// or unix:// URL"
            ) from None
        # Options in the URL override the arguments, and these two would change the type of the replies.
        if connection.get_protocol() != 2 or connection.encoder.decode_responses:
            raise ConfigurationError("url: must not contain protocol or decode_responses")
        self._ssl_context = getattr(connection, "ssl_context", None)
        tls = None
        if self._ssl_context is not None:
            try:
                tls = self._ssl_context.get()  # loads the files now, and not during the first request
            except OSError as error:
                raise ConfigurationError(f"url: can't load the TLS files ({type(error).__name__})") from None
        self._parameters = connection
        host, port = getattr(connection, "host", ""), int(getattr(connection, "port", 0))
        self._origin = Origin(host, port, tls, getattr(connection, "path", None))

    def create_pool(self) -> _ConnectionPool:
        """Return a new connection pool."""
        # The guard limits the time of each call, and retries.
        pool = _ConnectionPool.from_url(
            self._url,
            max_connections=self._max_connections,
            timeout=None,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            driver_info=None,
        )
        pool.shared_ssl_context = self._ssl_context
        return pool

    async def open(self, clock: ResponsiveClock, *commands: bytes) -> PipelinedConnection:
        """Return a new connection that is authenticated and has sent these encoded commands successfully.

        Args:
            clock: The clock for the commands.
            *commands: The commands.

        Raises:
            OSError: If the server does not accept the connection.
            RedisError: If the server rejects the credentials or a command.
        """
        connection = await self._origin.connect(PipelinedConnection)
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
