"""Lookups in a store that needs neither a task nor a timer of the guard."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.memory_store import MemoryServer
from support.scripted_kratos import IDENTITY_ID, SESSION_ID, refused
from support.worker_bench import Worker

from ory_guard import Rejected
from ory_guard.events import StoreChanged

from .limited_store import LimitedMemoryStore

pytestmark = pytest.mark.anyio


class LimitedWorker(Worker):
    """A worker whose store is a `LimitedMemoryStore`."""

    store: LimitedMemoryStore

    def __init__(self, memory_server: MemoryServer, **options: Any) -> None:
        super().__init__(memory_server, store_type=LimitedMemoryStore, **options)


@pytest.fixture
async def limited(memory_server: MemoryServer) -> AsyncIterator[tuple[LimitedWorker, LimitedWorker]]:
    """Two workers that are connected; the first one has stored its session."""
    both = LimitedWorker(memory_server), LimitedWorker(memory_server)
    await both[0].share()
    responses, both[1].kratos.responses = both[1].kratos.responses, [refused()]
    assert await both[1].ask(b"unknown") == Rejected("inactive", "x_session_token")
    both[1].kratos.responses = responses
    both[1].kratos.requests.clear()
    both[1].store.calls.clear()
    yield both
    for worker in both:
        await worker.guard.aclose()


Workers = tuple[LimitedWorker, LimitedWorker]


async def test_session_is_found_by_one_call_without_a_task(limited: Workers) -> None:
    """Although it was stored before the process subscribed to revocations."""
    _, second = limited
    tasks = asyncio.all_tasks()
    asking = asyncio.ensure_future(second.source())
    await asyncio.sleep(0)

    assert asyncio.all_tasks() - tasks == {asking}
    assert await asking == "store"
    assert await second.source() == "cache"
    assert second.store.calls == ["look_up"]
    assert second.guard.stats().store_hits == 1


@pytest.mark.parametrize(
    ("ids", "source"),
    [((SESSION_ID,), "upstream"), ((IDENTITY_ID,), "upstream"), (("another",), "store"), ((), "store")],
    ids=str,
)
@pytest.mark.parametrize("ago", [0.0, 59.0])
async def test_session_of_an_id_that_was_revoked_before_the_subscription_is_not_used(
    limited: Workers, memory_server: MemoryServer, ids: tuple[str, ...], source: str, ago: float
) -> None:
    """The clock of the host that has revoked it may be slow."""
    _, second = limited
    memory_server.revoked = dict.fromkeys(ids, second.clock.time() - ago)

    assert await second.source() == source


@pytest.mark.parametrize(
    ("error", "lookups", "reason"),
    [(ConnectionError(), 1, "ConnectionError"), (TimeoutError(), 3, "TimeoutError")],
    ids=["error", "slow"],
)
async def test_kratos_is_called_when_the_store_fails(
    limited: Workers, error: Exception, lookups: int, reason: str
) -> None:
    """An error makes the store unavailable, and so does the third slow response in a row."""
    _, second = limited
    second.store.error = error
    for _ in range(lookups):
        assert not second.guard.stats().degraded
        second.guard.authentication.cache.clear()
        assert await second.source() == "upstream"

    assert second.guard.stats().degraded
    assert second.emitted(StoreChanged)[-1] == StoreChanged("down", reason)


async def test_internal_error_calls_kratos(
    limited: Workers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _, second = limited
    monkeypatch.setattr(second.shared_cache._converter, "load", lambda *_: dict[str, int]()["secret"])

    assert await second.source() == "upstream"
    assert "check.internal_error error=KeyError" in caplog.text
    assert "secret" not in caplog.text


async def test_session_without_a_check_for_revocations_is_not_used(limited: Workers) -> None:
    _, second = limited
    second.store.looks_for_revocations = False

    assert await second.source() == "upstream"


async def test_detached_lookup_is_not_joined(limited: Workers, memory_server: MemoryServer) -> None:
    """It was started before the revocation; its call of Kratos is not joinable, either."""
    _, second = limited
    memory_server.entries.clear()
    first = asyncio.ensure_future(second.source())
    await asyncio.sleep(0)
    second.guard.authentication.checker.detach_all()

    assert list(await asyncio.gather(first, second.source())) == ["upstream"] * 2
    assert len(second.kratos.requests) == 2
