"""The primaries of a Redis Cluster, as one event loop uses them.

Each shard is on one of them. The cluster client of redis-py is not used: it creates an SSL context for each
connection, requires the command COMMAND, and has a retry policy of its own. Here, the guard limits the time of each
call, and repeats it.
"""

import asyncio
import secrets as random_secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from contextvars import Context
from typing import Any, Final, TypeAlias

from redis.exceptions import RedisError, TryAgainError

from ory_guard.redis.connections import ConnectionFactory
from ory_guard.redis.discovery import first_response
from ory_guard.redis.node import Node
from ory_guard.redis.resp import SlotMovedError
from ory_guard.redis.revocation_stream import Stream
from ory_guard.redis.shards import Shard
from ory_guard.redis.stream_subscription import Received, StreamPosition
from ory_guard.redis.urls import Address

__all__ = ["Cluster", "parse_slots"]

_CLOSED: Final = "the store was closed"
_Subscription: TypeAlias = AsyncGenerator[Received, None]


class Cluster:
    """The primaries that have the shards.

    Args:
        factory: Creates connections to the servers.
        shards: The shards.

    Attributes:
        sender: See `Node`.
        subscribers: See `Node`.
    """

    def __init__(self, factory: ConnectionFactory, shards: Sequence[Shard]) -> None:
        self._factory = factory
        self._shards = shards
        self._nodes: dict[Address, Node] = {}
        self._by_slot: dict[int, Node] = {}
        self._lock = asyncio.Lock()
        self._version = 0
        self._is_closed = False
        self._locating: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self.sender: str = random_secrets.token_hex(8)
        self.subscribers: int = 0

    def find_node(self, shard: Shard) -> Node | None:
        """Return the primary that has a shard, or None before `locate`."""
        return self._by_slot.get(shard.slot)

    def redirects(self, error: Exception) -> bool:
        """Return whether a lookup failed only because its slot has moved, or is being moved, to another primary.

        After a move, the primary is located again in the background.
        """
        if isinstance(error, SlotMovedError) and self._locating is None:
            self._locating = asyncio.Task(self._relocate(), loop=asyncio.get_running_loop(), context=Context())
        return isinstance(error, SlotMovedError | TryAgainError)

    async def _relocate(self) -> None:
        try:
            with suppress(OSError, RedisError):  # the next lookup fails, too
                await self.locate(again=True)
        finally:
            self._locating = None

    async def locate(self, *, again: bool = False) -> None:
        """Ask the cluster which primary has each shard, unless that is known.

        Args:
            again: Whether to ask even if it is known. Connections to servers that have no shard now are closed.

        Raises:
            ConnectionError: If no server of the cluster knows it, or if the cluster was closed.
            TimeoutError: If no server responds within a second.
        """
        version = self._version
        if self._is_closed:
            raise ConnectionError(_CLOSED)
        if version and not again:
            return
        async with self._lock:
            if version != self._version:  # another call has asked in the meantime
                return
            known = dict.fromkeys((*self._nodes, *self._factory.addresses))
            found = await first_response([self._ask(address) for address in known])
            if found is None:
                raise ConnectionError("no server of the cluster knows the primaries of all slots")
            if self._is_closed:
                raise ConnectionError(_CLOSED)
            self._version += 1
            obsolete = [node for address, node in self._nodes.items() if address not in found]
            self._nodes = {
                address: self._nodes.get(address) or Node(self._factory, address) for address in sorted({*found})
            }
            self._by_slot = {
                shard.slot: self._nodes[address] for shard, address in zip(self._shards, found, strict=True)
            }
            for node in obsolete:
                self._close(node)

    def _close(self, node: Node) -> None:
        # In a task of its own: the caller of `locate` may be canceled, and the server may not respond.
        task = asyncio.Task(node.aclose(), loop=asyncio.get_running_loop(), context=Context())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard, context=Context())

    async def _ask(self, address: Address) -> list[Address] | None:
        connection = self._factory.create_pool(address).make_connection()
        try:
            await connection.connect()
            await connection.send_command("CLUSTER", "SLOTS")
            return parse_slots(await connection.read_response(), address, [shard.slot for shard in self._shards])
        finally:
            await connection.disconnect(nowait=True)

    async def warm(self) -> None:
        """Open the connections to all primaries; see `Node.warm`."""
        await asyncio.gather(*(node.warm() for node in self._nodes.values()))

    def subscribe(self, streams: Sequence[Stream], positions: Mapping[str, StreamPosition]) -> _Subscription:
        """Yield the messages of the streams of all shards after their positions.

        The subscription ends when the first connection to one of the primaries is lost.
        """
        by_node: dict[Node, list[Stream]] = {}
        for shard, stream in zip(self._shards, streams, strict=True):
            by_node.setdefault(self._by_slot[shard.slot], []).append(stream)
        return _merge([node.subscribe(each, positions) for node, each in by_node.items()])

    async def aclose(self) -> None:
        """Close all connections."""
        self._is_closed = True
        if self._locating is not None:
            self._locating.cancel()
            await asyncio.gather(self._locating, return_exceptions=True)
        await asyncio.gather(*self._closing, *(node.aclose() for node in self._nodes.values()))


def parse_slots(reply: Any, asked: Address, slots: Sequence[int]) -> list[Address] | None:
    """Return the primary of each slot in a reply to `CLUSTER SLOTS`, or None if a slot has none.

    Args:
        reply: The reply.
        asked: The address of the server that sent the reply. A server that does not know its own address omits it.
        slots: The slots.
    """
    primaries = []
    for slot in slots:
        for start, end, (host, port, *_), *_replicas in reply:
            if start <= slot <= end:
                name = (host or b"").decode()
                primaries.append((asked[0] if name in {"", "?"} else name, int(port)))
                break
    return primaries if len(primaries) == len(slots) else None


async def _merge(subscriptions: Sequence[_Subscription]) -> _Subscription:
    """Yield the messages of all subscriptions, until the first one fails."""
    queue: asyncio.Queue[Received | Exception] = asyncio.Queue()
    tasks = [asyncio.create_task(_forward(each, queue)) for each in subscriptions]
    try:
        while True:
            received = await queue.get()
            if isinstance(received, Exception):
                raise received
            yield received
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _forward(subscription: _Subscription, queue: "asyncio.Queue[Received | Exception]") -> None:
    try:
        async with aclosing(subscription) as messages:
            async for received in messages:
                queue.put_nowait(received)
    except Exception as error:  # noqa: BLE001 - it is raised by the other end of the queue
        queue.put_nowait(error)
