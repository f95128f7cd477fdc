"""An open socket or stream that ends with its session.

A websocket or an event stream can outlive the session that opened it. A watch asks again while it is open, and
ends it when the session has ended or no longer meets what the route asked for.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from math import inf
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from weakref import WeakSet, WeakValueDictionary

from ory_guard._event_loop import current_task_cancelled
from ory_guard.exceptions import ConfigurationError, Refusal, SessionCheckUnavailable
from ory_guard.models.outcomes import Outcome, SessionAuth, Unavailable

__all__ = ["Look", "Looks", "Recheck", "Watch", "Watches"]

ItemT = TypeVar("ItemT")

Recheck = Callable[[], Awaitable[float | Refusal]]
"""Returns the seconds until the next look, or why the connection must end."""

_SESSION_ENDED: Final = 1008  # RFC 6455, section 7.4.1: policy violation
_TRY_AGAIN_LATER: Final = 1013  # IANA's registry of close codes
_AGAIN: Final = 1.0


class Watch:
    """An asynchronous context manager: its block runs until it is done, or until the session ends.

    In the latter case the block is cancelled at its next `await`, and again in each second that it goes on: a
    cancellation can be lost (in Python 3.11 by `asyncio.wait_for`, python/cpython#86296). Then a websocket is
    closed (1008, or 1013 where Kratos could not be asked for too long), and the code after the block goes on;
    `refusal` says why. What a condition of the application's own raises ends the block, too: it raises that, or
    RuntimeError where something that the condition waited for was cancelled.

    Args:
        connection: The websocket or request.
        recheck: Looks at the session again.
        woken: Is set when sessions were invalidated, so that nobody waits for the next look.

    Attributes:
        refusal: Why the block was ended, or None.
    """

    def __init__(self, connection: Any, recheck: Recheck, woken: asyncio.Event) -> None:
        self._connection = connection
        self._recheck = recheck
        self._woken = woken
        self._watcher: asyncio.Task[None] | None = None
        self._watched: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._cancellations = 0
        self._fault: Exception | None = None
        self.refusal: Refusal | None = None

    async def __aenter__(self) -> Self:
        self._follow()
        self._watcher = asyncio.get_running_loop().create_task(self._look_on())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        assert self._watcher is not None  # noqa: S101 - __aenter__ made it
        self._watcher.cancel()
        if not self._is_over:
            return False
        ours = self._take_back() and kind is asyncio.CancelledError
        if self._fault is not None and (ours or kind is None):
            raise self._fault from None
        if self._connection.scope["type"] == "websocket":
            code = _TRY_AGAIN_LATER if isinstance(self.refusal, SessionCheckUnavailable) else _SESSION_ENDED
            with suppress(Exception):  # it was closed meanwhile, or lost
                await self._connection.close(code)
        return ours

    async def stream(self, source: AsyncIterable[ItemT]) -> AsyncIterator[ItemT]:
        """Yield from `source` until it is done, or until the session ends; for event streams.

        Each item may be waited for in another task, as it is where heartbeats are added.
        """
        async with self:
            async for item in source:
                yield item
                self._follow()
                if self._is_over:
                    break

    @property
    def _is_over(self) -> bool:
        return self.refusal is not None or self._fault is not None

    def _follow(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        if task is not self._watched:
            self._watched, self._cancelling, self._cancellations = task, task.cancelling(), 0

    def _take_back(self) -> bool:
        """Take our cancellations back, and tell whether there was no other, as `asyncio.timeout` does."""
        task = asyncio.current_task()
        if task is None or task is not self._watched:
            return False
        for _ in range(self._cancellations):
            task.uncancel()
        return task.cancelling() <= self._cancelling

    async def _look_on(self) -> None:
        while (
            not self._is_over and not current_task_cancelled()
        ):  # a condition of the application's own can lose that
            await self._look()
        while self._is_over and self._watched is not None and not self._watched.done():
            self._cancellations += 1
            self._watched.cancel()
            await asyncio.sleep(_AGAIN)

    async def _look(self) -> None:
        self._woken.clear()  # before the look: what comes during it is looked at again
        try:
            found = await self._recheck()
        except (Exception, asyncio.CancelledError) as fault:  # noqa: BLE001 - whatever breaks a look, nobody stays
            if not current_task_cancelled():
                cancelled = RuntimeError("what a look at the session waited for was cancelled")
                self._fault = fault if isinstance(fault, Exception) else cancelled
            return
        if current_task_cancelled():
            return
        if isinstance(found, Refusal):
            self.refusal = found
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(found):
                await self._woken.wait()


class Watches:
    """The watches of one guard."""

    def __init__(self) -> None:
        self._events: WeakSet[asyncio.Event] = WeakSet()

    def open(self, connection: Any, recheck: Recheck, every: float) -> Watch:
        """Return a new watch.

        Raises:
            ConfigurationError: If `every` is not above 0.
        """
        if not every > 0:
            raise ConfigurationError(f"every: {every!r} is not allowed: use seconds above 0")
        invalidated = asyncio.Event()
        self._events.add(invalidated)
        return Watch(connection, recheck, invalidated)

    def wake(self) -> None:
        """Have every watch check its session now."""
        for invalidated in list(self._events):
            invalidated.set()


_RETRY_AFTER = 1.0


class Look:
    """The newest answer that any of the connections got, and whether asking failed since.

    It is kept by the connections themselves: with the last of them it is gone.

    Attributes:
        outcome: The answer.
        view: What applications see of it.
        asked_at: When the question was sent, on the monotonic clock.
    """

    def __init__(self) -> None:
        self.outcome: Outcome | None = None
        self.view: SessionAuth | None = None
        self.asked_at: float = -inf
        self._failure: Unavailable | None = None
        self._retry_at = -inf

    def learn(self, outcome: Outcome | None, view: SessionAuth | None, asked_at: float) -> None:
        """Take over an answer, if it is one, and newer."""
        if outcome is not None and not isinstance(outcome, Unavailable) and asked_at > self.asked_at:
            self.outcome, self.asked_at = outcome, asked_at
            self.view = SessionAuth(outcome) if view is None else view

    def fail(self, failure: Unavailable, now: float) -> None:
        """Note that Kratos could not be asked."""
        self._failure, self._retry_at = failure, now + _RETRY_AFTER

    def failure(self, now: float) -> Unavailable | None:
        """Return why Kratos could not be asked a moment ago, or None where it is time to try."""
        return self._failure if now < self._retry_at else None

    def until_retry(self, now: float) -> float:
        """Return the seconds after which it is time to try again."""
        return max(self._retry_at - now, 0.0)


class Looks:
    """The looks of all credentials with open connections."""

    def __init__(self) -> None:
        self._looks: WeakValueDictionary[bytes, Look] = WeakValueDictionary()

    def of(self, key: bytes) -> Look:
        """Return the look of a credential, a new one where no connection has any."""
        look = self._looks.get(key)
        if look is None:
            look = self._looks[key] = Look()
        return look
