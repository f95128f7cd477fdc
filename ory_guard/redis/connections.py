"""Connection pools for one Redis URL."""

from typing import Any, Final, cast

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from ory_guard.exceptions import ConfigurationError

__all__ = ["ConnectionPools", "with_redis_scheme"]

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


class ConnectionPools:
    """Creates a connection pool for each event loop.

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
            connection = self.create().make_connection()
        except (RedisError, TypeError, ValueError):
            # The text of the error may contain the password.
            raise ConfigurationError(
                "url: must be a valid redis://, rediss://, valkey://, valkeys:// or unix:// URL"
            ) from None
        # Options in the URL override the arguments, and these two would change the type of the replies.
        if connection.get_protocol() != 2 or connection.encoder.decode_responses:
            raise ConfigurationError("url: must not contain protocol or decode_responses")
        self._ssl_context = getattr(connection, "ssl_context", None)
        if self._ssl_context is not None:
            try:
                self._ssl_context.get()  # loads the files now, and not during the first request
            except OSError as error:
                raise ConfigurationError(f"url: can't load the TLS files ({type(error).__name__})") from None

    def create(self) -> _ConnectionPool:
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
