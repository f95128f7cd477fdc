"""The state of the shared store, and the limit for the number of its events."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from math import inf
from time import monotonic
from typing import Final

from ory_guard.events import StoreChanged

__all__ = ["StoreState"]

_MIN_INTERVAL: Final = 1.0


class StoreState:
    """Emits the changes of the state, at most once a second.

    A store that fails and recovers within that time is reported only if its state differs at the end.

    Args:
        emit: Emits an event.

    Attributes:
        ready: Whether requests use the store; None before the first change.
    """

    def __init__(self, emit: Callable[[StoreChanged], None]) -> None:
        self._emit = emit
        self._latest: StoreChanged | None = None
        self._emitted_state = ""
        self._emitted_at = -inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_loop: asyncio.AbstractEventLoop | None = None
        self.ready: bool | None = None

    def set_ready(self, ready: bool, reason: str) -> None:
        """Emit an event if the state has changed: now, or at the end of the interval."""
        if ready == self.ready:
            return
        self.ready = ready
        self._latest = StoreChanged("up" if ready else "down", reason)
        loop = asyncio.get_running_loop()
        seconds = self._emitted_at + _MIN_INTERVAL - monotonic()
        if seconds <= 0:
            self._report()
        elif self._timer is None or self._timer_loop is not loop:  # an event loop can end before its timers
            self._timer, self._timer_loop = loop.call_later(seconds, self._report, context=Context()), loop

    def _report(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        event = self._latest
        if event is not None and event.state != self._emitted_state:
            self._emitted_state, self._emitted_at = event.state, monotonic()
            self._emit(event)
