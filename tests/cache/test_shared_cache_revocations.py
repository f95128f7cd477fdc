"""Once a session is revoked nobody is served from a question that was sent before, whoever was answered."""

import asyncio
from typing import Any

import pytest
from support.memory_store import MemoryStore, Shelf, eventually
from support.minting import token_of
from support.scripted_kratos import (
    COOKIE,
    IDENTITY_ID,
    SESSION_ID,
    STEP_UP,
    TOKEN,
    KratosRequest,
    refused,
    session_body,
    signed_in,
)
from support.token_bench import KEY, TokenBench
from support.worker_bench import Worker

from ory_guard import Authenticated, Outcome, Rejected, SecondFactorRequired
from ory_guard.cache import StoredSession
from ory_guard.events import RevocationsHeard

pytestmark = pytest.mark.anyio

REVOKED = Rejected("inactive", "x_session_token")


async def _set_out(worker: Worker, value: bytes = TOKEN, requests: int = 1) -> "list[asyncio.Task[Outcome]]":
    """Make requests whose question is under way when this returns."""
    asked = len(worker.kratos.requests)
    tasks = [asyncio.create_task(worker.ask(value)) for _ in range(requests)]
    await eventually(lambda: len(worker.kratos.requests) > asked)
    return tasks


@pytest.mark.parametrize("by", [{"session_id": SESSION_ID}, {"identity_id": IDENTITY_ID}], ids=str)
@pytest.mark.parametrize("where", ["here", "in another process"])
async def test_whose_an_answer_is_may_turn_out_when_it_arrives(
    workers: tuple[Worker, Worker], shelf: Shelf, by: dict[str, str], where: str
) -> None:
    """Nothing is known of the credential when its session ends; neither those who wait are served, nor others."""
    first, second = workers
    first.kratos.responses = [signed_in(), refused()]
    first.kratos.hold()
    waiting = await _set_out(first, requests=3)

    await (first if where == "here" else second).guard.invalidate(**by)
    await eventually(lambda: first.guard.authentication.cache.revocations.revoked_at(*by.values()) > 0)
    late = await _set_out(first)
    first.kratos.release()

    assert await asyncio.gather(*waiting, *late) == [REVOKED] * 4
    assert await first.ask() == REVOKED
    assert len(first.kratos.requests) <= 3, "those who waited share the second question"
    assert shelf.entries == {}


@pytest.mark.parametrize(("where", "then"), [("here", "upstream"), ("elsewhere", "cache")])
async def test_other_peoples_answers_under_way(workers: tuple[Worker, Worker], where: str, then: str) -> None:
    """Revoked here, nothing under way is kept; where many hosts revoke all the time, other people's answers are."""
    first, second = workers
    first.kratos.hold()
    (waiting,) = await _set_out(first)

    await (first if where == "here" else second).guard.invalidate(session_id="another", identity_id="others")
    await eventually(lambda: first.guard.authentication.cache.revocations.revoked_at("another") > 0)
    first.kratos.release()

    assert isinstance(await waiting, Authenticated)
    assert await first.source() == then


async def test_a_missing_second_factor_that_is_under_way_is_not_kept(workers: tuple[Worker, Worker]) -> None:
    """It does not say whose it is. It lets nobody in; those who come later ask for themselves."""
    first, _ = workers
    first.kratos.responses = [STEP_UP, signed_in()]
    first.kratos.hold()
    (waiting,) = await _set_out(first)

    await first.guard.invalidate(identity_id="anybody")
    (late,) = await _set_out(first)
    first.kratos.release()

    assert await waiting == SecondFactorRequired("x_session_token", enrolled=True)
    assert isinstance(await late, Authenticated)
    assert await first.source() == "cache"


async def test_an_answer_from_before_does_not_replace_one_from_after(
    workers: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it comes later: here, and in the store."""
    first, second = workers
    roles: list[list[str]] = [["admin"], []]
    doors = [asyncio.Event(), asyncio.Event()]

    async def slow(_request: object) -> Any:
        number = min(len(first.kratos.requests), 1)
        first.kratos.requests.append(KratosRequest("GET", "", []))
        await doors[number].wait()
        return signed_in(session_body(identity={"metadata_public": {"roles": roles[number]}})).response()

    monkeypatch.setattr(first.kratos, "handle_async_request", slow)
    (before,) = await _set_out(first)
    await first.guard.invalidate(identity_id=IDENTITY_ID)
    (after,) = await _set_out(first)
    doors[1].set()
    await after
    doors[0].set()

    for outcome in (await before, await first.ask(), await second.ask()):
        assert isinstance(outcome, Authenticated)
        assert outcome.session.identity.metadata_public["roles"] != ["admin"]


async def test_a_late_answer_of_another_process_does_not_bring_a_session_back(
    shelf: Shelf, workers: tuple[Worker, Worker]
) -> None:
    """It was asked for before the revocation, and comes into the store after it."""
    first, second = workers
    await first.share()
    late = dict(shelf.entries)
    first.clock.advance(0.5)
    second.clock.advance(0.5)
    await second.ask(COOKIE.partition(b"=")[2])
    await first.guard.invalidate(session_id=SESSION_ID)
    await eventually(lambda: second.told(RevocationsHeard))
    second.kratos.responses = [refused()]

    shelf.entries = late

    assert await second.source() == "Rejected"


async def test_a_process_that_began_later_asks_what_was_revoked_before(shelf: Shelf) -> None:
    """It heard nothing, so it looks; what was asked for well after the revocation counts."""
    first = Worker(shelf)
    await first.share()
    late = dict(shelf.entries)
    await first.guard.invalidate(session_id=SESSION_ID)
    shelf.entries = late

    newcomer = Worker(shelf)
    assert await newcomer.source() == "upstream"
    assert "revoked_at" in newcomer.store.calls

    shelf.revoked = dict.fromkeys(shelf.revoked, first.clock.time() - 61)
    other = Worker(shelf)
    assert await other.source() == "store"
    for worker in (first, newcomer, other):
        await worker.guard.aclose()


async def test_a_revocation_that_is_heard_while_the_store_answers_counts(
    shelf: Shelf, workers: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes back is older than it."""
    first, second = workers
    await first.share()
    stored = next(iter(shelf.entries.values()))

    async def answer_late(_keys: object) -> Any:
        second.guard.authentication.invalidate(SESSION_ID)
        return stored

    monkeypatch.setattr(second.store, "get", answer_late)
    second.kratos.responses = [refused()]

    assert await second.source() == "Rejected"


async def test_an_answer_that_the_first_level_does_not_take_is_not_shared(
    shelf: Shelf, workers: tuple[Worker, Worker]
) -> None:
    """A check under way when its session is revoked here leaves nothing behind."""
    first, _ = workers
    first.kratos.hold()
    asking = asyncio.create_task(first.ask())
    await eventually(lambda: first.kratos.requests)
    await first.guard.invalidate(session_id=SESSION_ID)
    first.kratos.responses = [refused()]

    first.kratos.release()
    await asking
    await first.guard.aclose()

    assert "put" not in first.store.calls
    assert shelf.entries == {}


@pytest.mark.parametrize("ahead", [0.0, 55.0, -55.0])
async def test_a_write_that_arrives_after_the_revocation_brings_nothing_back(
    workers: tuple[Worker, Worker], shelf: Shelf, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    """It was sent before; whatever the clock of its host says, within the skew, nobody finds it."""
    first, second = workers
    first.clock.set_wall_clock(ahead)
    door = asyncio.Event()
    put = first.store.put

    async def put_late(key: bytes, stored: StoredSession, *, unless_revoked_since: float) -> None:
        await door.wait()
        await put(key, stored, unless_revoked_since=unless_revoked_since)

    monkeypatch.setattr(first.store, "put", put_late)
    assert await first.source() == "upstream"
    await second.guard.invalidate(session_id=SESSION_ID)

    door.set()
    await eventually(lambda: "put" in first.store.calls)

    assert shelf.entries == {}


async def test_an_answer_of_the_store_that_is_under_way_is_from_before(
    workers: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time on the way makes it no younger, though the clock of the host that wrote it is ahead."""
    first, second = workers
    first.clock.set_wall_clock(10)
    await first.share()
    await second.ask(COOKIE)
    get = second.store.get

    async def get_slowly(keys: Any) -> StoredSession | None:
        found = await get(keys)
        second.clock.advance(0.01)
        second.guard.authentication.invalidate(SESSION_ID)
        second.clock.advance(0.01)
        return found

    monkeypatch.setattr(second.store, "get", get_slowly)
    second.kratos.responses = [refused()]

    assert await second.ask() == REVOKED


async def test_what_is_asked_after_the_revocation_is_shared_when_no_clock_can_mistake_it(
    workers: tuple[Worker, Worker], shelf: Shelf
) -> None:
    """An identity whose roles were changed goes on; until the skew is over each process asks for itself."""
    first, second = workers
    await first.guard.invalidate(identity_id=IDENTITY_ID)

    for seconds, found in [(1, "upstream"), (59, "upstream"), (1, "store")]:
        for worker in workers:
            worker.clock.advance(seconds)
            worker.guard.authentication.cache.clear()
        assert await first.source() == "upstream"
        await eventually(lambda: first.store.calls.count("put") == len(first.kratos.requests))
        assert await second.source() == found
        shelf.entries.clear()


async def test_a_token_is_refused_by_who_starts_after_a_process_without_tokens_revoked_it(
    workers: tuple[Worker, Worker], shelf: Shelf
) -> None:
    """The store knows it for as long as tokens live elsewhere, not only as long as sessions are kept."""
    first, _ = workers
    await first.guard.invalidate(session_id=SESSION_ID)

    newcomer = TokenBench(store=MemoryStore(shelf))

    assert shelf.known_for[SESSION_ID] >= 600 + 2 * 60
    assert await newcomer.ask(token_of(KEY)) == Rejected("inactive", "bearer")
    await newcomer.guard.aclose()
