"""Fixtures of the cache tests."""

from collections.abc import AsyncIterator

import pytest

from .store_connection_bench import ConnectionBench


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ConnectionBench]:
    """A store connection that is not open yet and does not probe an idle store."""
    monkeypatch.setattr("ory_guard.cache.store_connection._PROBE_INTERVAL", 3_600.0)
    made = ConnectionBench()
    yield made
    await made.aclose()
