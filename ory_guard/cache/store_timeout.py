"""The time limit of a call of the shared store, which follows the observed latency.

A busy event loop reads a response late. This must neither count against the store nor raise the limit, so all times
are those of a `ResponsiveClock`.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from time import monotonic
from typing import Any, Final, Protocol, TypeVar

__all__ = ["Expiring", "LatencyLimit", "ResponsiveClock", "run_with_deadline"]

ResultT = TypeVar("ResultT")

TICK: Final = 0.005
"""Seconds between two ticks, and the longest time that a delay of the event loop counts as."""

_MIN_LIMIT: Final = 0.02
_INITIAL_LIMIT: Final = 0.1
_FACTOR: Final = 4.0
_WINDOW: Final = 128
_MIN_SAMPLES: Final = 16
_RANK: Final = 2
"""The second largest of 128 latencies is their 99th percentile. A single slow response does not change it."""


class Expiring(Protocol):
    """Something with a deadline on a `ResponsiveClock`."""

    expires_at: float

    def expire(self) -> None:
        """Handle the deadline."""
        ...


class ResponsiveClock:
    """Measures the time in which the event loop was responsive.

    While a deadline is pending, the clock ticks every 5 ms. If the event loop is busy, the next tick is late, and
    the whole delay counts as one tick. All deadlines share one timer.

    Args:
        time: Returns the time, in seconds.
    """

    def __init__(self, time: Callable[[], float] = monotonic) -> None:
        self._loop = asyncio.get_running_loop()
        self._time = time
        self._elapsed = 0.0
        self._ticked_at = 0.0
        self._pending: dict[Expiring, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """Return the time in seconds, from an arbitrary start. It stops while no deadline is pending."""
        return self._elapsed + min(self._time() - self._ticked_at, TICK)

    def add(self, item: Expiring, seconds: float) -> float:
        """Set the deadline of an item, which expires then unless it is discarded, and return the current time."""
        if self._timer is None:
            self._advance()
            self._schedule()
        now = self._elapsed + min(self._time() - self._ticked_at, TICK)
        item.expires_at = now + seconds
        self._pending[item] = None
        return now

    def discard(self, item: Expiring) -> float:
        """Discard an item, which may have expired, and return the current time."""
        self._pending.pop(item, None)
        return self._elapsed + min(self._time() - self._ticked_at, TICK)

    def close(self) -> None:
        """Discard all items."""
        self._pending.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _advance(self) -> None:
        self._elapsed, self._ticked_at = self.now(), self._time()

    def _schedule(self) -> None:
        self._timer = self._loop.call_later(TICK, self._tick, context=Context())

    def _tick(self) -> None:
        # Only deadlines that had expired at the previous tick: an event loop may call its timers before it reads
        # the responses that arrived while it was busy.
        expired = [item for item in self._pending if item.expires_at <= self._elapsed]
        self._advance()
        for item in expired:
            del self._pending[item]
        self._timer = None
        if self._pending:
            self._schedule()
        for item in expired:
            item.expire()


class LatencyLimit:
    """Derives the time limit of a call from the latencies of earlier calls: four times their 99th percentile.

    Args:
        maximum: The largest limit in seconds. The smallest one is 20 ms, or `maximum` if that is less.

    Attributes:
        seconds: The limit; 100 ms until 16 calls were measured, if `maximum` permits it.
    """

    def __init__(self, maximum: float) -> None:
        self._maximum = maximum
        self._samples: deque[float] = deque(maxlen=_WINDOW)
        self._until_update = _MIN_SAMPLES
        self.seconds: float = min(_INITIAL_LIMIT, maximum)

    def record(self, seconds: float) -> None:
        """Record the latency of a call. Record the limit for a call that exceeds it, so that the limit grows."""
        self._samples.append(seconds)
        self._until_update -= 1
        # A call that takes longer than expected counts at once.
        if self._until_update <= 0 or seconds >= self.seconds:
            self._until_update = _MIN_SAMPLES
            p99 = sorted(self._samples)[-_RANK:][0]
            minimum = _MIN_LIMIT if len(self._samples) >= _MIN_SAMPLES else _INITIAL_LIMIT
            self.seconds = min(max(_FACTOR * p99, minimum), self._maximum)


async def run_with_deadline(seconds: float, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Return the result of `work`, or cancel it at the deadline.

    A deadline that the event loop notices late, because it was busy, does not prove that `work` is slow: it is
    extended once.

    Raises:
        TimeoutError: If `work` does not finish within `seconds`, or was canceled by something that it awaited.
    """
    # Not `asyncio.timeout`: redis-py can lose the cancellation on Python 3.11, and the deadline would not hold.
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    started = loop.time()
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done() and loop.time() - started > 1.5 * seconds:
            await asyncio.wait({task}, timeout=seconds)
        if not task.done() or task.cancelled():
            raise TimeoutError
        return task.result()
    finally:
        task.add_done_callback(_retrieve_exception)
        task.cancel()


def _retrieve_exception(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        task.exception()
