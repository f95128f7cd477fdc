"""Log records about problems of the configuration that the pages notice."""

import logging
from typing import Final

from ory_guard.models.clock import Clock

__all__ = ["OperatorLog"]

_log = logging.getLogger("ory_guard")

_INTERVAL: Final = 60.0
"""Seconds between two records of the same problem."""


class OperatorLog:
    """Logs each problem at most once a minute.

    Args:
        clock: The clock of the guard.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next: dict[str, float] = {}

    def warning(self, message: str, *arguments: object) -> None:
        """Log a message with its arguments, unless the same message was logged within the last minute."""
        now = self._clock.monotonic()
        if now >= self._next.get(message, now):
            self._next[message] = now + _INTERVAL
            _log.warning(message, *arguments)
