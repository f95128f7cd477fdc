"""Sessions and revocations in Redis.

Under the prefix lie, each with an end: `session:<hash of the credential>`, a sealed session; `of:<hash of an id>`,
the names of an id's sessions, so that they can be deleted; `revoked:<hash of an id>`, when it was revoked. A
channel, `revocations`, carries revocations, sealed as well.
"""

import math
import secrets as random_secrets
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from ory_guard._event_loop import LoopLocal
from ory_guard.cache.store import StoredSession
from ory_guard.exceptions import ConfigurationError
from ory_guard.redis.sealing import Seal, Unreadable
from ory_guard.redis.subscription import messages_of
from ory_guard.redis.values import ids_in, session_in, time_in, value_of

__all__ = ["RedisSessionStore"]

_MOST_SESSIONS_OF_AN_ID: Final = 256

_GET: Final = """
for at, name in ipairs(KEYS) do
  local value = redis.pcall('GET', name)
  if type(value) == 'string' then
    return {at - 1, value, redis.call('PTTL', name)}
  end
end
return false
"""

_MAX_IDS_PER_MESSAGE: Final = 1_000
_LISTS: Final = 2

_PUT: Final = f"""
local name, value, ttl, ends, since = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
for at = {_LISTS + 2}, #KEYS do
  local revoked = redis.pcall('GET', KEYS[at])
  if revoked and (tonumber(revoked) or math.huge) >= since then
    return
  end
end
redis.call('SET', name, value, 'PX', ttl)
for at = 2, {_LISTS + 1} do
  redis.call('ZADD', KEYS[at], ends, name)
  redis.call('ZREMRANGEBYRANK', KEYS[at], 0, -{_MOST_SESSIONS_OF_AN_ID + 1})
  if redis.call('PTTL', KEYS[at]) < ttl then
    redis.call('PEXPIRE', KEYS[at], ttl)
  end
end
"""


class _Connections:
    """What one event loop uses to reach Redis."""

    def __init__(self, pool: BlockingConnectionPool) -> None:
        self.client: Redis = Redis(connection_pool=pool)
        self.get = self.client.register_script(_GET)
        self.put = self.client.register_script(_PUT)
        self.pool: Any = pool
        # Made anew in each process and loop: what was sent from here need not be heard here.
        self.sender = random_secrets.token_hex(8)
        self.subscribers = 0

    async def aclose(self) -> None:
        await self.client.aclose(close_connection_pool=True)
        await self.pool.disconnect()


class RedisSessionStore:
    """A `SessionStore` in a Redis or Valkey server.

    All guards that use the same server, database and prefix share sessions and revocations; those that ask another
    Kratos, or look for another cookie, share no entry. They should have the same `cache_ttl`.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`, as redis-py's `from_url` takes it.
        secrets: What values are sealed with, 32 bytes at least each: the one to write with first. To change it
            without an outage, put the new one in front of the old one, and take that away a day later.
        prefix: What every name in Redis starts with.
        max_connections: The most connections of one process.

    Raises:
        ConfigurationError: A value is wrong.
    """

    def __init__(
        self, url: str, *, secrets: Sequence[str | bytes], prefix: str = "ory_guard", max_connections: int = 16
    ) -> None:
        if isinstance(secrets, str | bytes) or not secrets:
            raise ConfigurationError("secrets: must be a list of one or more secrets, the newest first")
        self._seals = tuple(Seal(secret) for secret in secrets)
        self._prefix = prefix
        self._url = url
        self._max_connections = max_connections
        self._pool()  # so that a wrong URL is told now
        self._connections: LoopLocal[_Connections] = LoopLocal(
            lambda: _Connections(self._pool()), _Connections.aclose
        )

    def __repr__(self) -> str:
        return f"<RedisSessionStore {self._prefix}>"

    @property
    def hashing_keys(self) -> tuple[bytes, ...]:
        """What credentials are hashed with; see `SessionStore`."""
        return tuple(seal.hashing_key for seal in self._seals)

    async def get(self, keys: Sequence[bytes]) -> StoredSession | None:
        """Return what is kept under the first of `keys`; what can't be read counts as nothing."""
        connections = await self._connections.get()
        names = [self._name("session", key.hex()) for key in keys]
        found = await connections.get(keys=names)
        if found is None:
            return None
        at, value, left = found
        try:
            return session_in(self._seals[at].open(names[at], value), keys[at], left / 1_000)
        except Unreadable:
            return None

    async def put(self, key: bytes, stored: StoredSession, *, unless_revoked_since: float) -> None:
        """Keep `stored` for its `ttl`, and its name where `revoke` finds it, unless it was revoked meanwhile."""
        connections = await self._connections.get()
        name = self._name("session", key.hex())
        ttl = max(math.ceil(stored.ttl * 1_000), 1)
        ids = (stored.session_id, stored.identity_id)
        lists = [self._name("of", self._seals[0].hashed(one)) for one in ids]
        value = self._seals[0].close(name, value_of(stored, key))
        end = round(stored.fresh_until * 1_000)
        keys = [name, *lists, *self._hashed("revoked", ids)]
        await connections.put(keys=keys, args=(value, ttl, end, repr(unless_revoked_since)))

    async def delete(self, keys: Sequence[bytes]) -> None:
        """Forget what is kept under these keys."""
        connections = await self._connections.get()
        await connections.client.delete(*(self._name("session", key.hex()) for key in keys))

    async def revoke(self, ids: Sequence[str], at: float, ttl: float) -> None:
        """Record when these ids were revoked, publish it, and delete their sessions.

        A server that is full or read-only refuses the record and still publishes the message. The first error is
        raised once everything was tried.

        Raises:
            RedisError: If the server refused a command. Every message that it accepts was published nevertheless.
        """
        connections = await self._connections.get()
        errors: list[Exception] = []
        for start in range(0, len(ids), _MAX_IDS_PER_MESSAGE):
            errors += await self._revoke(connections, ids[start : start + _MAX_IDS_PER_MESSAGE], at, ttl)
        if errors:
            raise errors[0]

    async def _revoke(
        self, connections: _Connections, ids: Sequence[str], at: float, ttl: float
    ) -> list[Exception]:
        hashes = [seal.hashed(one) for one in ids for seal in self._seals]
        lists = [self._name("of", hashed) for hashed in hashes]
        milliseconds = max(math.ceil(ttl * 1_000), 1)
        channel = self._name("revocations")
        message = {"from": connections.sender, "ids": list(ids)}
        # The record comes first: a process that misses the message finds the record, and a session that is stored
        # after the record is not in the list. Not a transaction: that would be refused as a whole.
        async with connections.client.pipeline(transaction=False) as pipe:
            for hashed in hashes:
                pipe.set(self._name("revoked", hashed), repr(at), px=milliseconds)
            pipe.publish(channel, self._seals[0].close(channel, message))
            for name in lists:
                pipe.zrange(name, 0, -1)
            answers = await pipe.execute(raise_on_error=False)
        found = dict(zip(lists, answers[-len(lists) :], strict=True))
        errors = [answer for answer in answers if isinstance(answer, Exception)]
        sessions = [name for names in found.values() if isinstance(names, list) for name in names]
        # A list that can't be read is deleted as well, so that the next attempt succeeds.
        obsolete = [name for name, names in found.items() if names]
        if obsolete:
            try:
                await connections.client.delete(*obsolete, *sessions)
            except ResponseError as error:
                errors.append(error)
        return errors

    async def revoked_at(self, ids: Sequence[str]) -> float | None:
        """Return when the last of these ids was revoked; what can't be read counts as now."""
        connections = await self._connections.get()
        found = await connections.client.mget(self._hashed("revoked", ids))
        times = [time_in(value) for value in found if value is not None]
        return max(times, default=None)

    async def subscribe(self) -> AsyncGenerator[tuple[str, ...] | None, None]:
        """Yield what other processes revoke; see `SessionStore`."""
        connections = await self._connections.get()
        channel = self._name("revocations")
        messages = messages_of(connections.pool.make_connection(), channel)
        connections.subscribers += 1
        try:
            async for message in messages:
                if message is None:
                    yield ()
                    continue
                heard = self._read_message(channel, message)
                # Two guards with one store hear each other.
                if heard is None or heard.get("from") != connections.sender or connections.subscribers > 1:
                    yield ids_in(heard)
        finally:
            connections.subscribers -= 1
            await messages.aclose()

    async def aclose(self) -> None:
        """Close the running loop's connections; the next use opens new ones."""
        await self._connections.aclose()

    def _pool(self) -> BlockingConnectionPool:
        try:
            # The guard bounds every call, and tries again itself.
            pool = BlockingConnectionPool.from_url(
                self._url,
                max_connections=self._max_connections,
                timeout=None,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
                driver_info=None,
            )
            connection = cast("Any", pool).make_connection()
        except (TypeError, ValueError):
            # Its text may hold the password.
            raise ConfigurationError(
                "url: must be a redis://, rediss:// or unix:// URL that redis-py takes"
            ) from None
        # What the URL says counts for redis-py, and here it would make messages unreadable.
        if connection.get_protocol() != 2 or connection.encoder.decode_responses:
            raise ConfigurationError("url: leave out protocol and decode_responses, values are bytes over RESP2")
        return pool

    def _name(self, kind: str, rest: str = "") -> str:
        return f"{self._prefix}:{kind}:{rest}" if rest else f"{self._prefix}:{kind}"

    def _hashed(self, kind: str, ids: Sequence[str]) -> list[str]:
        return [self._name(kind, seal.hashed(one)) for one in ids for seal in self._seals]

    def _read_message(self, channel: str, message: bytes) -> dict[str, Any] | None:
        for seal in self._seals:
            try:
                return seal.open(channel, message)
            except Unreadable:
                continue
        return None
