"""Revalidations before a refusal: at the first try, and with a budget per credential."""

import asyncio
from collections.abc import Callable

import pytest
from support.clock import AdjustableClock
from support.guard_bench import Bench, request
from support.scripted_kratos import STEP_UP, signed_in

from ory_guard.exceptions import EnrollmentRequired, OryGuardError, StepUpRequired
from ory_guard.guard.revalidation_budget import RevalidationBudget

pytestmark = pytest.mark.anyio


async def status(bench: Bench) -> int:
    """Return the status of the response of a route that requires aal2."""
    try:
        await bench.guard.require(request(), aal="aal2")
    except OryGuardError as error:
        return error.status_code
    return 200


@pytest.mark.parametrize("response", [STEP_UP, signed_in()], ids=["second factor required", "aal1"])
@pytest.mark.parametrize("is_cached", [False, True])
@pytest.mark.parametrize(("interval", "calls"), [(0.0, 4), (0.1, 14)], ids=["at once", "in ten seconds"])
async def test_refused_requests_cause_a_limited_number_of_calls(
    response: object, interval: float, calls: int, *, is_cached: bool
) -> None:
    bench = Bench(response, cache_ttl=60, negative_ttl=60)
    if is_cached:
        await bench.outcome()
    cached = bench.calls
    for _ in range(101):
        assert await status(bench) == 403
        bench.clock.advance(interval)

    assert bench.calls - cached == calls


async def test_concurrent_refused_requests_share_one_revalidation() -> None:
    """They spend the budget once."""
    bench = Bench(STEP_UP)
    await status(bench)
    for number in range(3):
        bench.kratos.hold()
        tasks = [asyncio.ensure_future(status(bench)) for _ in range(100)]
        await asyncio.sleep(0.001)
        bench.kratos.release()
        assert set(await asyncio.gather(*tasks)) == {403}
        assert bench.calls == 2 + number


@pytest.mark.parametrize("is_cached", [False, True])
async def test_request_that_waited_for_kratos_revalidates_for_its_next_requirement(*, is_cached: bool) -> None:
    bench, scope = Bench(signed_in()), request()
    if is_cached:
        await bench.outcome()

    for calls in (1 + is_cached, 2 + is_cached):
        with pytest.raises(EnrollmentRequired):
            await bench.guard.require(scope, aal="aal2")
        assert bench.calls == calls


async def test_budget_belongs_to_one_credential() -> None:
    bench = Bench(STEP_UP)
    for _ in range(10):
        await status(bench)

    for _ in range(2):
        with pytest.raises(StepUpRequired):
            await bench.guard.require(request((b"x-session-token", b"other")), aal="aal2")
    assert sum(sent.header("x-session-token") == "other" for sent in bench.kratos.requests) == 2


def take_all(budget: RevalidationBudget, key: bytes) -> int:
    """Return the number of calls that the budget allows now."""
    return next(count for count in range(100) if not budget.take(key))


@pytest.mark.parametrize(
    ("spend", "left"),
    [
        (lambda _budget: None, 4),
        (lambda budget: budget.charge(b"k", 1.0), 3),
        (lambda budget: [budget.charge(b"k", 1.0) for _ in range(9)], 3),
        (lambda budget: [budget.charge(b"k", float(time)) for time in range(9)], 0),
        (lambda budget: [budget.take(b"k") for _ in range(9)], 0),
    ],
    ids=["nothing", "one check", "one check of many requests", "many checks", "many calls"],
)
def test_budget_is_refilled_once_a_second(spend: Callable[[RevalidationBudget], object], left: int) -> None:
    clock = AdjustableClock()
    budget = RevalidationBudget(clock.monotonic)
    spend(budget)

    assert take_all(budget, b"k") == left
    clock.advance(1.9)
    assert take_all(budget, b"k") == 1
    clock.advance(100)
    assert take_all(budget, b"k") == 4
