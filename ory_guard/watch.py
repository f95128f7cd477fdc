"""An open socket or stream that ends with its session.

A websocket or an event stream can outlive the session that opened it. A watch asks again while it is open, and
ends it when the session has ended or no longer meets what the route asked for.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from ory_guard.exceptions import Refusal, SessionCheckUnavailable

__all__ = ["Recheck", "Watch"]

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
    `refusal` says why. What a condition of the application's own raises ends the block, too: it raises that.

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
        self._fault: Exception | None = None
        self._cancellations = 0
        self.refusal: Refusal | None = None

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._watcher = asyncio.get_running_loop().create_task(self._look_on(task))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        assert self._watcher is not None  # noqa: S101 - __aenter__ made it
        self._watcher.cancel()
        if self.refusal is None and self._fault is None:
            return False
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - as in __aenter__
        # Like asyncio.timeout: only the cancellations that are ours are taken back.
        for _ in range(self._cancellations):
            task.uncancel()
        ours = task.cancelling() == 0 and kind is asyncio.CancelledError
        if self._fault is not None and ours:
            raise self._fault from None
        if self._connection.scope["type"] == "websocket":
            code = _TRY_AGAIN_LATER if isinstance(self.refusal, SessionCheckUnavailable) else _SESSION_ENDED
            with suppress(RuntimeError):  # it was closed meanwhile
                await self._connection.close(code)
        return ours

    async def stream(self, source: AsyncIterable[ItemT]) -> AsyncIterator[ItemT]:
        """Yield from `source` until it is done, or until the session ends; for event streams."""
        async with self:
            async for item in source:
                yield item

    async def _look_on(self, watched: asyncio.Task[Any]) -> None:
        while True:
            self._woken.clear()  # before the look: what comes during it is looked at again
            try:
                found = await self._recheck()
            except Exception as fault:  # noqa: BLE001 - whatever breaks a look, the connection is not left open
                self._fault = fault
                break
            if isinstance(found, Refusal):
                self.refusal = found
                break
            with suppress(TimeoutError):
                async with asyncio.timeout(found):
                    await self._woken.wait()
        while True:
            self._cancellations += 1
            watched.cancel()
            await asyncio.sleep(_AGAIN)
