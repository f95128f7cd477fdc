"""The store at a server that a real sentinel names."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis_topologies import SERVICE, run_sentinel
from support.memory_store import eventually
from support.ports import free_port
from support.redis_server import REDIS_MARKS, RedisServer
from support.redis_sessions import KEY, SECRET, STORED, Subscriber, put

from ory_guard.redis import RedisSessionStore

pytestmark = REDIS_MARKS


@pytest.fixture(scope="module")
def sentinel(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    folder: Path = tmp_path_factory.mktemp("sentinel")
    with run_sentinel(folder, 0, redis_server.port) as running:
        yield running


def url_of(sentinel: RedisServer, service: str = SERVICE) -> str:
    """Return a URL with the sentinel, after one that is not reachable."""
    return f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{sentinel.port}/{service}"


async def test_session_is_stored_at_the_primary(sentinel: RedisServer, redis_server: RedisServer) -> None:
    """A subscription finds the same one."""
    store = RedisSessionStore(url_of(sentinel), secrets=[SECRET])
    await store.get([KEY])
    await put(store, KEY, STORED)
    subscriber = Subscriber(store)
    await eventually(lambda: subscriber.messages)
    await subscriber.aclose()
    assert await store.get([KEY]) is not None
    assert ":{0}:" + KEY.hex() in redis_server.cli("KEYS", "*:session:*")
    await store.aclose()


async def test_subscription_follows_the_primary(sentinel: RedisServer, redis_server: RedisServer) -> None:
    """All other calls use the new primary, too."""
    store = RedisSessionStore(url_of(sentinel), secrets=[SECRET])
    with RedisServer() as other:
        await put(store, KEY, STORED)
        sentinel.cli("SENTINEL", "REMOVE", SERVICE)
        sentinel.cli("SENTINEL", "MONITOR", SERVICE, "127.0.0.1", str(other.port), "1")
        subscriber = Subscriber(store)
        await eventually(lambda: subscriber.messages)

        assert await store.get([KEY]) is None
        await put(store, KEY, STORED)
        assert len(other.cli("KEYS", "*:session:*").split()) == 1

        await subscriber.aclose()
        await store.aclose()
        sentinel.cli("SENTINEL", "REMOVE", SERVICE)
        sentinel.cli("SENTINEL", "MONITOR", SERVICE, "127.0.0.1", str(redis_server.port), "1")


@pytest.mark.parametrize("service", [SERVICE, "unknown"])
async def test_unknown_primary_is_an_error(sentinel: RedisServer, service: str) -> None:
    """No sentinel is reachable, or none knows the service."""
    url = (
        url_of(sentinel, service) if service == "unknown" else f"redis+sentinel://127.0.0.1:{free_port()}/{service}"
    )
    store = RedisSessionStore(url, secrets=[SECRET])

    with pytest.raises(ConnectionError, match="no sentinel knows the primary"):
        await put(store, KEY, STORED)

    await store.aclose()
