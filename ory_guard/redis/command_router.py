"""The servers of a URL, and commands to the one that has a shard."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, TypeAlias, TypeVar

from redis.exceptions import AskError, MovedError, TryAgainError

from ory_guard._event_loop import LoopLocal
from ory_guard.redis.cluster import Cluster
from ory_guard.redis.connections import ConnectionFactory
from ory_guard.redis.node import Node
from ory_guard.redis.shards import Shard

__all__ = ["CommandRouter", "Servers", "gather_errors", "is_migration"]

ResultT = TypeVar("ResultT")
Servers: TypeAlias = Node | Cluster

_MAX_SECONDS: Final = 0.5


class CommandRouter:
    """A server, or the primaries of a cluster, for each event loop.

    Args:
        factory: Creates connections to the servers.
        shards: The shards.

    Attributes:
        current: Returns the servers of the running event loop, or None before `get`.
    """

    def __init__(self, factory: ConnectionFactory, shards: Sequence[Shard]) -> None:
        self._servers: LoopLocal[Servers] = LoopLocal(
            lambda: Cluster(factory, shards) if factory.is_cluster else Node(factory),
            lambda servers: servers.aclose(),
        )
        self.current: Callable[[], Servers | None] = self._servers.current

    async def get(self) -> Servers:
        """Return the servers of the running event loop.

        Raises:
            OSError: If no server knows their addresses.
        """
        servers = await self._servers.get()
        await servers.locate()
        return servers

    async def call(self, shard: Shard, command: Callable[[Node], Awaitable[ResultT]]) -> ResultT:
        """Send a command to the server that has a shard, and to another one if the shard has moved.

        Raises:
            OSError: If the server is not reachable.
            RedisError: If the server rejects the command.
        """
        servers = await self.get()
        try:
            return await command(_find_node(servers, shard))
        except MovedError:
            await servers.locate(again=True)
            return await command(_find_node(servers, shard))

    async def aclose(self) -> None:
        """Close the connections of the running event loop; the next call opens new ones."""
        await self._servers.aclose()


def _find_node(servers: Servers, shard: Shard) -> Node:
    node = servers.find_node(shard)
    assert node is not None  # noqa: S101 - the caller has located it
    return node


def is_migration(error: Exception) -> bool:
    """Return whether a server rejected a command because the slot is being moved to another one."""
    return isinstance(error, AskError | TryAgainError) and not isinstance(error, MovedError)


async def gather_errors(calls: Sequence[Coroutine[Any, Any, None]]) -> list[Exception]:
    """Run calls at the same time, and return their errors.

    If there are several, each one that takes half a second is canceled: a server that does not respond must not
    delay later calls to the others.
    """
    tasks = [asyncio.create_task(call) for call in calls]
    try:
        await asyncio.wait(tasks, timeout=None if len(tasks) == 1 else _MAX_SECONDS)
    finally:
        late = [task for task in tasks if task.cancel()]
        results = await asyncio.gather(*tasks, return_exceptions=True)
    errors: list[Exception] = [TimeoutError() for _ in late]
    return errors + [result for result in results if isinstance(result, Exception)]
