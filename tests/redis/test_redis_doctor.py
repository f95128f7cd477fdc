"""The doctor's check of a cluster."""

from collections.abc import Iterator

import pytest
from redis_findings import findings_of
from redis_topologies import cluster_of_one
from support.ports import free_port
from support.redis_server import REDIS_MARKS, RedisServer

pytestmark = REDIS_MARKS


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A cluster."""
    with cluster_of_one(tmp_path_factory.mktemp("cluster")) as running:
        yield running


async def finding(url: str) -> tuple[str, str]:
    """Return the level and the message of the only finding."""
    (found,) = await findings_of(url)
    return found.level, f"{found.message} -> {found.fix}"


@pytest.mark.parametrize(
    ("scheme", "level", "text"),
    [
        ("redis+cluster://", "ok", "responds in"),
        ("redis+cluster://user:hunter2@", "problem", "rejects the user or the password"),
        ("redis://", "problem", "is a cluster -> write redis+cluster://"),
    ],
)
async def test_url_of_a_cluster(cluster: RedisServer, scheme: str, level: str, text: str) -> None:
    """One of its servers is enough."""
    other = f"127.0.0.1:{free_port()}," if "cluster" in scheme else ""
    found, message = await finding(f"{scheme}{other}127.0.0.1:{cluster.port}")

    assert (found, text in message) == (level, True), message


async def test_server_that_is_not_part_of_a_cluster(redis_server: RedisServer) -> None:
    level, message = await finding(redis_server.url.replace("redis://", "redis+cluster://"))

    assert (level, "is not part of a cluster -> write redis://" in message) == ("problem", True), message


async def test_cluster_without_sharded_channels(cluster: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ory_guard.cli.doctor.redis._MIN_CLUSTER_VERSION", 1_000)
    level, message = await finding(f"redis+cluster://127.0.0.1:{cluster.port}")

    assert (level, "has no sharded channels -> use Redis 7 or newer" in message) == ("problem", True), message


async def test_unreachable_cluster() -> None:
    level, message = await finding(f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{free_port()}")

    assert (level, "can't be used (ConnectionError)" in message) == ("problem", True), message
