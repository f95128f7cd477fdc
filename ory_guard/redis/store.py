"""Sessions and revocations in Redis.

All keys start with the prefix and expire. The braces are the hash tag of a shard (`ory_guard.redis.shards`).

- `session:{0}:<hash of the credential>`: an encrypted session.
- `lease:{0}:<hash of the credential>`: a random token of the process that calls Kratos, and the age of the lease.
- `of:{0}:<hash of an id>`: the keys of the sessions of an id, for their deletion.
- `revoked:{0}:<hash of an id>`: the time of the revocation of an id.

- `revocations:{0}`: a stream of encrypted revocations. The channel with the same name announces them.
- `announced:{0}`: the last announcement.

A script decides whether a session is revoked when it is stored, and again when it is read. It needs the session and
the revocations on the same server. In a cluster, a revocation is therefore recorded in each shard: sessions are
read and stored much more often, and need one round trip to one server there, too.
"""

import asyncio
import math
from binascii import hexlify
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final, TypeAlias

from redis.exceptions import ResponseError

from ory_guard.cache.leasing_store_protocol import Lease, OnLookUpOrLease
from ory_guard.cache.store_protocol import ALL_IDS, OnLookUp, RevocationPosition, StoredSession
from ory_guard.exceptions import ConfigurationError
from ory_guard.redis.command_router import CommandRouter, gather_errors, is_migration
from ory_guard.redis.connections import ConnectionFactory
from ory_guard.redis.encryption import Encryptor
from ory_guard.redis.lease_serialization import NEW_LEASE, dump_lease, load_lease
from ory_guard.redis.node import FoundLease, FoundSession
from ory_guard.redis.pipeline import resolver
from ory_guard.redis.resp import MAX_VALUE_BYTES
from ory_guard.redis.revocation_subscription import iter_revocations
from ory_guard.redis.scripts import RevocationRecord
from ory_guard.redis.sequential_lookup import Step, look_up_sequentially
from ory_guard.redis.serialization import decrypt_session, dump_message, encrypt_session, load_time
from ory_guard.redis.shards import Shard, create_shards, shard_of_hash, shard_of_key

__all__ = ["RedisSessionStore"]

_MAX_SECRETS: Final = 8
_MAX_TIMEOUT: Final = 60.0
_MAX_IDS_PER_MESSAGE: Final = 1_000
_NOT_CONNECTED: Final = "the store is not connected"

_LeaseRequest: TypeAlias = tuple[bytes, bytes | None]
"""The value with which a missing lease is created, or an empty one to create none; and the token of the lookup."""


class RedisSessionStore:
    """A `SessionStore` in Redis or Valkey: a single server, Sentinel, or a cluster.

    All guards with the same server, database and prefix share sessions and revocations. Guards with another
    `kratos_public_url` or other cookie names share no sessions. All guards should have the same `cache_ttl`.

    Args:
        url: A `redis://` or `valkey://` URL, `rediss://` or `valkeys://` for TLS, or `unix://`, with the options of
            `from_url` of redis-py. For a primary that sentinels monitor, `redis+sentinel://host:port,host:port/service`
            or `rediss+sentinel://`, with the options `sentinel_username` and `sentinel_password` if the sentinels
            require them. For a cluster of Redis 7 or newer, `redis+cluster://host:port,host:port` or
            `rediss+cluster://`, with some of its servers. Files for TLS are read again when they have changed.
        secrets: The secrets for encryption, at least 32 bytes each. The first one is used to write, all to read. To
            rotate the secret without an outage, add the new one before the old one, and remove the old one a day
            later.
        prefix: The prefix of all keys and of the channel.
        max_connections: The maximum number of connections per process and server.
        timeout: The longest time that a request waits for the server before the guard calls Kratos, in seconds. The
            guard derives a shorter limit from the latency of the server: four times the 99th percentile, at least
            20 ms.

    Raises:
        ConfigurationError: If an argument is invalid.
    """

    def __init__(
        self,
        url: str,
        *,
        secrets: Sequence[str | bytes],
        prefix: str = "ory_guard",
        max_connections: int = 16,
        timeout: float = 0.5,
    ) -> None:
        if isinstance(secrets, str | bytes) or not 0 < len(secrets) <= _MAX_SECRETS:
            raise ConfigurationError(f"secrets: must be a list of one to {_MAX_SECRETS} secrets, the newest first")
        if not 0 < timeout <= _MAX_TIMEOUT:
            raise ConfigurationError(
                f"timeout: must be positive and at most {_MAX_TIMEOUT} seconds (got {timeout})"
            )
        self.timeout: float = timeout
        self._encryptors = tuple(Encryptor(secret) for secret in secrets)
        self._prefix = prefix
        factory = ConnectionFactory(url, max_connections)
        self._shards = shards = create_shards(prefix, is_in_cluster=factory.is_cluster)
        self._streams = tuple(shard.stream for shard in shards)
        self._router = CommandRouter(factory, shards)

    def __repr__(self) -> str:
        return f"<RedisSessionStore {self._prefix}>"

    @property
    def hashing_keys(self) -> tuple[bytes, ...]:
        """The keys for the hashes of credentials; see `SessionStore`."""
        return tuple(encryptor.hashing_key for encryptor in self._encryptors)

    async def get(self, keys: Sequence[bytes]) -> StoredSession | None:
        """Return the session under the first of `keys` that has one, or None if it has an invalid value."""
        await self._router.get()
        future: asyncio.Future[StoredSession | None] = asyncio.get_running_loop().create_future()
        self.look_up(keys, math.inf, resolver(future))
        return await future

    def look_up(self, keys: Sequence[bytes], seconds: float, on_result: OnLookUp) -> None:
        """Find the session under the first of `keys` that has one; see `LimitedSessionStore`."""
        if len(self._shards) == 1:
            self._look_up(0, keys, None, seconds, on_result)
        else:
            look_up_sequentially(self._steps(keys, None), seconds, on_result)

    def look_up_or_lease(
        self, keys: Sequence[bytes], token: bytes | None, seconds: float, on_result: OnLookUpOrLease
    ) -> None:
        """Find the session under the first of `keys` that has one, or its lease; see `LeasingSessionStore`."""
        lease = b"" if token is None else NEW_LEASE + token, token
        if len(self._shards) == 1:
            self._look_up(0, keys, lease, seconds, on_result)
        else:
            look_up_sequentially(self._steps(keys, lease), seconds, on_result)

    def _steps(self, keys: Sequence[bytes], lease: "_LeaseRequest | None") -> list[Step]:
        steps: list[Step] = [partial(self._look_up, at, [key], None) for at, key in enumerate(keys)]
        if lease is None:
            return steps
        last = partial(self._look_up, 0, keys[:1], lease)
        return [last] if len(keys) == 1 else [*steps, last]

    def _look_up(
        self,
        position: int,
        keys: Sequence[bytes],
        lease: "_LeaseRequest | None",
        seconds: float,
        on_result: Callable[[Any, float], None],
    ) -> None:
        shards = self._shards
        shard = shards[0] if len(shards) == 1 else shard_of_key(shards, keys[0])
        servers = self._router.current()
        node = None if servers is None else servers.find_node(shard)
        if servers is None or node is None:
            asyncio.get_running_loop().call_soon(on_result, ConnectionError(_NOT_CONNECTED), 0.0)
            return

        def on_found(found: FoundSession | FoundLease | Exception | None, latency: float) -> None:
            result: StoredSession | Lease | Exception | None
            if isinstance(found, FoundSession):
                at, value, ttl, times = found
                try:
                    if 0 <= at < len(names) and position + at < len(self._encryptors):
                        encryptor = self._encryptors[position + at]
                        revoked_at = max(map(load_time, times)) if times else -math.inf
                        result = decrypt_session(encryptor, names[at], value, ttl, revoked_at)
                    else:
                        result = None
                except Exception as error:  # noqa: BLE001 - whatever fails, the caller needs a result
                    result = error
            elif isinstance(found, FoundLease):
                result = load_lease(*found, None if lease is None else lease[1])
            else:
                result = None if found is None or servers.redirects(found) else found
            on_result(result, latency)

        digits = [*map(hexlify, keys)]
        names = [*map(shard.session_prefix.__add__, digits)]
        named_lease = None if lease is None else (shard.lease_prefix + digits[0], lease[0])
        node.look_up(names, shard.revocation_prefix, seconds, on_found, named_lease)

    def extend_lease(self, key: bytes, token: bytes, age: float) -> None:
        """Extend a lease; see `LeasingSessionStore`."""
        shard, servers = shard_of_key(self._shards, key), self._router.current()
        node = None if servers is None else servers.find_node(shard)
        if node is not None:
            node.extend_lease(shard.lease_name(key), dump_lease(token, age))

    def release_lease(self, key: bytes) -> None:
        """Delete a lease; see `LeasingSessionStore`."""
        shard, servers = shard_of_key(self._shards, key), self._router.current()
        node = None if servers is None else servers.find_node(shard)
        if node is not None:
            node.release_lease(shard.lease_name(key))

    async def put(self, key: bytes, stored: StoredSession, *, unless_revoked_since: float) -> None:
        """Store a session for its `ttl`, unless it was revoked; `revoke` finds it by its ids.

        A session that is larger than a mebibyte when it is encrypted is not stored.
        """
        shard = shard_of_key(self._shards, key)
        name, lease = shard.session_name(key), shard.lease_name(key)
        ttl = max(math.ceil(stored.ttl * 1_000), 1)
        ids = (stored.session_id, stored.identity_id, ALL_IDS)
        hashes = [encryptor.hash_name(id_) for encryptor in self._encryptors for id_ in ids]
        value = encrypt_session(self._encryptors[0], name, stored, hashes)
        if len(value) > MAX_VALUE_BYTES:
            self.release_lease(key)
            return
        lists = map(shard.list_name, hashes[:2])
        keys = [name, lease, *lists, *map(shard.revocation_name, hashes)]
        arguments = (value, ttl, round(stored.fresh_until * 1_000), repr(unless_revoked_since))
        try:
            await self._router.call(shard, lambda node: node.put(keys=keys, args=arguments))
        except ResponseError as error:
            if not is_migration(error):  # until its end, lookups find nothing, either
                raise

    async def delete(self, keys: Sequence[bytes]) -> None:
        """Delete the sessions under these keys."""
        for key in keys:
            await self._delete(shard_of_key(self._shards, key), key)

    async def _delete(self, shard: Shard, key: bytes) -> None:
        await self._router.call(shard, lambda node: node.client.delete(shard.session_name(key)))

    async def revoke(self, ids: Sequence[str], at: float, ttl: float) -> None:
        """Record the revocation of these ids, publish it, and delete their sessions.

        A server that is full or read-only rejects the record but publishes the message. All commands are sent
        before the first error is raised.

        Raises:
            RedisError: If the server rejected a command. The messages are published anyway if it accepts them.
        """
        errors: list[Exception] = []
        for start in range(0, len(ids), _MAX_IDS_PER_MESSAGE):
            errors += await self._revoke(ids[start : start + _MAX_IDS_PER_MESSAGE], at, ttl)
        if errors:
            raise errors[0]

    async def _revoke(self, ids: Sequence[str], at: float, ttl: float) -> list[Exception]:
        hashes = [encryptor.hash_name(id_) for id_ in ids for encryptor in self._encryptors]
        arguments = repr(at), max(math.ceil(ttl * 1_000), 1)
        if len(self._shards) == 1:
            record = _record(self._shards[0], hashes, arguments)
            return await gather_errors([self._announce(self._shards[0], ids, at, record)])
        by_shard: dict[Shard, list[str]] = {}
        for id_, id_hash in zip(ids, hashes[:: len(self._encryptors)], strict=True):
            by_shard.setdefault(shard_of_hash(self._shards, id_hash), []).append(id_)
        # The record is first: a process that misses the message finds the record, and no session is stored after
        # it.
        records = [(shard, _record(shard, hashes, arguments)) for shard in self._shards]
        errors = await gather_errors([self._store_record(*each) for each in records])
        return errors + await gather_errors([self._announce(shard, each, at) for shard, each in by_shard.items()])

    async def _store_record(self, shard: Shard, record: RevocationRecord) -> None:
        keys, arguments = record
        await self._router.call(shard, lambda node: node.record_revocations(keys=keys, args=arguments))

    async def _announce(
        self, shard: Shard, ids: Sequence[str], at: float, record: RevocationRecord | None = None
    ) -> None:
        servers = await self._router.get()
        text = dump_message(servers.sender, ids, at)
        message = self._encryptors[0].encrypt(shard.stream.name.encode(), text)
        await self._router.call(shard, lambda node: node.announcer.add(shard.stream, message, record))

    async def revoked_at(self, ids: Sequence[str]) -> float | None:
        """Return the time of the latest revocation of any of these ids, infinity if it is invalid, or None."""
        hashes = [encryptor.hash_name(id_) for encryptor in self._encryptors for id_ in ids]
        shard = shard_of_hash(self._shards, hashes[0])
        names = list(map(shard.revocation_name, hashes))
        values = await self._router.call(shard, lambda node: node.client.mget(names))
        times = [load_time(value) for value in values if value is not None]
        return max(times, default=None)

    async def subscribe(self) -> AsyncGenerator[tuple[str, ...] | None, None]:
        """Yield the ids that other processes revoke; see `SessionStore`."""
        async with aclosing(self.resume(RevocationPosition())) as messages:
            async for ids in messages:
                yield ids

    async def resume(self, position: RevocationPosition) -> AsyncGenerator[tuple[str, ...] | None, None]:
        """Yield the ids that other processes revoke; see `ResumableSessionStore`."""
        servers = await self._router.get()
        async with aclosing(iter_revocations(servers, self._streams, self._encryptors, position)) as messages:
            async for ids in messages:
                yield ids

    async def aclose(self) -> None:
        """Close the connections of the running event loop; the next call opens new ones."""
        await self._router.aclose()


def _record(shard: Shard, hashes: Sequence[str], arguments: tuple[str, int]) -> RevocationRecord:
    return RevocationRecord([*map(shard.revocation_name, hashes), *map(shard.list_name, hashes)], arguments)
