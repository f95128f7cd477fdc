"""An event loop whose clock does not depend on the speed of the machine.

When no callback is ready, the clock moves to the next timer: a timeout of any length takes no time. Sockets and
threads do not stop the clock, so tests that wait for them need a real event loop.
"""

import asyncio
import selectors
from typing import Any, Final

__all__ = ["VIRTUAL_TIME", "VirtualTimeLoop"]


_TURN: Final = 1e-5
"""The seconds of a turn of the event loop in which callbacks run."""


class _VirtualTimeSelector(selectors.DefaultSelector):
    """A selector that adds up waits instead of waiting.

    Attributes:
        waited: The seconds of all waits.
    """

    waited = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return the ready sockets."""
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self.waited += max(timeout, _TURN)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own, which starts at 1,000 seconds."""

    def __init__(self) -> None:
        self._clock = _VirtualTimeSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        """Return the seconds that have passed."""
        return 1_000.0 + self._clock.waited


VIRTUAL_TIME: tuple[str, dict[str, Any]] = "asyncio", {"loop_factory": VirtualTimeLoop}
"""The backend of anyio's plugin for tests in virtual time."""
