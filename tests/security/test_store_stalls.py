"""A real Redis server that stalls for a moment, or whose connections are closed."""

import asyncio
import signal
from collections.abc import Iterator

import pytest
from support.memory_store import SOON, eventually
from support.redis_server import REDIS_MARKS, RedisServer

from .store_bench import started, store_timeout_of

pytestmark = REDIS_MARKS


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A server for this module."""
    with RedisServer() as running:
        yield running


@pytest.mark.parametrize("stall", [0.4, None], ids=["stall", "reconnect"])
async def test_no_cached_session_is_discarded(server: RedisServer, stall: float | None) -> None:
    """Sessions that were cached before are used after it, without a call to Kratos."""
    async with started(server.url, disconnected_ttl=SOON) as (first, second):
        for worker in (first, second):
            await worker.ask()
        if stall is None:
            server.cli("CLIENT", "KILL", "TYPE", "normal")
            server.cli("CLIENT", "KILL", "TYPE", "pubsub")
            await eventually(lambda: first.is_degraded and second.is_degraded)
        else:
            server.signal(signal.SIGSTOP)
            with store_timeout_of(0.05):
                for worker in (first, second):
                    await worker.ask(b"tok-B")
            await asyncio.sleep(stall)
            server.signal(signal.SIGCONT)
        await eventually(lambda: not first.is_degraded and not second.is_degraded)

        for worker in (first, second):
            assert await worker.identify() == ("identity-of-alice", "cache")
