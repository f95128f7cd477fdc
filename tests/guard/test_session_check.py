"""Session checks: shared by concurrent requests, not cached across an invalidation, ended with the guard."""

import asyncio
import contextvars

import pytest
from support.guard_bench import Bench, by, request, requests
from support.scripted_kratos import (
    IDENTITY_ID,
    SESSION_ID,
    STEP_UP,
    KratosRequest,
    KratosResponse,
    aal2_session,
    refused,
    signed_in,
)

from ory_guard import Authenticated, Rejected, Unavailable
from ory_guard.events import BreakerChanged, Event
from ory_guard.exceptions import SessionCheckUnavailable

pytestmark = pytest.mark.anyio


async def test_concurrent_requests_with_one_credential_share_one_call() -> None:
    bench = Bench()
    bench.kratos.hold()
    tasks = await requests(bench, 500)
    bench.kratos.release()

    outcomes = await asyncio.gather(*tasks)

    assert bench.calls == 1
    assert {by(outcome) for outcome in outcomes} == {("upstream", 0.0)}


@pytest.mark.parametrize("gone", [slice(0, 1), slice(0, 499), slice(0, 500)], ids=["first", "all but one", "all"])
async def test_cancelled_requests_do_not_affect_the_others(gone: slice) -> None:
    """The check belongs to the guard, not to the first request; its result is cached, and no task is left."""
    before = asyncio.all_tasks()
    bench = Bench()
    bench.kratos.hold()
    tasks = await requests(bench, 500)
    for task in tasks[gone]:
        task.cancel()
    await asyncio.sleep(0)
    bench.kratos.release()

    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for _ in range(5):
        await asyncio.sleep(0)

    assert by(await bench.outcome()) == ("cache", 0.0)
    assert bench.calls == 1
    assert asyncio.all_tasks() == before
    cancelled = [outcome for outcome in outcomes if isinstance(outcome, asyncio.CancelledError)]
    assert len(cancelled) == len(tasks[gone])
    assert all(isinstance(outcome, Authenticated) for outcome in outcomes if outcome not in cancelled)


async def test_check_runs_in_an_empty_context() -> None:
    """Its result is shared, so no context variable of the first request may affect it."""
    tenant = contextvars.ContextVar("tenant", default="nobody's")
    seen: list[str] = []

    def answer(_asked: KratosRequest) -> KratosResponse:
        seen.append(tenant.get())
        return signed_in()

    tenant.set("first's")
    await Bench(answer).outcome()

    assert seen == ["nobody's"]


@pytest.mark.parametrize(
    ("ids", "calls"),
    [
        ({"session_id": SESSION_ID}, 2),
        ({"identity_id": IDENTITY_ID}, 2),
        ({"session_id": "another", "identity_id": "others"}, 1),
    ],
)
async def test_invalidate_deletes_cached_sessions(ids: dict[str, str], calls: int) -> None:
    """Even within the same tick of the clock; the new result is cached, and other sessions stay cached."""
    bench = Bench()
    await bench.outcome()

    await bench.guard.invalidate(**ids)

    assert by(await bench.outcome())[0] == ("upstream" if calls == 2 else "cache")
    assert by(await bench.outcome())[0] == "cache"
    assert bench.calls == calls


async def test_invalidate_deletes_all_missing_second_factors() -> None:
    """They do not name their session; the user may just have completed the second factor."""
    bench = Bench(STEP_UP, signed_in(aal2_session()))
    await bench.outcome()

    await bench.guard.invalidate(identity_id=IDENTITY_ID)

    assert isinstance(await bench.outcome(), Authenticated)


async def test_running_check_is_repeated_after_an_invalidation() -> None:
    """Its first result is neither returned nor cached."""
    bench = Bench(signed_in(), refused(401))
    bench.kratos.hold()
    before = await requests(bench, 3)

    await bench.guard.invalidate(session_id=SESSION_ID)
    after = await requests(bench, 3)
    bench.kratos.release()

    refusal = Rejected("inactive", "x_session_token")
    assert await asyncio.gather(*before, *after) == [refusal] * 6
    assert bench.calls <= 3


async def test_check_is_aborted_after_two_invalidations() -> None:
    """The outcome is unavailable, which does not log out the user."""
    bench = Bench()

    def answer(_asked: KratosRequest) -> KratosResponse:
        # The session is invalidated before the response arrives.
        ending = bench.guard.invalidate(session_id=SESSION_ID)
        with pytest.raises(StopIteration):
            ending.send(None)
        return signed_in()

    bench.kratos.responses = [answer]

    assert await bench.outcome() == Unavailable("unreachable")
    assert bench.calls == 2


async def test_aclose_cancels_running_checks() -> None:
    """Waiting requests get `Unavailable`; the next request opens new connections."""
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


async def test_cancellation_of_a_request_during_aclose_is_raised() -> None:
    """It is not mistaken for the end of the check."""
    bench = Bench()
    bench.kratos.hold()
    (task,) = await requests(bench, 1)
    task.cancel()

    await bench.guard.aclose()

    with pytest.raises(asyncio.CancelledError):
        await task


# Kratos does not respond.


async def test_open_breaker_prevents_calls() -> None:
    """After failures of several credentials; cached sessions are used, and one probe closes it."""
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


async def test_429_holds_its_credential_for_its_retry_after() -> None:
    """Other credentials are not affected, and `revalidate=True` does not call Kratos, either."""
    limited = KratosResponse(429, b"", (("retry-after", "7"),))
    bench = Bench(limited, signed_in())
    assert await bench.outcome() == Unavailable("rate_limited", 7)

    assert isinstance(await bench.outcome((b"x-session-token", b"other")), Authenticated)
    bench.clock.advance(4.5)
    assert await bench.outcome() == Unavailable("rate_limited", 3)
    with pytest.raises(SessionCheckUnavailable):
        await bench.guard.require(request(), revalidate=True)
    assert bench.calls == 2
    bench.clock.advance(2.5)
    assert isinstance(await bench.outcome(), Authenticated)
    assert bench.calls == 3
