"""Asked once for however many wait, not kept past an invalidation, and ended with the guard."""

import asyncio
import contextvars
import os

import pytest
from support.guard_bench import Bench, by, guard_of, requests
from support.scripted_kratos import (
    IDENTITY_ID,
    SESSION_ID,
    STEP_UP,
    KratosRequest,
    KratosResponse,
    ScriptedKratos,
    aal2_session,
    refused,
    signed_in,
)

from ory_guard import Authenticated, Rejected, Unavailable
from ory_guard.events import BreakerChanged, Event
from ory_guard.exceptions import (
    ConfigurationError,
)

pytestmark = pytest.mark.anyio


async def test_five_hundred_requests_with_one_cold_credential_cause_one_call() -> None:
    """And all of them get its answer."""
    bench = Bench()
    bench.kratos.hold()
    tasks = await requests(bench, 500)
    bench.kratos.release()

    outcomes = await asyncio.gather(*tasks)

    assert bench.calls == 1
    assert {by(outcome) for outcome in outcomes} == {("upstream", 0.0)}


@pytest.mark.parametrize("gone", [slice(0, 1), slice(0, 499), slice(3, 200)], ids=["first", "all but one", "some"])
async def test_requests_that_go_away_change_nothing_for_the_rest(gone: slice) -> None:
    """The check belongs to the guard, not to who happened to come first."""
    bench = Bench()
    bench.kratos.hold()
    tasks = await requests(bench, 500)
    for task in tasks[gone]:
        task.cancel()
    await asyncio.sleep(0)
    bench.kratos.release()

    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert bench.calls == 1
    cancelled = [outcome for outcome in outcomes if isinstance(outcome, asyncio.CancelledError)]
    assert len(cancelled) == len(tasks[gone])
    assert all(isinstance(outcome, Authenticated) for outcome in outcomes if outcome not in cancelled)


async def test_when_all_go_away_no_task_stays_behind() -> None:
    """The check runs to its end, its answer is kept, and then there is nothing left."""
    before = asyncio.all_tasks()
    bench = Bench()
    bench.kratos.hold()
    tasks = await requests(bench, 20)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(asyncio.all_tasks() - before) == 1

    bench.kratos.release()
    for _ in range(5):
        await asyncio.sleep(0)

    assert asyncio.all_tasks() == before
    assert by(await bench.outcome()) == ("cache", 0.0)
    assert bench.calls == 1


async def test_a_shared_check_shares_its_failure_too() -> None:
    """Five hundred requests of one credential are one failure, and the next request asks again."""
    bench = Bench(OSError(), signed_in())
    bench.kratos.hold()
    tasks = await requests(bench, 500)
    bench.kratos.release()

    assert set(await asyncio.gather(*tasks)) == {Unavailable("unreachable")}
    assert isinstance(await bench.outcome(), Authenticated)
    assert bench.calls == 2


async def test_a_check_knows_nothing_of_the_request_that_started_it() -> None:
    """Its answer goes to others, too: no request id, tenant or trace of the first may color it."""
    tenant = contextvars.ContextVar("tenant", default="nobody's")
    seen: list[str] = []

    def answer(_asked: KratosRequest) -> KratosResponse:
        seen.append(tenant.get())
        return signed_in()

    tenant.set("first's")
    await Bench(answer).outcome()

    assert seen == ["nobody's"]


@pytest.mark.parametrize("ids", [{"session_id": SESSION_ID}, {"identity_id": IDENTITY_ID}])
async def test_invalidate_ends_what_is_kept(ids: dict[str, str]) -> None:
    """The next request asks, even within the same tick of the clock, and its answer is kept again."""
    bench = Bench()
    await bench.outcome()

    await bench.guard.invalidate(**ids)

    assert by(await bench.outcome())[0] == "upstream"
    assert by(await bench.outcome())[0] == "cache"
    assert bench.calls == 2


async def test_invalidate_leaves_other_sessions_alone() -> None:
    """One user's logout costs the others nothing."""
    bench = Bench()
    await bench.outcome()

    await bench.guard.invalidate(session_id="another", identity_id="others")

    assert by(await bench.outcome()) == ("cache", 0.0)


async def test_invalidate_drops_every_missing_second_factor() -> None:
    """It does not say whose it is; the user may just have completed it."""
    bench = Bench(STEP_UP, signed_in(aal2_session()))
    await bench.outcome()

    await bench.guard.invalidate(identity_id=IDENTITY_ID)

    assert isinstance(await bench.outcome(), Authenticated)


async def test_a_check_under_way_when_invalidate_comes_is_asked_again() -> None:
    """Nobody gets the answer to a question from before, and it is not kept."""
    bench = Bench(signed_in(), refused(401))
    bench.kratos.hold()
    before = await requests(bench, 3)

    await bench.guard.invalidate(session_id=SESSION_ID)
    after = await requests(bench, 3)
    bench.kratos.release()

    refusal = Rejected("inactive", "x_session_token")
    assert await asyncio.gather(*before, *after) == [refusal] * 6
    assert bench.calls <= 3


async def test_a_session_that_is_invalidated_with_every_answer_is_not_served() -> None:
    """After a second try the guard gives up: it does not know, which is no logout."""
    bench = Bench()

    def answer(_asked: KratosRequest) -> KratosResponse:
        # The answer is on its way, and the session is ended before it arrives.
        ending = bench.guard.invalidate(session_id=SESSION_ID)
        with pytest.raises(StopIteration):
            ending.send(None)
        return signed_in()

    bench.kratos.responses = [answer]

    assert await bench.outcome() == Unavailable("unreachable")
    assert bench.calls == 2


async def test_invalidate_wants_to_know_what() -> None:
    """An empty call is a mistake of the application, and must not end everybody's sessions."""
    with pytest.raises(ConfigurationError, match="pass session_id or identity_id"):
        await Bench().guard.invalidate()


async def test_aclose_ends_running_checks_and_the_next_use_opens_anew() -> None:
    """Whoever waits is told that nobody knows; nothing is left running."""
    before = asyncio.all_tasks()
    bench = Bench()
    bench.kratos.hold()
    tasks = await requests(bench, 3)

    await bench.guard.aclose()

    assert await asyncio.gather(*tasks) == [Unavailable("unreachable")] * 3
    assert asyncio.all_tasks() == before
    bench.kratos.release()
    assert isinstance(await bench.outcome(), Authenticated)
    await bench.guard.aclose()
    await bench.guard.aclose()


async def test_a_waiter_that_is_cancelled_while_the_guard_closes_is_cancelled() -> None:
    """Its own cancellation is never taken for the end of the check."""
    bench = Bench()
    bench.kratos.hold()
    (task,) = await requests(bench, 1)
    task.cancel()

    await bench.guard.aclose()

    with pytest.raises(asyncio.CancelledError):
        await task


def test_one_guard_serves_several_event_loops() -> None:
    """A test client makes a loop for each request; what is kept is kept across them."""
    bench = Bench(cache_ttl=10)

    first = asyncio.run(bench.outcome())
    second = asyncio.run(bench.outcome())
    bench.clock.advance(10)
    third = asyncio.run(bench.outcome())

    assert [by(outcome)[0] for outcome in (first, second, third)] == ["upstream", "cache", "upstream"]


def test_a_loop_that_dies_with_a_check_under_way_harms_nobody() -> None:
    """The next loop asks for itself."""
    bench = Bench()
    bench.kratos.hold()

    async def leave() -> None:
        await requests(bench, 2)

    asyncio.run(leave())
    bench.kratos = ScriptedKratos(signed_in())
    bench.guard = guard_of(bench.kratos, bench.clock)

    assert isinstance(asyncio.run(bench.outcome()), Authenticated)


def test_a_forked_process_asks_for_itself() -> None:
    """Servers that load the application before they fork share no check and no connection."""
    bench = Bench(cache_ttl=0)
    asyncio.run(bench.outcome())
    child = os.fork()
    if child == 0:
        verdict = 1
        try:
            verdict = 0 if isinstance(asyncio.run(bench.outcome()), Authenticated) and bench.calls == 2 else 2
        finally:
            os._exit(verdict)  # nothing of pytest may run in here
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert bench.calls == 1


def test_a_loop_that_asked_nothing_can_invalidate() -> None:
    """A worker that only takes web hooks has no check under way."""
    bench = Bench()
    asyncio.run(bench.outcome())

    asyncio.run(bench.guard.invalidate(session_id=SESSION_ID))

    assert by(asyncio.run(bench.outcome()))[0] == "upstream"


# While Kratos does not answer.


async def test_a_dead_kratos_is_left_alone_for_a_moment() -> None:
    """After five failures of several credentials nobody asks; what is kept is served, and one probe opens it."""
    heard: list[Event] = []
    bench = Bench(signed_in(), *[OSError()] * 5, signed_in(), listeners=[heard.append])
    kept = (b"x-session-token", b"kept")
    await bench.outcome(kept)
    for number in range(5):
        assert await bench.outcome((b"x-session-token", b"t%d" % number)) == Unavailable("unreachable")

    assert await bench.outcome() == Unavailable("breaker", 1)
    assert by(await bench.outcome(kept))[0] == "cache"
    assert bench.calls == 6

    bench.clock.advance(1)
    assert isinstance(await bench.outcome(), Authenticated)
    changes = [event.state for event in heard if isinstance(event, BreakerChanged)]
    assert changes == ["open", "half_open", "closed"]


async def test_a_429_holds_everybody_for_as_long_as_it_says() -> None:
    """Who is asked too often should not be asked by the next credential either."""
    bench = Bench(KratosResponse(429, b"", (("retry-after", "7"),)), signed_in())
    assert await bench.outcome() == Unavailable("rate_limited", 7)

    assert await bench.outcome((b"x-session-token", b"other")) == Unavailable("breaker", 7)
    bench.clock.advance(7)
    assert isinstance(await bench.outcome(), Authenticated)
    assert bench.calls == 2
