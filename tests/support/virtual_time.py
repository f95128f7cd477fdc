"""An event loop whose clock does not depend on the speed of the machine.

Only waiting takes time. When no callback is ready, the clock moves to the next timer, so a timeout ends at
once, and a short sleep lets all tasks run until they wait. While there are sockets, or threads that the test
has started, the event loop waits in real time.
"""

import asyncio
import selectors
import threading
import time
from typing import Any, Final

__all__ = ["VIRTUAL_TIME", "VirtualTimeLoop"]

_TURN: Final = 1e-6
"""The seconds of a turn of the event loop in which callbacks run."""


class _VirtualTimeSelector(selectors.DefaultSelector):
    """A selector that adds up waits instead of waiting.

    Attributes:
        now: The time in seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0
        self._other_threads = set(threading.enumerate())

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return the ready sockets."""
        if timeout is None or self._waits_for_others():
            started = time.monotonic()
            ready = super().select(timeout)
            self.now += time.monotonic() - started
            return ready
        ready = super().select(0)
        if not ready:
            self.now += max(timeout, _TURN)
        return ready

    def _waits_for_others(self) -> bool:
        # The event loop itself has one socket, by which threads wake it.
        return len(self.get_map()) > 1 or not self._other_threads.issuperset(threading.enumerate())


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own."""

    def __init__(self) -> None:
        self._clock = _VirtualTimeSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        """Return the seconds since an arbitrary moment."""
        return self._clock.now


VIRTUAL_TIME: Final[tuple[str, dict[str, Any]]] = "asyncio", {"loop_factory": VirtualTimeLoop}
"""The backend of anyio's plugin."""
