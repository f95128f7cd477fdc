"""The doctor's checks of clusters and sentinels, and of the permissions that the guide recommends for the store."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from redis_topologies import SERVICE, cluster_of_one, run_sentinel
from support.guard_bench import settings_of
from support.ports import free_port
from support.redis_server import REDIS_MARKS, RedisServer

from ory_guard.cli.doctor.command import make_context
from ory_guard.cli.doctor.redis import check_redis

pytestmark = REDIS_MARKS

GUIDE: Final = (Path(__file__).parents[2] / "docs" / "how-to" / "several-workers.md").read_text()
_rules = re.findall(r"^user app on >(\S+) resetchannels (.+)$", GUIDE, re.MULTILINE)
(PASSWORD, _single), (_, _cluster) = _rules
RULES: Final = {"redis": _single.split(), "redis+cluster": _cluster.split()}
COMMANDS: Final = [(scheme, rule) for scheme, rules in RULES.items() for rule in rules if rule.startswith("+")]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with cluster_of_one(tmp_path_factory.mktemp("cluster")) as running:
        yield running


async def finding(url: str) -> tuple[str, str]:
    """Return the level and the text of the only finding about a server, which may be slow."""
    settings = settings_of()
    context = make_context(kratos_url=settings.kratos_public_url, redis_url=url)
    (found,) = await check_redis(replace(context, settings=settings))
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


@pytest.mark.parametrize(
    ("service", "expected", "text"), [(SERVICE, "ok", "responds in"), ("unknown", "problem", "can't be used")]
)
async def test_sentinels_are_asked(
    redis_server: RedisServer, tmp_path: Path, service: str, expected: str, text: str
) -> None:
    with run_sentinel(tmp_path, 0, redis_server.port) as sentinel:
        address = f"127.0.0.1:{sentinel.port}"
        level, message = await finding(f"redis+sentinel://127.0.0.1:{free_port()},{address}/{service}")

    assert (level, text in message) == (expected, True), message
    assert address in message


async def finding_with(servers: dict[str, RedisServer], scheme: str, *changes: str) -> tuple[str, str]:
    """Return the finding for a user with the permissions of the guide, and some changes."""
    server = servers[scheme]
    server.cli("ACL", "SETUSER", "app", "reset", "on", f">{PASSWORD}", "resetchannels", *RULES[scheme], *changes)
    return await finding(f"{scheme}://app:{PASSWORD}@127.0.0.1:{server.port}")


@pytest.fixture
def servers(cluster: RedisServer, redis_server: RedisServer) -> dict[str, RedisServer]:
    """A server and a cluster, by the scheme of their URL."""
    return {"redis": redis_server, "redis+cluster": cluster}


@pytest.mark.parametrize("scheme", RULES)
async def test_permissions_of_the_guide_suffice(servers: dict[str, RedisServer], scheme: str) -> None:
    level, message = await finding_with(servers, scheme)

    assert (level, "responds in" in message) == ("ok", True), message


@pytest.mark.parametrize(("scheme", "command"), COMMANDS)
async def test_each_permission_is_needed(servers: dict[str, RedisServer], scheme: str, command: str) -> None:
    """The doctor reports a missing one, and names it unless a script needs it."""
    level, message = await finding_with(servers, scheme, command.replace("+", "-"))

    assert level == "problem"
    assert re.search(rf"denies a permission: .*('{re.escape(command[1:])}'|executing the script)", message), message


@pytest.mark.parametrize("scheme", RULES)
@pytest.mark.parametrize("changes", [("resetkeys", "~other:*"), ("resetchannels", "&other:*")], ids=str)
async def test_keys_and_channels_start_with_the_prefix(
    servers: dict[str, RedisServer], scheme: str, changes: tuple[str, ...]
) -> None:
    level, message = await finding_with(servers, scheme, *changes)

    assert (level, "denies a permission" in message) == ("problem", True), message
