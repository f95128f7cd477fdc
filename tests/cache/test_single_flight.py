"""Checks under way, and the requests that wait for them."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable

import pytest

from ory_guard import Rejected
from ory_guard.cache.single_flight import CHECK_ABORTED, CheckResult, InFlight, SingleFlight

pytestmark = pytest.mark.anyio

FACT = CheckResult(Rejected("inactive", "bearer"), 2.0)


class AuthContext:
    """A check that comes to something when it is told to."""

    def __init__(self) -> None:
        self.runs = 0
        self.released = asyncio.Event()

    async def __call__(self) -> CheckResult:
        """Wait, then answer."""
        self.runs += 1
        await self.released.wait()
        return FACT


def depart(
    flights: SingleFlight, check: Callable[[], Awaitable[CheckResult]], *, joinable: bool = True
) -> InFlight:
    """Start a check under one slot."""
    flight = InFlight(b"slot", 1.0)
    flights.start(flight, check, joinable=joinable)
    return flight


async def waiting(flight: InFlight) -> asyncio.Task[CheckResult]:
    """Return a request that already waits for the flight."""
    task = asyncio.ensure_future(flight.wait())
    await asyncio.sleep(0)
    return task


async def test_everybody_who_waits_gets_the_one_answer() -> None:
    """A check runs once, however many requests wait for it."""
    flights, check = SingleFlight(), AuthContext()
    flight = depart(flights, check)
    waiters = [await waiting(flight) for _ in range(3)]

    check.released.set()

    assert await asyncio.gather(*waiters) == [FACT, FACT, FACT]
    assert check.runs == 1


async def test_a_request_that_goes_away_ends_nothing() -> None:
    """A cancelled request takes neither the check nor the others' answer with it."""
    flights, check = SingleFlight(), AuthContext()
    flight = depart(flights, check)
    first, second = await waiting(flight), await waiting(flight)

    first.cancel()
    check.released.set()

    assert await second == FACT
    assert first.cancelled()


async def test_a_flight_is_joinable_until_it_has_landed() -> None:
    """Later requests find the flight, and none finds it any more once its answer is there."""
    flights, check = SingleFlight(), AuthContext()
    flight = depart(flights, check)
    waiter = await waiting(flight)

    assert flights.joinable(b"slot") is flight
    check.released.set()
    await waiter
    assert flights.joinable(b"slot") is None


async def test_a_flight_of_ones_own_can_not_be_joined() -> None:
    """A check that takes no earlier answer is not found, and its end removes nobody else's."""
    flights, shared, alone = SingleFlight(), AuthContext(), AuthContext()
    joinable = depart(flights, shared)
    waiter = await waiting(depart(flights, alone, joinable=False))

    alone.released.set()

    assert await waiter == FACT
    assert flights.joinable(b"slot") is joinable
    await flights.aclose()


async def test_a_forgotten_flight_still_answers_those_who_wait() -> None:
    """After `forget` no request joins, and who waited is answered."""
    flights, check = SingleFlight(), AuthContext()
    waiter = await waiting(depart(flights, check))

    flights.detach_all()
    check.released.set()

    assert flights.joinable(b"slot") is None
    assert await waiter == FACT


async def test_ended_flights_leave_nobody_waiting() -> None:
    """`aclose` ends checks, begun or not yet begun, and whoever waits gets `Unavailable`."""
    flights, check = SingleFlight(), AuthContext()
    begun = await waiting(depart(flights, check))
    not_begun = asyncio.ensure_future(depart(flights, check).wait())

    await flights.aclose()

    assert await begun == await not_begun == CheckResult(CHECK_ABORTED, 1.0)
    assert check.runs == 1


@pytest.mark.parametrize("waiters", [0, 2])
async def test_what_a_check_raises_is_told_to_those_who_wait(waiters: int) -> None:
    """An error reaches every waiter, and without a waiter nobody."""

    async def check() -> CheckResult:
        raise LookupError("broken")

    flights = SingleFlight()
    flight = depart(flights, check)
    tasks = [asyncio.ensure_future(flight.wait()) for _ in range(waiters)]

    errors = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(error) for error in errors] == [LookupError] * waiters
    await flights.aclose()


async def test_nothing_of_the_first_request_shows_in_the_shared_check() -> None:
    """A check runs in an empty context."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nobody's")
    variable.set("the first request's")
    seen: list[str] = []

    async def check() -> CheckResult:
        seen.append(variable.get())
        return FACT

    await depart(SingleFlight(), check).wait()

    assert seen == ["nobody's"]


async def test_no_task_factory_lets_a_flight_land_before_anybody_waits() -> None:
    """Python 3.12's eager one would."""
    loop, flights = asyncio.get_running_loop(), SingleFlight()
    loop.set_task_factory(lambda *_, **__: pytest.fail("a flight was made by the task factory"))
    try:
        check = AuthContext()
        flight = depart(flights, check)
    finally:
        loop.set_task_factory(None)
    check.released.set()

    assert await flight.wait() == FACT
