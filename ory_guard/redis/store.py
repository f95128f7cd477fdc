"""Sessions and revocations in Redis.

All keys start with the prefix and expire. The braces are hash tags: in a cluster, keys with the same tag are on the
same node.

- `session:{<hash of the credential>}`: an encrypted session.
- `lease:{<hash of the credential>}`: a random token of the process that calls Kratos, and the age of the lease.
- `of:{<hash of an id>}`: the keys of the sessions of an id, for their deletion.
- `revoked:{<hash of an id>}`: the time of the revocation of an id.

- `revocations:{0}`: a stream of encrypted revocations. The channel with the same name announces them.
- `announced:{0}`: the last announcement.
"""

import asyncio
import math
from binascii import hexlify
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Final

from redis.exceptions import ResponseError

from ory_guard._event_loop import LoopLocal
from ory_guard.cache.lease_store import OnLookUpOrLease
from ory_guard.cache.store import OnLookUp, RevocationPosition, StoredSession
from ory_guard.exceptions import ConfigurationError
from ory_guard.redis.connections import RedisServerURL
from ory_guard.redis.encryption import Encryptor
from ory_guard.redis.leases import dump_lease, load_lease
from ory_guard.redis.node import Found, FoundLease, Node
from ory_guard.redis.pipeline import resolver
from ory_guard.redis.resp import MAX_VALUE_BYTES
from ory_guard.redis.revocation_stream import Stream
from ory_guard.redis.serialization import (
    decrypt_messages,
    decrypt_session,
    dump_message,
    encrypt_session,
    load_ids,
    load_missed_ids,
    load_time,
)
from ory_guard.redis.session_lists import delete_lists

__all__ = ["RedisSessionStore"]

_MAX_SECRETS: Final = 8
_MAX_TIMEOUT: Final = 60.0
_MAX_IDS_PER_MESSAGE: Final = 1_000


class RedisSessionStore:
    """A `SessionStore` in a Redis or Valkey server.

    All guards with the same server, database and prefix share sessions and revocations. Guards with another
    `kratos_public_url` or other cookie names share no sessions. All guards should have the same `cache_ttl`.

    Args:
        url: A `redis://` or `valkey://` URL, `rediss://` or `valkeys://` for TLS, or `unix://`, with the options of
            `from_url` of redis-py. For a primary that sentinels monitor, `redis+sentinel://host:port,host:port/service`
            or `rediss+sentinel://`, with the options `sentinel_username` and `sentinel_password` if the sentinels
            require them. Files for TLS are read once, when the store is created.
        secrets: The secrets for encryption, at least 32 bytes each. The first one is used to write, all to read. To
            rotate the secret without an outage, add the new one before the old one, and remove the old one a day
            later.
        prefix: The prefix of all keys and of the channel.
        max_connections: The maximum number of connections per process.
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
        self._session_prefix = self._name("session").encode() + b":{"
        self._lease_prefix = self._name("lease").encode() + b":{"
        self._revocation_prefix = self._name("revoked").encode() + b":{"
        self._stream = Stream(self._name("revocations", "0"), self._name("announced", "0"))
        server = RedisServerURL(url, max_connections)
        self._nodes: LoopLocal[Node] = LoopLocal(lambda: Node(server), Node.aclose)

    def __repr__(self) -> str:
        return f"<RedisSessionStore {self._prefix}>"

    @property
    def hashing_keys(self) -> tuple[bytes, ...]:
        """The keys for the hashes of credentials; see `SessionStore`."""
        return tuple(encryptor.hashing_key for encryptor in self._encryptors)

    async def get(self, keys: Sequence[bytes]) -> StoredSession | None:
        """Return the session under the first of `keys` that has one, or None if it has an invalid value."""
        node = await self._located_node()
        future: asyncio.Future[StoredSession | None] = asyncio.get_running_loop().create_future()
        self._look_up(node, keys, math.inf, resolver(future))
        return await future

    def look_up(self, keys: Sequence[bytes], seconds: float, on_result: OnLookUp) -> None:
        """Find the session under the first of `keys` that has one; see `LimitedSessionStore`."""
        node = self._nodes.current()
        if node is None:
            asyncio.get_running_loop().call_soon(on_result, ConnectionError("the store is not connected"), 0.0)
        else:
            self._look_up(node, keys, seconds, on_result)

    def look_up_or_lease(
        self, keys: Sequence[bytes], token: bytes | None, seconds: float, on_result: OnLookUpOrLease
    ) -> None:
        """Find the session under the first of `keys` that has one, or its lease; see `LeasingSessionStore`."""
        node = self._nodes.current()
        if node is None:
            asyncio.get_running_loop().call_soon(on_result, ConnectionError("the store is not connected"), 0.0)
            return

        def on_found(found: Found | FoundLease | Exception | None, latency: float) -> None:
            if isinstance(found, FoundLease):
                on_result(load_lease(*found, token), latency)
            else:
                on_result(self._load(names, found), latency)

        names = [self._session_name(key) for key in keys]
        lease = self._lease_name(keys[0]), b"" if token is None else dump_lease(token, 0.0)
        node.look_up(names, self._revocation_prefix, seconds, on_found, lease)

    def extend_lease(self, key: bytes, token: bytes, age: float) -> None:
        """Extend a lease; see `LeasingSessionStore`."""
        node = self._nodes.current()
        if node is not None:
            node.extend_lease(self._lease_name(key), dump_lease(token, age))

    def release_lease(self, key: bytes) -> None:
        """Delete a lease; see `LeasingSessionStore`."""
        node = self._nodes.current()
        if node is not None:
            node.release_lease(self._lease_name(key))

    def _look_up(self, node: Node, keys: Sequence[bytes], seconds: float, on_result: OnLookUp) -> None:
        def on_found(found: Found | FoundLease | Exception | None, latency: float) -> None:
            on_result(self._load(names, found), latency)

        names = [self._session_name(key) for key in keys]
        node.look_up(names, self._revocation_prefix, seconds, on_found)

    def _load(
        self, names: Sequence[bytes], found: Found | FoundLease | Exception | None
    ) -> StoredSession | Exception | None:
        if not isinstance(found, Found):
            return found if isinstance(found, Exception) else None
        try:
            return self._decrypt_session(names, found)
        except Exception as error:  # noqa: BLE001 - whatever fails, the caller needs a result
            return error

    def _decrypt_session(self, names: Sequence[bytes], found: Found) -> StoredSession | None:
        if not 0 <= found.position < min(len(names), len(self._encryptors)):
            return None
        encryptor, name = self._encryptors[found.position], names[found.position]
        revoked_at = max(map(load_time, found.revoked_at)) if found.revoked_at else -math.inf
        return decrypt_session(encryptor, name, found.value, found.ttl, revoked_at)

    async def put(self, key: bytes, stored: StoredSession, *, unless_revoked_since: float) -> None:
        """Store a session for its `ttl`, unless it was revoked; `revoke` finds it by its ids.

        A session that is larger than a mebibyte when it is encrypted is not stored.
        """
        node = await self._located_node()
        name, lease = self._session_name(key), self._lease_name(key)
        ttl = max(math.ceil(stored.ttl * 1_000), 1)
        ids = (stored.session_id, stored.identity_id)
        hashes = [encryptor.hash_name(id_) for encryptor in self._encryptors for id_ in ids]
        lists = [self._name("of", hashed) for hashed in hashes[: len(ids)]]
        revocations = [self._name("revoked", hashed) for hashed in hashes]
        value = encrypt_session(self._encryptors[0], name, stored, hashes)
        if len(value) > MAX_VALUE_BYTES:
            node.release_lease(lease)
            return
        end = round(stored.fresh_until * 1_000)
        arguments = (value, ttl, end, repr(unless_revoked_since))
        await node.put(keys=[name, lease, *lists, *revocations], args=arguments)

    async def delete(self, keys: Sequence[bytes]) -> None:
        """Delete the sessions under these keys."""
        node = await self._located_node()
        await node.client.delete(*map(self._session_name, keys))

    async def revoke(self, ids: Sequence[str], at: float, ttl: float) -> None:
        """Record the revocation of these ids, publish it, and delete their sessions.

        A server that is full or read-only rejects the record but publishes the message. All commands are sent
        before the first error is raised.

        Raises:
            RedisError: If the server rejected a command. The messages are published anyway if it accepts them.
        """
        node = await self._located_node()
        errors: list[Exception] = []
        for start in range(0, len(ids), _MAX_IDS_PER_MESSAGE):
            errors += await self._revoke(node, ids[start : start + _MAX_IDS_PER_MESSAGE], at, ttl)
        if errors:
            raise errors[0]

    async def _revoke(self, node: Node, ids: Sequence[str], at: float, ttl: float) -> list[Exception]:
        hashes = [encryptor.hash_name(key) for key in ids for encryptor in self._encryptors]
        lists = [self._name("of", hashed) for hashed in hashes]
        milliseconds = max(math.ceil(ttl * 1_000), 1)
        text = dump_message(node.sender, ids, at)
        message = self._encryptors[0].encrypt(self._stream.name.encode(), text)
        # The record is first: a process that misses the message finds the record, and no session is stored after
        # it. It is not a transaction, because the server would reject that as a whole.
        async with node.client.pipeline(transaction=False) as pipe:
            for hashed in hashes:
                pipe.set(self._name("revoked", hashed), repr(at), px=milliseconds)
            replies = await pipe.execute(raise_on_error=False)
        errors = [reply for reply in replies if isinstance(reply, Exception)]
        try:
            await node.announcer.add(self._stream, message)
        except ResponseError as error:
            errors.append(error)
        return errors + await delete_lists(node.client, lists)

    async def revoked_at(self, ids: Sequence[str]) -> float | None:
        """Return the time of the latest revocation of any of these ids, infinity if it is invalid, or None."""
        node = await self._located_node()
        values = await node.client.mget(self._hashed_names("revoked", ids))
        times = [load_time(value) for value in values if value is not None]
        return max(times, default=None)

    async def subscribe(self) -> AsyncGenerator[tuple[str, ...] | None, None]:
        """Yield the ids that other processes revoke; see `SessionStore`."""
        async with aclosing(self.resume(RevocationPosition())) as messages:
            async for ids in messages:
                yield ids

    async def resume(self, position: RevocationPosition) -> AsyncGenerator[tuple[str, ...] | None, None]:
        """Yield the ids that other processes revoke; see `ResumableSessionStore`."""
        node = await self._nodes.get()
        await node.locate(again=True)
        decrypt = partial(decrypt_messages, self._encryptors, self._stream.name.encode())
        node.subscribers += 1
        try:
            async with aclosing(node.subscribe(self._stream, position.value)) as messages:
                first = await anext(messages)
                # The guard uses the store as soon as it is subscribed.
                await node.warm()
                yield load_missed_ids(None if first.texts is None else decrypt(first.texts))
                position.value, position.heard_at = first.position, first.heard_at
                async for received in messages:
                    for value in decrypt(received.texts or ()):
                        # Two guards with the same store receive the messages of each other.
                        if value is None or value.get("from") != node.sender or node.subscribers > 1:
                            yield load_ids(value)
                    if received.texts is None:
                        yield None
                    position.value, position.heard_at = received.position, received.heard_at
        finally:
            node.subscribers -= 1

    async def aclose(self) -> None:
        """Close the connections of the running event loop; the next call opens new ones."""
        await self._nodes.aclose()

    async def _located_node(self) -> Node:
        node = await self._nodes.get()
        await node.locate()
        return node

    def _session_name(self, key: bytes) -> bytes:
        return b"%b%b}" % (self._session_prefix, hexlify(key))

    def _lease_name(self, key: bytes) -> bytes:
        return b"%b%b}" % (self._lease_prefix, hexlify(key))

    def _name(self, kind: str, rest: str = "") -> str:
        return f"{self._prefix}:{kind}:{{{rest}}}" if rest else f"{self._prefix}:{kind}"

    def _hashed_names(self, kind: str, ids: Sequence[str]) -> list[str]:
        return [self._name(kind, encryptor.hash_name(key)) for key in ids for encryptor in self._encryptors]
