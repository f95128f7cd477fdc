"""A Redis server as one event loop uses it: commands, scripts and the connections.

`Node.look_up` is the command of the requests, over one shared connection. Everything else uses redis-py.
"""

import asyncio
import hashlib
import secrets as random_secrets
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any, Final, NamedTuple, TypeAlias

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from ory_guard.cache.leasing_store_protocol import LEASE_SECONDS
from ory_guard.cache.store_timeout import ResponsiveClock
from ory_guard.redis.connections import ConnectionFactory
from ory_guard.redis.pipeline import Pipeline, PipelinedConnection
from ory_guard.redis.resp import MAX_VALUE_BYTES, ProtocolError, Reply, encode_command
from ory_guard.redis.revocation_stream import Announcer, Stream
from ory_guard.redis.scripts import PUT, RECORD_REVOCATIONS
from ory_guard.redis.shards import Shard
from ory_guard.redis.stream_subscription import Received, StreamPosition, iter_messages
from ory_guard.redis.urls import Address

__all__ = ["FoundLease", "FoundSession", "Node", "OnFound"]

_HASH_CHARACTERS: Final = 32
_MAX_MARKERS: Final = 24
_LEASE_MILLISECONDS: Final = round(LEASE_SECONDS * 1_000)

# The reply starts with the number of the command, so that it can't be taken for the reply to another one. A value
# starts with the names of the revocations that concern it (`ory_guard.redis.serialization`).
#
# With a third argument, the last key is that of the lease, which is returned if there is no session. If there is no
# lease either, it is created with the argument as its value, unless that is empty or the server accepts no writes.
_LOOK_UP: Final = f"""
local lease = ARGV[3] and KEYS[#KEYS]
for at = 1, #KEYS - (lease and 1 or 0) do
  local name = KEYS[at]
  local value = redis.pcall('GET', name)
  if type(value) == 'string' and #value <= {MAX_VALUE_BYTES} then
    local found = {{tonumber(ARGV[1]), at - 1, value, redis.call('PTTL', name)}}
    for marker = 1, math.min(string.byte(value, 1) or 0, {_MAX_MARKERS}) do
      local start = 2 + (marker - 1) * {_HASH_CHARACTERS}
      local hash = string.sub(value, start, start + {_HASH_CHARACTERS - 1})
      local revoked = redis.pcall('GET', ARGV[2] .. hash)
      if revoked then
        found[#found + 1] = type(revoked) == 'string' and revoked or '?'
      end
    end
    return found
  end
  if type(value) == 'table' and not string.find(value.err, 'WRONGTYPE', 1, true) then
    return value
  end
end
if lease then
  if ARGV[3] ~= '' then
    redis.pcall('SET', lease, ARGV[3], 'NX', 'PX', {_LEASE_MILLISECONDS})
  end
  local held = redis.pcall('GET', lease)
  if type(held) == 'string' then
    return {{tonumber(ARGV[1]), held, redis.call('PTTL', lease)}}
  end
end
return {{tonumber(ARGV[1])}}
"""

_LOOK_UP_SHA: Final = hashlib.sha1(_LOOK_UP.encode(), usedforsecurity=False).hexdigest().encode()
_LOAD_SCRIPT: Final = encode_command(b"SCRIPT", b"LOAD", _LOOK_UP.encode())


_new: Final = tuple.__new__  # half the time of the constructor of a named tuple


class FoundSession(NamedTuple):
    """The session in the reply to a lookup.

    Attributes:
        position: The position of the name that has the value.
        value: The value.
        ttl: Seconds until Redis deletes the value; negative if it does not.
        revoked_at: The times of the revocations that concern the value, as they are in Redis.
    """

    position: int
    value: bytes
    ttl: float
    revoked_at: Sequence[bytes]


class FoundLease(NamedTuple):
    """The lease in the reply to a lookup.

    Attributes:
        value: The value.
        ttl: Seconds until Redis deletes the lease; negative if it does not.
    """

    value: bytes
    ttl: float


OnFound: TypeAlias = Callable[[FoundSession | FoundLease | Exception | None, float], None]
_Lookup: TypeAlias = tuple[bytes, float, int, OnFound]
"""The encoded command, its limit in seconds, its number, and the function for the result."""


def _parse(reply: Reply, number: int) -> FoundSession | FoundLease | ProtocolError | None:
    match reply:
        case [int(first), int(position), bytes(value), int(milliseconds), *revoked_at] if first == number:
            times = [each if isinstance(each, bytes) else b"" for each in revoked_at]
            return _new(FoundSession, (position, value, milliseconds / 1_000, times))
        case [int(first), bytes(value), int(milliseconds)] if first == number:
            return FoundLease(value, milliseconds / 1_000)
        case [int(first)] if first == number:
            return None
    return ProtocolError("the reply is not that of the lookup")


class Node:
    """The connections of one event loop to one Redis server.

    Args:
        factory: Creates connections to the server.
        address: The address of the server, or None for that in the URL, or that which the sentinels name.

    Attributes:
        client: The client of redis-py.
        sender: Identifies messages of this process and event loop, which it does not need to receive itself.
        subscribers: The number of subscriptions.
    """

    def __init__(self, factory: ConnectionFactory, address: Address | None = None) -> None:
        self._factory = factory
        self._address = address
        self._create_client()
        self.sender: str = random_secrets.token_hex(8)
        self.subscribers: int = 0
        self._clock = ResponsiveClock()
        # The script is loaded with the connection, so that the first lookup takes one round trip, too.
        self._pipeline = Pipeline(self._open, self._clock)
        self._numbers = count(1)

    def _create_client(self) -> None:
        self._pool: Any = self._factory.create_pool(self._address)
        self.client: Redis = Redis(connection_pool=self._pool)
        self.put: Any = self.client.register_script(PUT)
        self.record_revocations: Any = self.client.register_script(RECORD_REVOCATIONS)
        self.announcer: Announcer = Announcer(self.client)

    async def locate(self, *, again: bool = False) -> None:
        """Ask the sentinels for the address of the server, unless it is known.

        Args:
            again: Whether to ask even if it is known. If it has changed, all connections are closed.

        Raises:
            OSError: If the sentinels do not know it.
        """
        if self._factory.sentinels is None or (self._address is not None and not again):
            return
        address = await self._factory.sentinels.find_primary()
        if address != self._address:
            self._address = address
            previous = self._pool
            await self.announcer.aclose()
            self._create_client()
            self._pipeline.reset()
            await previous.aclose()

    async def _open(self) -> PipelinedConnection:
        await self.locate()
        return await self._factory.open(self._clock, self._address, _LOAD_SCRIPT)

    async def warm(self) -> None:
        """Open a connection for lookups and one for other commands, so that no request waits for a TLS handshake.

        Raises:
            OSError: If the server does not accept the connections.
            RedisError: If the server rejects the credentials or a command.
            TimeoutError: If the server does not respond.
        """
        await asyncio.gather(self._pipeline.connect(), self.client.ping())

    def find_node(self, _shard: Shard) -> "Node":
        """Return this node, which has all shards."""
        return self

    def redirects(self, _error: Exception) -> bool:
        """Return False, because there is no other server."""
        return False

    def subscribe(
        self, streams: Sequence[Stream], positions: Mapping[str, StreamPosition]
    ) -> AsyncGenerator[Received, None]:
        """Yield the messages of streams after their positions; see `iter_messages`."""
        return iter_messages(self._pool.make_connection(), self._pool.make_connection(), streams, positions)

    def look_up(
        self,
        names: Sequence[bytes],
        revocations: bytes,
        seconds: float,
        on_result: OnFound,
        lease: tuple[bytes, bytes] | None = None,
    ) -> None:
        """Find the value under the first of these names that has one.

        The result is the value, the lease, None, `TimeoutError` if there is no reply within the limit, or the
        error of the connection or the server.

        Args:
            names: The names of the keys.
            revocations: The prefix of the names of revocations.
            seconds: The limit of the time.
            on_result: Called by the event loop, later and exactly once, with the result and the latency in seconds.
                It must not raise.
            lease: The name of the lease, and the value with which it is created if there is none, or an empty one
                to create none. None to look for no lease.
        """
        number = next(self._numbers)
        arguments: tuple[bytes, ...] = (b"%d" % number, revocations)
        if lease is not None:
            names, arguments = (*names, lease[0]), (*arguments, lease[1])
        request = encode_command(b"EVALSHA", _LOOK_UP_SHA, b"%d" % len(names), *names, *arguments)
        lookup = request, seconds, number, on_result
        self._pipeline.send(request, seconds, partial(self._on_reply, lookup))

    def _on_reply(
        self, lookup: "_Lookup", reply: Reply | Exception, latency: float, was_loaded: bool = False
    ) -> None:
        request, seconds, number, on_result = lookup
        if isinstance(reply, NoScriptError) and not was_loaded:
            # The server was restarted or replaced, or its scripts were deleted.
            self._pipeline.send(_LOAD_SCRIPT, seconds, lambda _reply, _latency: None)
            self._pipeline.send(request, seconds, partial(self._on_reply, lookup, was_loaded=True))
        elif isinstance(reply, Exception):
            on_result(reply, latency)
        else:
            found = _parse(reply, number)
            if isinstance(found, ProtocolError):
                self._pipeline.reset()
            on_result(found, latency)

    def extend_lease(self, name: bytes, value: bytes) -> None:
        """Extend the lease with this name, if it exists, and set its value.

        It may belong to another process by now. Nothing depends on that: both calls are in progress.
        """
        self._send(b"SET", name, value, b"XX", b"PX", b"%d" % _LEASE_MILLISECONDS)

    def release_lease(self, name: bytes) -> None:
        """Delete the lease with this name."""
        self._send(b"DEL", name)

    def _send(self, *arguments: bytes) -> None:
        self._pipeline.send(encode_command(*arguments), LEASE_SECONDS, lambda _reply, _latency: None)

    async def aclose(self) -> None:
        """Close all connections."""
        self._clock.close()
        await self.announcer.aclose()
        await self._pipeline.aclose()
        await self._pool.aclose()
