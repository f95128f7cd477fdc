"""Checks under way, and the requests that wait for them.

A flight is a task of the guard's own: no request that goes away ends it. Every request waits on a future of its
own, which the flight settles itself: that is a turn of the event loop earlier than a shielded task, and a
request's own cancellation can't be mistaken for the end of the flight.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Final, NamedTuple

from ory_guard.models.outcomes import Outcome, Unavailable

__all__ = ["CHECK_ABORTED", "CheckResult", "InFlight", "SingleFlight"]

CHECK_ABORTED: Final = Unavailable("unreachable")
"""What those get whose check was ended before it had an answer."""


class CheckResult(NamedTuple):
    """What a check came to.

    Attributes:
        outcome: The answer.
        request_time: When the question was sent, on the monotonic clock.
        set_cookies: What the requests that waited have to hand on to their browsers.
    """

    outcome: Outcome
    request_time: float
    set_cookies: tuple[bytes, ...] = ()


class InFlight:
    """One check under way.

    Args:
        slot: Under which later requests find it.
        started_at: When it was started, on the monotonic clock.
    """

    def __init__(self, slot: bytes, started_at: float) -> None:
        self.slot = slot
        self._started_at = started_at
        self._waiters: list[asyncio.Future[CheckResult]] = []

    async def wait(self) -> CheckResult:
        """Wait for what the check comes to.

        Raises:
            Exception: What the check raised.
        """
        waiter: asyncio.Future[CheckResult] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        return await waiter

    def resolve(self, result: CheckResult | Exception | None) -> None:
        """Let those who still wait go on; None stands for a flight that was ended."""
        for waiter in self._waiters:
            if waiter.done():
                continue
            if isinstance(result, Exception):
                waiter.set_exception(result)
            else:
                waiter.set_result(result or CheckResult(CHECK_ABORTED, self._started_at))


class SingleFlight:
    """The checks under way in one event loop."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._joinable: dict[bytes, InFlight] = {}

    def joinable(self, slot: bytes) -> InFlight | None:
        """Return the flight that a request with this slot may wait for."""
        return self._joinable.get(slot)

    def start(self, flight: InFlight, check: Callable[[], Awaitable[CheckResult]], *, joinable: bool) -> None:
        """Start a check.

        Args:
            flight: Who waits for it.
            check: The check.
            joinable: Whether later requests may wait for it, too.
        """
        # An empty context: the answer is shared, so nothing of the first request may show in it. No task factory:
        # an eager one would let the flight land before anybody waits for it.
        task = asyncio.Task(self._run(flight, check), loop=asyncio.get_running_loop(), context=Context())
        self._running.add(task)
        if joinable:
            self._joinable[flight.slot] = flight
        task.add_done_callback(lambda task: self._on_done(flight, task))

    async def _run(self, flight: InFlight, check: Callable[[], Awaitable[CheckResult]]) -> None:
        fact = await check()
        self._finish(flight, fact)

    def _on_done(self, flight: InFlight, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        self._finish(flight, error if isinstance(error, Exception) else None)

    def _finish(self, flight: InFlight, result: CheckResult | Exception | None) -> None:
        # Nobody may join a flight once its waiters were settled.
        if self._joinable.get(flight.slot) is flight:
            del self._joinable[flight.slot]
        flight.resolve(result)

    def detach_all(self) -> None:
        """Let no later request join a flight that is under way."""
        self._joinable.clear()

    async def aclose(self) -> None:
        """End all flights; whoever waits gets `Unavailable`."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
