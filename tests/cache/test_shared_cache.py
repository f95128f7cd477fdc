"""The shared session cache: sessions of one process in another."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from pydantic import BaseModel, ConfigDict
from support.guard_bench import request
from support.memory_store import MemoryServer, eventually
from support.scripted_kratos import (
    IDENTITY_ID,
    SESSION_ID,
    KratosResponse,
    refused,
    session_body,
    signed_in,
    timestamp,
)
from support.worker_bench import Worker

from ory_guard import Authenticated, Rejected, Session, Unavailable
from ory_guard.cache import StoredSession
from ory_guard.events import RevocationsHeard, StoreChanged, StoreHit
from ory_guard.models.deferred_session import DeferredSession

pytestmark = pytest.mark.anyio


def _is_replaced(memory_server: MemoryServer, key: bytes, body: bytes) -> bool:
    return memory_server.entries[key].body != body


async def test_second_process_gets_the_session_from_the_store(
    memory_server: MemoryServer, workers: tuple[Worker, Worker]
) -> None:
    first, second = workers

    assert await first.source() == "upstream"
    await eventually(lambda: memory_server.entries)

    assert await second.source() == "store"
    assert await second.source() == "cache"
    assert (len(first.kratos.requests), len(second.kratos.requests)) == (1, 0)
    stats = second.guard.stats()
    assert stats.known_credentials == 1  # otherwise a new process would know no credential when an attack begins
    assert (stats.store_hits, stats.upstream_calls, stats.hits, stats.misses) == (1, 0, 1, 1)
    assert second.emitted(StoreHit) == [StoreHit(next(iter(memory_server.entries)).hex()[:8], 0.0)]


async def test_session_from_the_store_keeps_its_age_and_its_end(
    memory_server: MemoryServer, workers: tuple[Worker, Worker]
) -> None:
    """Otherwise each process would prolong its lifetime."""
    first, second = workers
    await first.share()
    memory_server.aging = 20.0

    outcome = await second.ask()
    assert isinstance(outcome, Authenticated)
    assert outcome.age == 20.0

    second.clock.advance(10)
    memory_server.aging = 30.0
    assert await second.source() == "upstream"


async def test_request_with_an_old_session_from_the_store_looks_it_up_once(
    memory_server: MemoryServer, workers: tuple[Worker, Worker]
) -> None:
    first, second = workers
    await first.share()
    memory_server.aging = 20.0

    await second.guard.require(request())

    stats = second.guard.stats()
    assert (stats.store_hits, stats.hits) == (1, 0)


@pytest.mark.parametrize("ahead", [-3_600, -5, 5, 3_600])
async def test_wrong_clock_of_a_host_prolongs_no_lifetime(
    memory_server: MemoryServer, workers: tuple[Worker, Worker], ahead: float
) -> None:
    """The store measures the age with its own clock, too, and the older age counts."""
    first, second = workers
    first.kratos.responses = second.kratos.responses = [signed_in(session_body(expires_at=timestamp(9_000)))]
    first.clock.set_wall_clock(ahead)
    await first.share()
    memory_server.aging = 20.0

    outcome = await second.ask()
    assert isinstance(outcome, Authenticated)
    if outcome.source == "store":
        assert outcome.age >= 20.0
        second.clock.advance(10)
        memory_server.aging = 30.0
        assert await second.source() == "upstream"
    else:
        assert ahead < 0, "the session looked older than it is, so Kratos was called"


@pytest.mark.parametrize(
    ("aging", "cache_ttl", "source"),
    [
        pytest.param(20.0, 30, "store", id="young"),
        pytest.param(28.9, 30, "upstream", id="nearly stale"),
        pytest.param(15.0, 10, "upstream", id="older than cache_ttl"),
    ],
)
async def test_only_a_young_session_is_used(
    memory_server: MemoryServer, workers: tuple[Worker, Worker], aging: float, cache_ttl: float, source: str
) -> None:
    """One process calls Kratos before all have to. The process that stored it may have a longer `cache_ttl`."""
    reader = Worker(memory_server, cache_ttl=cache_ttl)
    await workers[0].share()
    memory_server.aging = aging

    assert await reader.source() == source
    await reader.guard.aclose()


async def test_store_is_not_used_with_a_cache_ttl_of_0(memory_server: MemoryServer) -> None:
    worker = Worker(memory_server, cache_ttl=0)

    assert [await worker.source(), await worker.source()] == ["upstream", "upstream"]
    assert "get" not in worker.store.calls
    assert "put" not in worker.store.calls
    await worker.guard.aclose()


async def test_refusals_are_not_stored(memory_server: MemoryServer) -> None:
    worker = Worker(memory_server, refused())

    assert await worker.ask() == Rejected("inactive", "x_session_token")
    await worker.guard.aclose()

    assert worker.store.calls == ["subscribe", "get", "aclose"]


@pytest.mark.parametrize("by", [{"session_id": SESSION_ID}, {"identity_id": IDENTITY_ID}])
async def test_revocation_reaches_other_processes(
    memory_server: MemoryServer, workers: tuple[Worker, Worker], by: dict[str, str]
) -> None:
    first, second = workers
    await first.share()
    await second.ask()
    first.kratos.responses = second.kratos.responses = [refused()]

    await first.guard.invalidate(**by)
    assert memory_server.entries == {}
    await eventually(lambda: second.emitted(RevocationsHeard))

    assert await second.source() == "Rejected"
    assert await first.source() == "Rejected"
    assert second.emitted(RevocationsHeard) == [RevocationsHeard(1)]
    assert first.emitted(RevocationsHeard) == []


async def test_invalid_or_ended_session_in_the_store_is_ignored(
    memory_server: MemoryServer, workers: tuple[Worker, Worker]
) -> None:
    """The body may be invalid or have other traits; the next response of Kratos replaces it."""
    first, second = workers
    await first.share()
    (key,) = memory_server.entries
    stored = memory_server.entries[key]
    ended = session_body(active=False), session_body(expires_at=timestamp(-100))
    for body in (b"{}", b"\xff", *(json.dumps(session).encode() for session in ended)):
        bare = StoredSession(body, SESSION_ID, IDENTITY_ID, 0.0, 30.0, stored.asked_at, stored.fresh_until)
        for changed in (bare, replace(stored, body=body)):
            memory_server.entries[key] = changed
            second.guard.authentication.cache.clear()

            assert await second.source() == "upstream"
            await eventually(partial(_is_replaced, memory_server, key, body))


async def test_session_of_the_same_version_is_parsed_when_it_is_read(
    memory_server: MemoryServer, workers: tuple[Worker, Worker]
) -> None:
    """A requirement without conditions does not read it; with another checksum, it is validated at once."""
    first, second = workers
    await first.share()
    (key,) = memory_server.entries
    assert type(await second.guard.require(request())) is DeferredSession
    assert (await second.guard.require(request(), aal="aal1")).identity.id == IDENTITY_ID

    for change in (
        {"checksum": 0},
        {"checksum": 1},
        {"memory_bytes": 0},
        {"session_id": "b"},
        {"identity_id": "b"},
        {"fresh_until": memory_server.entries[key].fresh_until + 1},
    ):
        stored = memory_server.entries[key]
        memory_server.entries[key] = replace(stored, **change)
        second.guard.authentication.cache.clear()
        assert type(await second.guard.require(request())) is Session
        memory_server.entries[key] = stored


async def test_traits_model_validates_each_session_from_the_store(memory_server: MemoryServer) -> None:
    """Another application may have stored it."""

    class Traits(BaseModel):
        model_config = ConfigDict(frozen=True)

        email: str

    first, second = Worker(memory_server), Worker(memory_server, traits=Traits)
    await first.share()
    for writer, reader in ((first, second), (second, first)):
        memory_server.entries.clear()
        writer.guard.authentication.cache.clear()
        reader.guard.authentication.cache.clear()
        await writer.share()

        outcome = await reader.ask()

        assert isinstance(outcome, Authenticated)
        assert outcome.source == "store"
        assert type(outcome.session) is (Session if reader is first else Session[Traits])
    for worker in (first, second):
        await worker.guard.aclose()


async def test_revalidation_calls_kratos_and_updates_the_store(
    memory_server: MemoryServer, workers: tuple[Worker, Worker]
) -> None:
    first, second = workers
    await first.share()
    first.clock.advance(1)
    scope = request()
    await first.guard.require(scope, revalidate=True)
    assert first.store.calls.count("get") == 1
    await eventually(lambda: first.store.calls.count("put") == 2)

    second.kratos.responses = [refused()]
    with pytest.raises(Exception, match="logged in"):
        await second.guard.require(request(), revalidate=True)
    await eventually(lambda: not memory_server.entries)


@pytest.mark.parametrize("method", ["get", "put", "subscribe"])
@pytest.mark.parametrize("how", ["failing", "hanging"])
async def test_guard_works_without_a_failing_store(
    workers: tuple[Worker, Worker], how: str, method: str, store_timeout: Callable[[float], None]
) -> None:
    store_timeout(0.05)
    first, _ = workers
    getattr(first.store, how).add(method)

    assert await first.source() == "upstream"
    assert await first.source() == "cache"

    await eventually(lambda: first.guard.stats().degraded)
    assert first.guard.stats().store == "down"
    assert first.emitted(StoreChanged)[-1] == StoreChanged(
        "down", {"failing": "ConnectionError"}.get(how, "TimeoutError")
    )


async def test_revocation_by_another_process_wakes_the_watches_of_the_session(
    workers: tuple[Worker, Worker], memory_server: MemoryServer
) -> None:
    """A WebSocket does not wait for its next revalidation. A lost subscription wakes all of them."""
    first, second = workers
    scope = request()
    await second.guard.require(scope)
    watch = second.guard.watch(scope, every=3_600)
    other = second.guard.watch(request(), every=3_600)

    await first.guard.invalidate(session_id=SESSION_ID)

    await eventually(watch._invalidated.is_set)
    assert not other._invalidated.is_set()
    memory_server.drop_subscriptions()
    await eventually(other._invalidated.is_set)


async def test_logout_deletes_the_session_of_the_credential_from_the_store(
    memory_server: MemoryServer, workers: tuple[Worker, Worker]
) -> None:
    """Even if Kratos failed, so that the session id is unknown."""
    first, second = workers
    second.kratos.responses = [lambda asked: refused(500) if "whoami" in asked.url else KratosResponse(204, b"")]
    scope = request()
    assert isinstance(await second.guard.authenticate(scope), Unavailable)
    await first.share()

    await second.guard.logout(scope)

    await eventually(lambda: not memory_server.entries)
