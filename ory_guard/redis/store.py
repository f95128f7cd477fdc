"""Sessions and revocations in Redis.

All keys start with the prefix and expire:

- `session:<hash of the credential>`: an encrypted session.
- `of:<hash of an id>`: the keys of the sessions of an id, for their deletion.
- `revoked:<hash of an id>`: the time of the revocation of an id.

The channel `revocations` carries encrypted revocations.
"""

import math
import secrets as random_secrets
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import ResponseError

from ory_guard._event_loop import LoopLocal
from ory_guard.cache.store import StoredSession
from ory_guard.exceptions import ConfigurationError
from ory_guard.redis.connections import ConnectionPools
from ory_guard.redis.encryption import DecryptionError, Encryptor
from ory_guard.redis.pubsub import iter_messages
from ory_guard.redis.serialization import dump_session, load_ids, load_session, load_time

__all__ = ["RedisSessionStore"]

_MAX_SESSIONS_PER_ID: Final = 256
_MAX_IDS_PER_MESSAGE: Final = 1_000

_GET: Final = """
for at, name in ipairs(KEYS) do
  local value = redis.pcall('GET', name)
  if type(value) == 'string' then
    return {at - 1, value, redis.call('PTTL', name)}
  end
end
return false
"""

# The keys are: the session, the lists of its session id and its identity id, and the revocations of both.
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
  redis.call('ZREMRANGEBYRANK', KEYS[at], 0, -{_MAX_SESSIONS_PER_ID + 1})
  if redis.call('PTTL', KEYS[at]) < ttl then
    redis.call('PEXPIRE', KEYS[at], ttl)
  end
end
"""


class _Connections:
    """The connections of one event loop."""

    def __init__(self, pool: BlockingConnectionPool) -> None:
        self.client: Redis = Redis(connection_pool=pool)
        self.get = self.client.register_script(_GET)
        self.put = self.client.register_script(_PUT)
        self.pool: Any = pool
        # Identifies messages of this process and loop, which it does not need to receive itself.
        self.sender = random_secrets.token_hex(8)
        self.subscribers = 0

    async def aclose(self) -> None:
        await self.client.aclose(close_connection_pool=True)
        await self.pool.disconnect()


class RedisSessionStore:
    """A `SessionStore` in a Redis or Valkey server.

    All guards with the same server, database and prefix share sessions and revocations. Guards with another
    `kratos_public_url` or other cookie names share no sessions. All guards should have the same `cache_ttl`.

    Args:
        url: A `redis://` or `valkey://` URL, `rediss://` or `valkeys://` for TLS, or `unix://`, with the options of
            `from_url` of redis-py. Files for TLS are read once, when the store is created.
        secrets: The secrets for encryption, at least 32 bytes each. The first one is used to write, all to read. To
            rotate the secret without an outage, add the new one before the old one, and remove the old one a day
            later.
        prefix: The prefix of all keys and of the channel.
        max_connections: The maximum number of connections per process.

    Raises:
        ConfigurationError: If an argument is invalid.
    """

    def __init__(
        self, url: str, *, secrets: Sequence[str | bytes], prefix: str = "ory_guard", max_connections: int = 16
    ) -> None:
        if isinstance(secrets, str | bytes) or not secrets:
            raise ConfigurationError("secrets: must be a list of one or more secrets, the newest first")
        self._encryptors = tuple(Encryptor(secret) for secret in secrets)
        self._prefix = prefix
        pools = ConnectionPools(url, max_connections)
        self._connections: LoopLocal[_Connections] = LoopLocal(
            lambda: _Connections(pools.create()), _Connections.aclose
        )

    def __repr__(self) -> str:
        return f"<RedisSessionStore {self._prefix}>"

    @property
    def hashing_keys(self) -> tuple[bytes, ...]:
        """The keys for the hashes of credentials; see `SessionStore`."""
        return tuple(encryptor.hashing_key for encryptor in self._encryptors)

    async def get(self, keys: Sequence[bytes]) -> StoredSession | None:
        """Return the session under the first of `keys` that has one, or None if it has an invalid value."""
        connections = await self._connections.get()
        names = [self._name("session", key.hex()) for key in keys]
        reply = await connections.get(keys=names)
        if reply is None:
            return None
        index, data, milliseconds = reply
        try:
            return load_session(
                self._encryptors[index].decrypt(names[index], data), keys[index], milliseconds / 1_000
            )
        except DecryptionError:
            return None

    async def put(self, key: bytes, stored: StoredSession, *, unless_revoked_since: float) -> None:
        """Store a session for its `ttl`, unless it was revoked; `revoke` finds it by its ids."""
        connections = await self._connections.get()
        name = self._name("session", key.hex())
        ttl = max(math.ceil(stored.ttl * 1_000), 1)
        ids = (stored.session_id, stored.identity_id)
        lists = [self._name("of", self._encryptors[0].hash_name(id_)) for id_ in ids]
        data = self._encryptors[0].encrypt(name, dump_session(stored, key))
        end = round(stored.fresh_until * 1_000)
        keys = [name, *lists, *self._hashed_names("revoked", ids)]
        await connections.put(keys=keys, args=(data, ttl, end, repr(unless_revoked_since)))

    async def delete(self, keys: Sequence[bytes]) -> None:
        """Delete the sessions under these keys."""
        connections = await self._connections.get()
        await connections.client.delete(*(self._name("session", key.hex()) for key in keys))

    async def revoke(self, ids: Sequence[str], at: float, ttl: float) -> None:
        """Record the revocation of these ids, publish it, and delete their sessions.

        A server that is full or read-only rejects the record but publishes the message. All commands are sent
        before the first error is raised.

        Raises:
            RedisError: If the server rejected a command. The messages are published anyway if it accepts them.
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
        hashes = [encryptor.hash_name(key) for key in ids for encryptor in self._encryptors]
        lists = [self._name("of", hashed) for hashed in hashes]
        milliseconds = max(math.ceil(ttl * 1_000), 1)
        channel = self._name("revocations")
        message = {"from": connections.sender, "ids": list(ids)}
        # The record is first: a process that misses the message finds the record, and no session is stored after
        # it. It is not a transaction, because the server would reject that as a whole.
        async with connections.client.pipeline(transaction=False) as pipe:
            for hashed in hashes:
                pipe.set(self._name("revoked", hashed), repr(at), px=milliseconds)
            pipe.publish(channel, self._encryptors[0].encrypt(channel, message))
            for name in lists:
                pipe.zrange(name, 0, -1)
            replies = await pipe.execute(raise_on_error=False)
        members = dict(zip(lists, replies[-len(lists) :], strict=True))
        errors = [reply for reply in replies if isinstance(reply, Exception)]
        sessions = [name for names in members.values() if isinstance(names, list) for name in names]
        # A key of another type is deleted, too, so that the next attempt succeeds.
        obsolete = [name for name, names in members.items() if names]
        if obsolete:
            try:
                await connections.client.delete(*obsolete, *sessions)
            except ResponseError as error:
                errors.append(error)
        return errors

    async def revoked_at(self, ids: Sequence[str]) -> float | None:
        """Return the time of the latest revocation of any of these ids, infinity if it is invalid, or None."""
        connections = await self._connections.get()
        values = await connections.client.mget(self._hashed_names("revoked", ids))
        times = [load_time(value) for value in values if value is not None]
        return max(times, default=None)

    async def subscribe(self) -> AsyncGenerator[tuple[str, ...] | None, None]:
        """Yield the ids that other processes revoke; see `SessionStore`."""
        connections = await self._connections.get()
        channel = self._name("revocations")
        messages = iter_messages(connections.pool.make_connection(), channel)
        connections.subscribers += 1
        try:
            async for message in messages:
                if message is None:
                    yield ()
                    continue
                value = self._decrypt_message(channel, message)
                # Two guards with the same store receive the messages of each other.
                if value is None or value.get("from") != connections.sender or connections.subscribers > 1:
                    yield load_ids(value)
        finally:
            connections.subscribers -= 1
            await messages.aclose()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; the next call opens new ones."""
        await self._connections.aclose()

    def _name(self, kind: str, rest: str = "") -> str:
        return f"{self._prefix}:{kind}:{rest}" if rest else f"{self._prefix}:{kind}"

    def _hashed_names(self, kind: str, ids: Sequence[str]) -> list[str]:
        return [self._name(kind, encryptor.hash_name(key)) for key in ids for encryptor in self._encryptors]

    def _decrypt_message(self, channel: str, message: bytes) -> dict[str, Any] | None:
        for encryptor in self._encryptors:
            try:
                return encryptor.decrypt(channel, message)
            except DecryptionError:
                continue
        return None
