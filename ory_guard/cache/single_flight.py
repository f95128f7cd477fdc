"""Single flight: concurrent session checks of one credential share one call.

A check runs in a task of the guard, so that the cancellation of a request does not end it. Each request waits on
its own future, which the check resolves itself: that is one iteration of the event loop faster than a shielded
task, and the cancellation of a request can't be mistaken for that of the check.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Final, NamedTuple

from ory_guard.models.outcomes import Outcome, Unavailable

__all__ = ["CHECK_ABORTED", "CheckResult", "InFlight", "SingleFlight"]

CHECK_ABORTED: Final = Unavailable("unreachable")
"""The outcome for requests whose check was canceled."""


class CheckResult(NamedTuple):
    """The result of a session check.

    Attributes:
        outcome: The outcome.
        request_time: When the request to Kratos was sent, on the monotonic clock.
        set_cookies: The `Set-Cookie` values of Kratos for the requests that waited for this check.
    """

    outcome: Outcome
    request_time: float
    set_cookies: tuple[bytes, ...] = ()


class InFlight:
    """A running check and the requests that wait for it.

    Args:
        slot: The key under which other requests find the check.
        started_at: When the check was started, on the monotonic clock.
    """

    def __init__(self, slot: bytes, started_at: float) -> None:
        self.slot = slot
        self._started_at = started_at
        self._waiters: list[asyncio.Future[CheckResult]] = []

    async def wait(self) -> CheckResult:
        """Return the result of the check.

        Raises:
            Exception: If the check raised it.
        """
        waiter: asyncio.Future[CheckResult] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        return await waiter

    def resolve(self, result: CheckResult | Exception | None) -> None:
        """Set the result for all requests that still wait; None if the check was canceled."""
        for waiter in self._waiters:
            if waiter.done():
                continue
            if isinstance(result, Exception):
                waiter.set_exception(result)
            else:
                waiter.set_result(result or CheckResult(CHECK_ABORTED, self._started_at))


class SingleFlight:
    """The running checks of one event loop."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._joinable: dict[bytes, InFlight] = {}

    def joinable(self, slot: bytes) -> InFlight | None:
        """Return the running check that a request with this slot may join, or None."""
        return self._joinable.get(slot)

    def start(self, flight: InFlight, check: Callable[[], Awaitable[CheckResult]], *, joinable: bool) -> None:
        """Start a check.

        Args:
            flight: Receives the result.
            check: The check.
            joinable: Whether other requests may join the check.
        """
        # The context is empty, because the result is shared. The task is not made by the task factory of the loop:
        # an eager one would finish the check before any request waits.
        task = asyncio.Task(self._run(flight, check), loop=asyncio.get_running_loop(), context=Context())
        self._running.add(task)
        if joinable:
            self._joinable[flight.slot] = flight
        task.add_done_callback(lambda task: self._on_done(flight, task))

    async def _run(self, flight: InFlight, check: Callable[[], Awaitable[CheckResult]]) -> None:
        result = await check()
        self._finish(flight, result)

    def _on_done(self, flight: InFlight, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        self._finish(flight, error if isinstance(error, Exception) else None)

    def _finish(self, flight: InFlight, result: CheckResult | Exception | None) -> None:
        # A request that joined a resolved check would wait forever.
        if self._joinable.get(flight.slot) is flight:
            del self._joinable[flight.slot]
        flight.resolve(result)

    def detach_all(self) -> None:
        """Prevent later requests from joining a running check."""
        self._joinable.clear()

    async def aclose(self) -> None:
        """Cancel all checks; the outcome for their requests is `Unavailable`."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
