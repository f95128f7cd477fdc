"""The permissions that the guide recommends for the store: each is needed, and together they suffice."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from redis_findings import findings_of
from redis_topologies import cluster_of_one
from support.redis_server import BINARY, SKIP_REASON, RedisServer

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.redis,
    pytest.mark.skipif(BINARY is None, reason=SKIP_REASON),
]

GUIDE: Final = (Path(__file__).parents[2] / "docs" / "how-to" / "several-workers.md").read_text()
_rules = re.findall(r"^user app on >(\S+) resetchannels (.+)$", GUIDE, re.MULTILINE)
(PASSWORD, _single), (_, _cluster) = _rules
RULES: Final = {"redis": _single.split(), "redis+cluster": _cluster.split()}
COMMANDS: Final = [(scheme, rule) for scheme, rules in RULES.items() for rule in rules if rule.startswith("+")]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RedisServer]]:
    """A server and a cluster for this module, by the scheme of their URL."""
    with RedisServer() as single, cluster_of_one(tmp_path_factory.mktemp("cluster")) as cluster:
        yield {"redis": single, "redis+cluster": cluster}


async def findings(servers: dict[str, RedisServer], scheme: str, *changes: str) -> list[tuple[str, str]]:
    """Return the findings of the doctor for a user with the permissions of the guide, and some changes."""
    server, rules = servers[scheme], RULES[scheme]
    server.cli("ACL", "SETUSER", "app", "reset", "on", f">{PASSWORD}", "resetchannels", *rules, *changes)
    url = f"{scheme}://app:{PASSWORD}@127.0.0.1:{server.port}"
    return [(finding.level, finding.message) for finding in await findings_of(url)]


@pytest.mark.parametrize("scheme", RULES)
async def test_permissions_of_the_guide_suffice(servers: dict[str, RedisServer], scheme: str) -> None:
    ((level, message),) = await findings(servers, scheme)

    assert (level, "responds in" in message) == ("ok", True), message


@pytest.mark.parametrize(("scheme", "command"), COMMANDS)
async def test_each_permission_is_needed(servers: dict[str, RedisServer], scheme: str, command: str) -> None:
    """The doctor reports a missing one, and names it unless a script needs it."""
    ((level, message),) = await findings(servers, scheme, command.replace("+", "-"))

    assert level == "problem"
    assert re.search(rf"denies a permission: .*('{re.escape(command[1:])}'|executing the script)", message), message


@pytest.mark.parametrize("scheme", RULES)
@pytest.mark.parametrize("changes", [("resetkeys", "~other:*"), ("resetchannels", "&other:*")], ids=str)
async def test_keys_and_channels_start_with_the_prefix(
    servers: dict[str, RedisServer], scheme: str, changes: tuple[str, ...]
) -> None:
    ((level, message),) = await findings(servers, scheme, *changes)

    assert level == "problem"
    assert "denies a permission" in message
