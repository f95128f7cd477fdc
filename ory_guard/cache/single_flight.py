"""Single flight: concurrent requests with one credential share one session check.

A check does not belong to a request. Each request waits on a future of its own, so the cancellation of a request
ends neither the check nor the wait of the others. A check is a chain of callbacks that calls `finish`, or a task.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Final, NamedTuple

from ory_guard._event_loop import TurnLimit
from ory_guard.models.outcomes import Authenticated, Outcome, Unavailable

__all__ = ["CHECK_ABORTED", "CheckResult", "InFlight", "SingleFlight"]

_MAX_STARTS_PER_TURN: Final = 64

CHECK_ABORTED: Final = Unavailable("unreachable")
"""The outcome of requests whose check ended without a result or whose session was revoked during it."""


class CheckResult(NamedTuple):
    """The result of a session check.

    Attributes:
        outcome: The outcome.
        request_time: The time of the request to Kratos, on the monotonic clock.
        set_cookies: The `Set-Cookie` values for the requests that waited for this check.
    """

    outcome: Outcome
    request_time: float
    set_cookies: tuple[bytes, ...] = ()

    @property
    def resolved_at(self) -> float:
        """The time of the result on the monotonic clock; a session from a shared store has an age."""
        return self.request_time + (self.outcome.age if isinstance(self.outcome, Authenticated) else 0.0)


class InFlight:
    """A check in progress.

    Args:
        slot: The key under which later requests find the check.
        started_at: The time of the start, on the monotonic clock.

    Attributes:
        started_at: The time of the start.
        is_finished: Whether the waiting requests have a result.
    """

    is_finished: bool = False

    def __init__(self, slot: bytes, started_at: float) -> None:
        self.slot = slot
        self.started_at: float = started_at
        self._waiters: list[asyncio.Future[CheckResult]] = []

    def wait(self) -> asyncio.Future[CheckResult]:
        """Return a future for the result, or for the error that ended the check."""
        waiter: asyncio.Future[CheckResult] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        return waiter

    def resolve(self, result: CheckResult | Exception | None) -> None:
        """Give the result, or the error, to each waiting request; None stands for a canceled check."""
        self.is_finished = True
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if waiter.done():  # the request was canceled
                continue
            if isinstance(result, Exception):
                waiter.set_exception(result)
            else:
                waiter.set_result(result or CheckResult(CHECK_ABORTED, self.started_at))


class SingleFlight:
    """The checks in progress in one event loop.

    Attributes:
        turns: Limits the number of calls that start in one turn of the event loop.
    """

    def __init__(self) -> None:
        self.turns: TurnLimit = TurnLimit(_MAX_STARTS_PER_TURN)
        self._in_flight: set[InFlight] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._joinable: dict[bytes, InFlight] = {}

    def joinable(self, slot: bytes) -> InFlight | None:
        """Return the check that a request with this slot may wait for, or None."""
        return self._joinable.get(slot)

    def add(self, in_flight: InFlight, *, joinable: bool) -> None:
        """Register a check, which ends with `finish`.

        Args:
            in_flight: The check.
            joinable: Whether later requests may wait for it, too.
        """
        self._in_flight.add(in_flight)
        if joinable:
            self._joinable[in_flight.slot] = in_flight

    def run(self, in_flight: InFlight, check: Callable[[], Awaitable[CheckResult]]) -> None:
        """Run a check in a task.

        Args:
            in_flight: The check, which is registered.
            check: Returns the result.
        """
        # An empty context: the result is shared, so the check must not see the variables of the first request. Not
        # by a task factory: an eager task could finish before the first request waits.
        task = asyncio.Task(self._run(in_flight, check), loop=asyncio.get_running_loop(), context=Context())
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._on_done(in_flight, task), context=Context())

    async def _run(self, in_flight: InFlight, check: Callable[[], Awaitable[CheckResult]]) -> None:
        self.finish(in_flight, await check())

    def _on_done(self, in_flight: InFlight, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        self.finish(in_flight, error if isinstance(error, Exception) else None)

    def finish(self, in_flight: InFlight, result: CheckResult | Exception | None) -> None:
        """End a check; see `InFlight.resolve`."""
        self._in_flight.discard(in_flight)
        # Remove the slot first; a request that joined afterwards would wait forever.
        if self._joinable.get(in_flight.slot) is in_flight:
            del self._joinable[in_flight.slot]
        in_flight.resolve(result)

    def finish_in(self, seconds: float, in_flight: InFlight, make_result: Callable[[], CheckResult]) -> None:
        """End a check after some seconds, unless it has ended by then. Its task continues, and is not awaited."""

        def finish() -> None:
            if not in_flight.is_finished:
                self.finish(in_flight, make_result())

        asyncio.get_running_loop().call_later(max(seconds, 0.0), finish, context=Context())

    def detach(self, *slots: bytes) -> None:
        """Make later requests with these slots start checks of their own."""
        for slot in slots:
            self._joinable.pop(slot, None)

    def detach_all(self) -> None:
        """Make all later requests start checks of their own."""
        self._joinable.clear()

    async def aclose(self) -> None:
        """Cancel all checks; requests that wait for them get `Unavailable`."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for in_flight in list(self._in_flight):
            self.finish(in_flight, None)
