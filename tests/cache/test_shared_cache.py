"""The second level: what one process asked, others need not ask; what one revokes, none serves."""

import json
from collections.abc import Callable
from functools import partial

import pytest
from support.clock import AdjustableClock
from support.guard_bench import request, settings_of
from support.memory_store import MemoryStore, Shelf, eventually
from support.scripted_kratos import (
    IDENTITY_ID,
    SESSION_ID,
    KratosResponse,
    ScriptedKratos,
    refused,
    session_body,
    signed_in,
    timestamp,
)
from support.worker_bench import Worker

from ory_guard import Authenticated, OryGuard, Rejected, Unavailable
from ory_guard.events import RevocationsHeard, StoreChanged, StoreHit

pytestmark = pytest.mark.anyio


def _has_other_body(shelf: Shelf, key: bytes, body: bytes) -> bool:
    return shelf.entries[key].body != body


async def test_what_one_process_asked_no_other_asks(shelf: Shelf, workers: tuple[Worker, Worker]) -> None:
    """The second process finds the answer, and keeps it in its first level."""
    first, second = workers

    assert await first.source() == "upstream"
    await eventually(lambda: shelf.entries)

    assert await second.source() == "store"
    assert await second.source() == "cache"
    assert (len(first.kratos.requests), len(second.kratos.requests)) == (1, 0)
    stats = second.guard.stats()
    assert (stats.store_hits, stats.upstream_calls, stats.hits, stats.misses) == (1, 0, 1, 1)
    assert second.told(StoreHit) == [StoreHit(next(iter(shelf.entries)).hex()[:8], 0.0)]


async def test_an_answer_of_another_process_is_as_old_as_its_question(
    shelf: Shelf, workers: tuple[Worker, Worker]
) -> None:
    """Neither its age nor its end starts anew: that would lengthen a life with every process."""
    first, second = workers
    await first.share()
    shelf.aging = 20.0

    outcome = await second.ask()
    assert isinstance(outcome, Authenticated)
    assert outcome.age == 20.0

    second.clock.advance(10)
    shelf.aging = 30.0
    assert await second.source() == "upstream"


async def test_an_old_answer_of_another_process_is_looked_up_once(
    shelf: Shelf, workers: tuple[Worker, Worker]
) -> None:
    """Its age is not the time that the request took."""
    first, second = workers
    await first.share()
    shelf.aging = 20.0

    await second.guard.require(request())

    stats = second.guard.stats()
    assert (stats.store_hits, stats.hits) == (1, 0)


@pytest.mark.parametrize("ahead", [-3_600, -5, 5, 3_600])
async def test_a_host_whose_clock_is_wrong_lengthens_no_life(
    shelf: Shelf, workers: tuple[Worker, Worker], ahead: float
) -> None:
    """The store's own clock measures, too, and the worse of both counts."""
    first, second = workers
    first.kratos.responses = second.kratos.responses = [signed_in(session_body(expires_at=timestamp(9_000)))]
    first.clock.set_wall_clock(ahead)
    await first.share()
    shelf.aging = 20.0

    outcome = await second.ask()
    assert isinstance(outcome, Authenticated)
    if outcome.source == "store":
        assert outcome.age >= 20.0
        second.clock.advance(10)
        shelf.aging = 30.0
        assert await second.source() == "upstream"
    else:
        assert ahead < 0, "an entry looked older than it is, and was asked for anew"


async def test_an_answer_near_its_end_is_asked_for_anew(shelf: Shelf, workers: tuple[Worker, Worker]) -> None:
    """One process does so before all of them have to."""
    first, second = workers
    await first.share()
    shelf.aging = 28.9

    assert await second.source() == "upstream"


async def test_no_process_uses_an_answer_beyond_its_own_ttl(shelf: Shelf) -> None:
    """Whoever keeps sessions for ten seconds takes none that is older."""
    generous, strict = Worker(shelf), Worker(shelf, cache_ttl=10)
    await generous.ask()
    await eventually(lambda: shelf.entries)
    shelf.aging = 15.0

    assert await strict.source() == "upstream"
    await generous.guard.aclose()
    await strict.guard.aclose()


async def test_a_guard_that_keeps_nothing_looks_nowhere(shelf: Shelf) -> None:
    """With a ttl of 0 Kratos is asked every time."""
    worker = Worker(shelf, cache_ttl=0)

    assert [await worker.source(), await worker.source()] == ["upstream", "upstream"]
    assert "get" not in worker.store.calls
    assert "put" not in worker.store.calls
    await worker.guard.aclose()


async def test_refusals_stay_where_they_are(shelf: Shelf) -> None:
    """Who guesses tokens fills no store."""
    worker = Worker(shelf, refused())

    assert await worker.ask() == Rejected("inactive", "x_session_token")
    await worker.guard.aclose()

    assert worker.store.calls == ["subscribe", "get", "aclose"]


@pytest.mark.parametrize("by", [{"session_id": SESSION_ID}, {"identity_id": IDENTITY_ID}])
async def test_what_one_process_revokes_no_other_serves(
    shelf: Shelf, workers: tuple[Worker, Worker], by: dict[str, str]
) -> None:
    """The others hear of it, forget it, and find nothing in the store."""
    first, second = workers
    await first.share()
    await second.ask()
    first.kratos.responses = second.kratos.responses = [refused()]

    await first.guard.invalidate(**by)
    assert shelf.entries == {}
    await eventually(lambda: second.told(RevocationsHeard))

    assert await second.source() == "Rejected"
    assert await first.source() == "Rejected"
    assert second.told(RevocationsHeard) == [RevocationsHeard(1)]
    assert first.told(RevocationsHeard) == []


async def test_a_session_that_can_not_be_read_is_asked_for(shelf: Shelf, workers: tuple[Worker, Worker]) -> None:
    """Whatever lies in the store: another model of the traits, nonsense, or a session that ended."""
    first, second = workers
    await first.share()
    (key,) = shelf.entries
    stored = shelf.entries[key]
    ended = session_body(active=False), session_body(expires_at=timestamp(-100))
    for body in (b"{}", b"\xff", *(json.dumps(one).encode() for one in ended)):
        shelf.entries[key] = type(stored)(
            body, SESSION_ID, IDENTITY_ID, 0.0, 30.0, stored.asked_at, stored.fresh_until
        )
        second.guard.authentication.cache.clear()

        assert await second.source() == "upstream"
        await eventually(partial(_has_other_body, shelf, key, body))


async def test_asking_again_asks_kratos_and_tells_the_store(shelf: Shelf, workers: tuple[Worker, Worker]) -> None:
    """A gate that wants Kratos' own word gets it; what turns out to be over is deleted for all."""
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
    await eventually(lambda: not shelf.entries)


@pytest.mark.parametrize("method", ["get", "put", "subscribe"])
@pytest.mark.parametrize("how", ["failing", "slow"])
async def test_a_store_that_fails_changes_nothing_for_anybody(
    workers: tuple[Worker, Worker], how: str, method: str, store_timeout: Callable[[float], None]
) -> None:
    """Kratos is asked instead; the guard says that it is degraded, and why."""
    store_timeout(0.05)
    first, _ = workers
    getattr(first.store, how).add(method)

    assert await first.source() == "upstream"
    assert await first.source() == "cache"

    await eventually(lambda: first.guard.stats().degraded)
    assert first.guard.stats().store == "down"
    assert first.told(StoreChanged)[-1] == StoreChanged(
        "down", {"failing": "ConnectionError"}.get(how, "TimeoutError")
    )


async def test_an_open_connection_is_looked_at_when_another_process_revokes(workers: tuple[Worker, Worker]) -> None:
    """A websocket need not wait for its next look."""
    first, second = workers
    await second.ask()
    watch = second.guard.watch(request(), every=3_600)

    await first.guard.invalidate(session_id=SESSION_ID)

    await eventually(watch._invalidated.is_set)


async def test_a_guard_without_listeners_shares_too(shelf: Shelf) -> None:
    """Nobody has to watch."""
    guards = [
        OryGuard(
            settings_of(), transport=ScriptedKratos(signed_in()), clock=AdjustableClock(), store=MemoryStore(shelf)
        )
        for _ in range(2)
    ]
    sources = []
    for guard in guards:
        outcome = await guard.authenticate(request())
        assert isinstance(outcome, Authenticated)
        sources.append(outcome.source)
        await eventually(lambda: shelf.entries)
    await guards[0].invalidate(session_id=SESSION_ID)
    await eventually(lambda: guards[1].authentication.cache.revocations.revoked_at(SESSION_ID) > 0)

    assert sources == ["upstream", "store"]
    for guard in guards:
        await guard.aclose()


async def test_a_guard_that_is_closed_closes_its_store(shelf: Shelf, workers: tuple[Worker, Worker]) -> None:
    """And opens it again when it is used again."""
    first, _ = workers
    await first.ask()
    await first.guard.aclose()
    assert first.store.closed == 1
    assert shelf.listeners == []

    first.guard.authentication.cache.clear()
    await first.ask()
    assert len(shelf.listeners) == 1


async def test_a_sign_out_takes_from_the_store_what_it_has_about_the_credential(
    shelf: Shelf, workers: tuple[Worker, Worker]
) -> None:
    """Although the request that signs out could not find out whose session it ends."""
    first, second = workers
    second.kratos.responses = [lambda asked: refused(500) if "whoami" in asked.url else KratosResponse(204, b"")]
    scope = request()
    assert isinstance(await second.guard.authenticate(scope), Unavailable)
    await first.share()

    await second.guard.logout(scope)

    await eventually(lambda: not shelf.entries)
