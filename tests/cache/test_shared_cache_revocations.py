"""No request is served from a response that was requested before the revocation of its session."""

import asyncio
from typing import Any

import pytest
from support.memory_store import MemoryServer, MemoryStore, eventually
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
from ory_guard.models.credential import Credential

pytestmark = pytest.mark.anyio

REVOKED = Rejected("inactive", "x_session_token")


async def _start_requests(worker: Worker, value: bytes = TOKEN, requests: int = 1) -> "list[asyncio.Task[Outcome]]":
    """Start requests, and return when Kratos has received theirs."""
    asked = len(worker.kratos.requests)
    tasks = [asyncio.create_task(worker.ask(value)) for _ in range(requests)]
    await eventually(lambda: len(worker.kratos.requests) > asked)
    return tasks


@pytest.mark.parametrize("by", [{"session_id": SESSION_ID}, {"identity_id": IDENTITY_ID}], ids=str)
@pytest.mark.parametrize("where", ["locally", "in another process"])
async def test_check_that_was_started_before_the_revocation_is_repeated(
    workers: tuple[Worker, Worker], memory_server: MemoryServer, by: dict[str, str], where: str
) -> None:
    """When the session is revoked, the guard does not know yet whose credential it is."""
    first, second = workers
    first.kratos.responses = [signed_in(), refused()]
    first.kratos.hold()
    waiting = await _start_requests(first, requests=3)

    await (first if where == "locally" else second).guard.invalidate(**by)
    await eventually(lambda: first.guard.authentication.cache.revocations.revoked_at(*by.values()) > 0)
    late = await _start_requests(first)
    first.kratos.release()

    assert await asyncio.gather(*waiting, *late) == [REVOKED] * 4
    assert await first.ask() == REVOKED
    assert len(first.kratos.requests) <= 3, "the waiting requests share the second call"
    assert memory_server.entries == {}


@pytest.mark.parametrize("where", ["locally", "in another process"])
async def test_other_sessions_under_way_are_shared_and_cached(workers: tuple[Worker, Worker], where: str) -> None:
    first, second = workers
    await first.ask(b"another")  # connects to the store
    first.kratos.hold()
    (waiting,) = await _start_requests(first)

    await (first if where == "locally" else second).guard.invalidate(session_id="another", identity_id="others")
    await eventually(lambda: first.guard.authentication.cache.revocations.revoked_at("another") > 0)
    joined = asyncio.create_task(first.ask())
    await eventually(lambda: first.guard.stats().shared)
    first.kratos.release()

    assert isinstance(await waiting, Authenticated)
    assert isinstance(await joined, Authenticated)
    assert await first.source() == "cache"
    assert len(first.kratos.requests) == 2


async def test_second_factor_required_that_is_under_way_is_not_cached(workers: tuple[Worker, Worker]) -> None:
    """It does not name its session. Later requests call Kratos."""
    first, _ = workers
    first.kratos.responses = [STEP_UP, signed_in()]
    first.kratos.hold()
    (waiting,) = await _start_requests(first)

    await first.guard.invalidate(identity_id="another")
    (late,) = await _start_requests(first)
    first.kratos.release()

    assert await waiting == SecondFactorRequired("x_session_token", enrolled=True)
    assert isinstance(await late, Authenticated)
    assert await first.source() == "cache"


async def test_response_to_an_earlier_request_does_not_replace_a_later_one(
    workers: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = workers
    roles: list[list[str]] = [["admin"], []]
    released = [asyncio.Event(), asyncio.Event()]

    async def slow(_request: object) -> Any:
        number = min(len(first.kratos.requests), 1)
        first.kratos.requests.append(KratosRequest("GET", "", []))
        await released[number].wait()
        return signed_in(session_body(identity={"metadata_public": {"roles": roles[number]}})).response()

    monkeypatch.setattr(first.kratos, "handle_async_request", slow)
    (before,) = await _start_requests(first)
    await first.guard.invalidate(identity_id=IDENTITY_ID)
    (after,) = await _start_requests(first)
    released[1].set()
    await after
    released[0].set()

    for outcome in (await before, await first.ask(), await second.ask()):
        assert isinstance(outcome, Authenticated)
        assert outcome.session.identity.metadata_public["roles"] != ["admin"]


async def test_session_that_is_stored_after_its_revocation_is_not_used(
    memory_server: MemoryServer, workers: tuple[Worker, Worker]
) -> None:
    """Another process requested it before the revocation."""
    first, second = workers
    await first.share()
    late = dict(memory_server.entries)
    first.clock.advance(0.5)
    second.clock.advance(0.5)
    await second.ask(COOKIE.partition(b"=")[2])
    await first.guard.invalidate(session_id=SESSION_ID)
    await eventually(lambda: second.emitted(RevocationsHeard))
    second.kratos.responses = [refused()]

    memory_server.entries = late

    assert await second.source() == "Rejected"


async def test_stored_session_of_a_revoked_credential_is_not_used(workers: tuple[Worker, Worker]) -> None:
    first, second = workers
    await first.share()
    second.store.failing = {"delete"}
    credential = Credential("x_session_token", b"", TOKEN)
    key = second.guard.authentication.cache_key(credential)

    await second.guard.authentication.invalidate_credential(key, credential)

    assert await second.source() == "upstream"


async def test_new_process_asks_the_store_for_earlier_revocations(memory_server: MemoryServer) -> None:
    first = Worker(memory_server)
    await first.share()
    late = dict(memory_server.entries)
    await first.guard.invalidate(session_id=SESSION_ID)
    memory_server.entries = late

    newcomer = Worker(memory_server)
    assert await newcomer.source() == "upstream"
    assert "revoked_at" in newcomer.store.calls

    memory_server.revoked = dict.fromkeys(memory_server.revoked, first.clock.time() - 61)
    other = Worker(memory_server)
    assert await other.source() == "store"
    for worker in (first, newcomer, other):
        await worker.guard.aclose()


async def test_revocation_during_a_call_of_the_store_counts(
    memory_server: MemoryServer, workers: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = workers
    await first.share()
    stored = next(iter(memory_server.entries.values()))

    async def get_late(_keys: object) -> Any:
        second.guard.authentication.invalidate(SESSION_ID)
        return stored

    monkeypatch.setattr(second.store, "get", get_late)
    second.kratos.responses = [refused()]

    assert await second.source() == "Rejected"


@pytest.mark.parametrize("ahead", [0.0, 55.0, -55.0])
async def test_delayed_write_does_not_restore_a_revoked_session(
    workers: tuple[Worker, Worker], memory_server: MemoryServer, ahead: float
) -> None:
    """For any difference of the clocks up to `clock_skew`."""
    first, second = workers
    first.clock.set_wall_clock(ahead)
    first.store.held["put"] = released = asyncio.Event()
    assert await first.source() == "upstream"
    await second.guard.invalidate(session_id=SESSION_ID)

    released.set()
    await asyncio.sleep(0.01)

    assert first.store.calls.count("put") == 1
    assert memory_server.entries == {}


async def test_age_of_a_stored_session_includes_the_time_of_the_call(
    workers: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the clock of the host that stored it is ahead."""
    first, second = workers
    first.clock.set_wall_clock(10)
    await first.share()
    await second.ask(COOKIE)
    get = second.store.get

    async def get_slowly(keys: Any) -> StoredSession | None:
        stored = await get(keys)
        second.clock.advance(0.01)
        second.guard.authentication.invalidate(SESSION_ID)
        second.clock.advance(0.01)
        return stored

    monkeypatch.setattr(second.store, "get", get_slowly)
    second.kratos.responses = [refused()]

    assert await second.ask() == REVOKED


async def test_session_is_stored_again_once_clock_skew_has_passed_since_the_revocation(
    workers: tuple[Worker, Worker], memory_server: MemoryServer
) -> None:
    """Until then each process calls Kratos for an identity whose roles have changed."""
    first, second = workers
    await first.guard.invalidate(identity_id=IDENTITY_ID)

    for seconds, source in [(1, "upstream"), (59, "upstream"), (1, "store")]:
        for worker in workers:
            worker.clock.advance(seconds)
            worker.guard.authentication.cache.clear()
        assert await first.source() == "upstream"
        await eventually(lambda: first.store.calls.count("put") == len(first.kratos.requests))
        assert await second.source() == source
        memory_server.entries.clear()


async def test_revocation_is_recorded_for_the_lifetime_of_a_jwt(
    workers: tuple[Worker, Worker], memory_server: MemoryServer
) -> None:
    """A process without `tokens` revokes, and one with `tokens` starts later."""
    first, _ = workers
    await first.guard.invalidate(session_id=SESSION_ID)

    newcomer = TokenBench(store=MemoryStore(memory_server))

    assert memory_server.revocation_ttls[SESSION_ID] >= 600 + 2 * 60
    assert await newcomer.ask(token_of(KEY)) == Rejected("inactive", "bearer")
    await newcomer.guard.aclose()
