"""More revocations than the log holds: older sessions and JWTs are checked again, and none is rejected for that."""

from typing import Any

import pytest
from support.clock import NOW
from support.guard_bench import Bench, by, request
from support.memory_store import MemoryServer, MemoryStore
from support.minting import token_of
from support.scripted_kratos import SESSION_ID, refused, session_body, signed_in
from support.token_bench import KEY, TokenBench
from support.worker_bench import Worker

from ory_guard import Authenticated, Rejected, Unavailable
from ory_guard.events import RevocationLogFull, RevocationsDropped

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _small_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ory_guard.cache.revocations._CAPACITY", 8)
    monkeypatch.setattr("ory_guard.cache.revocations._MAX_RECENT", 2)
    monkeypatch.setattr("ory_guard.cache.revocations._MOVED_AT_ONCE", 1)
    monkeypatch.setattr("ory_guard.cache.revocation_buckets._MAX_BUCKET", 4)


async def overflow(bench: Bench) -> None:
    """Revoke as many other sessions as fit into the log, and one more."""
    for number in range(11):
        await bench.guard.invalidate(session_id=f"other-{number}")


async def test_cached_session_is_requested_again_once() -> None:
    """A session that was requested later stays cached."""
    bench = Bench()
    await bench.outcome()
    await overflow(bench)

    assert by(await bench.outcome())[0] == "upstream"
    assert by(await bench.outcome())[0] == "cache"
    assert bench.calls == 2


async def test_cached_session_is_not_used_while_kratos_is_unavailable() -> None:
    bench = Bench(signed_in(), refused(500))
    await bench.outcome()
    await overflow(bench)

    assert isinstance(await bench.outcome(), Unavailable)


async def test_event_has_the_number_of_revocations_and_their_age(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged without listeners, too."""
    bench = Bench()
    for number in range(4):
        await bench.guard.invalidate(session_id=f"other-{number}")
    bench.clock.advance(1)
    await overflow(bench)

    assert bench.emitted(RevocationLogFull)[0] == RevocationLogFull(4, 1.0)
    assert "revocations.log_full count=4 seconds=1.0" in caplog.messages


async def test_watched_session_is_requested_again() -> None:
    """The connection stays open if the session is active."""
    bench = Bench()
    scope = request()
    await bench.guard.require(scope)
    revalidator = bench.guard._watches.revalidator(scope, 60.0)
    await overflow(bench)

    assert await revalidator.revalidate() == pytest.approx(60)
    assert await revalidator.revalidate() == pytest.approx(60)
    assert bench.calls == 2


async def test_session_in_the_store_is_requested_again(memory_server: MemoryServer) -> None:
    """If it is older than the log; a later one is used."""
    first, second = Worker(memory_server), Worker(memory_server)
    await first.share()
    await second.ask(b"another")
    await overflow(second)

    assert await second.source() == "upstream"
    second.guard.authentication.cache.clear()
    for worker in (first, second):
        worker.clock.advance(61)
        worker.guard.authentication.cache.clear()
    memory_server.entries.clear()
    await first.share()
    assert await second.source() == "store"
    for worker in (first, second):
        await worker.guard.aclose()


@pytest.mark.parametrize(
    ("response", "outcome"), [(signed_in(), Authenticated), (refused(), Rejected), (refused(500), Unavailable)]
)
async def test_jwt_is_sent_to_kratos(response: Any, outcome: type[Any]) -> None:
    """Kratos' response is cached, and a JWT that was issued later is not sent."""
    bench = TokenBench(None, response)
    token = token_of(KEY)
    assert isinstance(await bench.ask(token), Authenticated)
    bench.clock.advance(40)
    await overflow(bench)

    for _ in range(2):
        assert type(await bench.ask(token)) is outcome
    assert bench.calls == (2 if outcome is Unavailable else 1)

    bench.clock.advance(61)
    assert isinstance(await bench.ask(token_of(KEY, iat=NOW.timestamp() + 101)), Authenticated)


@pytest.mark.parametrize(
    ("failing", "pending", "calls"),
    [
        pytest.param(set(), False, 0, id="the records in the store are complete"),
        pytest.param({"revoked_at"}, False, 1, id="the store fails"),
        pytest.param(set(), True, 1, id="a record is pending"),
    ],
)
@pytest.mark.parametrize("is_revoked", [False, True])
async def test_store_is_asked_about_a_jwt_before_kratos(
    memory_server: MemoryServer, *, failing: set[str], pending: bool, calls: int, is_revoked: bool
) -> None:
    """It keeps each revocation for the lifetime of a JWT."""
    response = refused() if is_revoked else signed_in()
    store = MemoryStore(memory_server)
    bench = TokenBench(None, response, store=store)
    await bench.outcome()
    asked = bench.calls
    if is_revoked:
        await bench.guard.invalidate(session_id=SESSION_ID)
    await overflow(bench)
    store.failing = failing
    shared_cache = bench.guard.authentication.shared_cache
    assert shared_cache is not None
    if pending:
        shared_cache.pending.add(["another"], bench.clock.time())

    outcome = await bench.ask(token_of(KEY))

    assert isinstance(outcome, Rejected if is_revoked else Authenticated)
    assert bench.calls - asked == calls
    await bench.guard.aclose()


async def test_store_that_never_got_a_revocation_is_not_asked(
    memory_server: MemoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many of them were pending."""
    monkeypatch.setattr("ory_guard.cache.pending_revocations._MAX_PENDING", 1)
    store = MemoryStore(memory_server)
    bench = TokenBench(None, signed_in(session_body(id="another")), store=store)
    await bench.outcome()
    asked = bench.calls
    await bench.guard.invalidate(session_id="two", identity_id="at-once")
    assert bench.emitted(RevocationsDropped)
    await overflow(bench)

    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)
    assert bench.calls - asked == 1
    await bench.guard.aclose()
