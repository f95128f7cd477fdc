"""Calls that are in progress when the store is closed: the recovery from a failover closes it."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest
from redis_topologies import cluster_of_one
from support.memory_store import eventually
from support.redis_server import REDIS_MARKS, RedisServer
from support.redis_sessions import KEY, SECRET

from ory_guard.redis import RedisSessionStore
from ory_guard.redis.node import Node
from ory_guard.redis.shards import create_shards

pytestmark = REDIS_MARKS

CLOSED = "the store was closed"


@pytest.mark.parametrize("iterations", range(12))
async def test_command_in_progress_leaves_no_connection(
    redis_server: RedisServer, redis_store: RedisSessionStore, iterations: int
) -> None:
    """In whatever iteration of the event loop the store is closed."""
    node = await redis_store._deployment.get()
    assert isinstance(node, Node)
    command = asyncio.ensure_future(node.client.ping())
    for _ in range(iterations):
        await asyncio.sleep(0)

    await redis_store.aclose()
    with suppress(Exception):
        await command

    with pytest.raises(ConnectionError, match=CLOSED):
        await node.client.ping()
    await eventually(lambda: redis_server.cli("CLIENT", "LIST").count("\n") == 1)


async def test_closed_cluster_is_not_located_again(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is one that is closed while the servers are asked."""
    with cluster_of_one(tmp_path_factory.mktemp("cluster")) as server:
        store = RedisSessionStore(f"redis+cluster://127.0.0.1:{server.port}", secrets=[SECRET])
        assert await store.get([KEY]) is None
        servers = await store._deployment.get()

        async def close(calls: list[Coroutine[Any, Any, None]]) -> list[tuple[str, int]]:
            for call in calls:
                call.close()
            await store.aclose()
            return [("127.0.0.1", server.port)] * len(create_shards("", is_in_cluster=True))

        monkeypatch.setattr("ory_guard.redis.cluster.first_response", close)
        for _ in range(2):
            with pytest.raises(ConnectionError, match=CLOSED):
                await servers.locate(again=True)
        assert server.cli("CLIENT", "LIST").count("\n") == 1
