"""Sessions from a store whose times are wrong."""

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest
from support.memory_store import MemoryServer
from support.scripted_kratos import refused, session_body, signed_in, timestamp
from support.worker_bench import Worker

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="shared clock"),
        pytest.param({"fresh_until": inf}, id="no end"),
        pytest.param({"fresh_until": nan}, id="invalid end"),
        pytest.param({"checksum": 0, "fresh_until": inf}, id="no checksum"),
        pytest.param({"ttl": nan, "checksum": 0, "fresh_until": inf}, id="invalid lifetime"),
    ],
)
async def test_store_does_not_prolong_a_session_beyond_its_end(
    memory_server: MemoryServer, changes: dict[str, Any]
) -> None:
    """Even if a custom store renews the times of the entry."""
    first = Worker(memory_server, signed_in(session_body(expires_at=timestamp(60))))
    second = Worker(memory_server, refused())
    await first.share()
    (key,) = memory_server.entries
    sources = []
    for seconds in (50, 12):
        second.clock.advance(seconds)
        now = second.clock.time()
        times: dict[str, Any] = {"age": 0.0, "ttl": 30.0, "asked_at": now, "fresh_until": now + 30}
        memory_server.entries[key] = replace(memory_server.entries[key], **{**times, **changes})
        sources.append(await second.source())

    assert sources[1] == "Rejected"
    for worker in (first, second):
        await worker.guard.aclose()
