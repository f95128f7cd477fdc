"""Single flight: running checks, and the requests that wait for them."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ory_guard import Rejected
from ory_guard.cache.single_flight import CHECK_ABORTED, CheckResult, InFlight, SingleFlight
from ory_guard.models.outcomes import Outcome

pytestmark = pytest.mark.anyio

RESULT = CheckResult(Rejected("inactive", "bearer"), 2.0)


class Check:
    """A check that returns when it is released."""

    def __init__(self) -> None:
        self.runs = 0
        self.released = asyncio.Event()

    async def __call__(self) -> CheckResult:
        """Wait for the release, then return the result."""
        self.runs += 1
        await self.released.wait()
        return RESULT


def start(
    single_flight: SingleFlight, check: Callable[[], Awaitable[CheckResult]], *, joinable: bool = True
) -> InFlight:
    flight = InFlight(b"slot", 1.0)
    single_flight.add(flight, joinable=joinable)
    single_flight.run(flight, check)
    return flight


async def waiting(flight: InFlight) -> asyncio.Future[CheckResult]:
    """Return a request that waits for the check already."""
    request = flight.wait()
    await asyncio.sleep(0)
    return request


@pytest.mark.parametrize(("seconds", "result"), [(0.01, CHECK_ABORTED), (60.0, RESULT.outcome)])
async def test_check_ends_early_unless_it_has_a_result(seconds: float, result: Outcome) -> None:
    single_flight, check = SingleFlight(), Check()
    flight = start(single_flight, check)
    request = await waiting(flight)
    single_flight.finish_in(seconds, flight, lambda: CheckResult(CHECK_ABORTED, 3.0))
    await asyncio.sleep(1.0)
    check.released.set()
    outcome = (await request).outcome
    await asyncio.sleep(120.0)

    assert outcome == result
    assert single_flight.joinable(b"slot") is None
    assert not single_flight._tasks


async def test_check_can_not_be_joined_if_it_is_not_joinable() -> None:
    """Its end does not remove a joinable check of the same slot."""
    single_flight, joinable, other = SingleFlight(), Check(), Check()
    flight = start(single_flight, joinable)
    request = await waiting(start(single_flight, other, joinable=False))

    other.released.set()

    assert await request == RESULT
    assert single_flight.joinable(b"slot") is flight
    await single_flight.aclose()


@pytest.mark.parametrize("waiters", [0, 2])
async def test_exception_in_a_check_is_raised_in_all_waiting_requests(waiters: int) -> None:
    async def check() -> CheckResult:
        raise LookupError("defect")

    single_flight = SingleFlight()
    flight = start(single_flight, check)
    requests = [asyncio.ensure_future(flight.wait()) for _ in range(waiters)]

    errors = await asyncio.gather(*requests, return_exceptions=True)

    assert [type(error) for error in errors] == [LookupError] * waiters
    await single_flight.aclose()


async def test_check_is_not_started_by_the_task_factory() -> None:
    """The eager one of Python 3.12 would finish the check before any request waits."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda *_, **__: pytest.fail("the task factory was used"))
    try:
        check = Check()
        flight = start(SingleFlight(), check)
    finally:
        loop.set_task_factory(None)
    check.released.set()

    assert await flight.wait() == RESULT
