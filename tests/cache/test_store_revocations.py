"""Questions to a shared store about revocations."""

from math import inf

import pytest
from support.memory_store import MemoryServer, MemoryStore

from ory_guard.cache import ALL_IDS
from ory_guard.cache.store_revocations import find_revocation

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("recorded", "found"),
    [
        ({}, -inf),
        ({"a": 5.0, ALL_IDS: 5.0}, -inf),
        ({"a": 12.0}, 12.0),
        ({ALL_IDS: 12.0}, inf),
        ({"a": 5.0, ALL_IDS: 12.0}, inf),
        ({"a": 11.0, "b": 13.0, ALL_IDS: 12.0}, 13.0),
    ],
)
async def test_revocation_of_all_sessions_leaves_open_which_were_revoked(
    recorded: dict[str, float], found: float
) -> None:
    memory_server = MemoryServer(revoked=recorded)

    assert await find_revocation(MemoryStore(memory_server), ("a", "b"), 10.0) == found
