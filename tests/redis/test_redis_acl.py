"""The permissions that the guide recommends for the store: each is needed, and together they suffice."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from support.guard_bench import settings_of
from support.redis_server import BINARY, SKIP_REASON, RedisServer

from ory_guard.cli.doctor.command import make_context
from ory_guard.cli.doctor.redis import check_redis

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.redis,
    pytest.mark.skipif(BINARY is None, reason=SKIP_REASON),
]

GUIDE: Final = Path(__file__).parents[2] / "docs" / "how-to" / "several-workers.md"
_match = re.search(r"^user app on >(\S+) resetchannels (.+)$", GUIDE.read_text(), re.MULTILINE)
assert _match is not None
PASSWORD, RULES = _match[1], _match[2].split()
COMMANDS: Final = [rule for rule in RULES if rule.startswith("+")]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A server for this module."""
    with RedisServer() as running:
        yield running


async def findings(server: RedisServer, *changes: str) -> list[tuple[str, str]]:
    """Return the findings of the doctor for a user with the permissions of the guide, and some changes."""
    server.cli("ACL", "SETUSER", "app", "reset", "on", f">{PASSWORD}", "resetchannels", *RULES, *changes)
    url = server.url.replace("//", f"//app:{PASSWORD}@")
    context = make_context(kratos_url=settings_of().kratos_public_url, redis_url=url)
    return [(finding.level, finding.message) for finding in await check_redis(context)]


async def test_permissions_of_the_guide_suffice(server: RedisServer) -> None:
    ((level, message),) = await findings(server)

    assert (level, "responds in" in message) == ("ok", True), message


@pytest.mark.parametrize("command", COMMANDS)
async def test_each_permission_is_needed(server: RedisServer, command: str) -> None:
    """The doctor reports a missing one, and names it unless a script needs it."""
    ((level, message),) = await findings(server, command.replace("+", "-"))

    assert level == "problem"
    assert re.search(rf"denies a permission: .*('{re.escape(command[1:])}'|executing the script)", message), message


@pytest.mark.parametrize("changes", [("resetkeys", "~other:*"), ("resetchannels", "&other:*")], ids=str)
async def test_keys_and_channels_start_with_the_prefix(server: RedisServer, changes: tuple[str, ...]) -> None:
    ((level, message),) = await findings(server, *changes)

    assert level == "problem"
    assert "denies a permission" in message
