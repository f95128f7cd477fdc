"""The last slots for unknown credentials: no client can occupy them with many calls that take long."""

from collections.abc import Hashable
from typing import Final

from ory_guard.kratos.caller import Caller

__all__ = ["LastSlots"]

_FRACTION: Final = 32


class LastSlots:
    """Decides whether a call may take one of the last slots, from the calls in progress.

    The last 1/32 of all slots is for clients without a call in progress. The 1/32 before is for flows without one,
    because all clients have the same address if a proxy does not forward it.

    Args:
        limit: The number of slots.

    Attributes:
        count: The number of last slots.
    """

    def __init__(self, limit: int) -> None:
        self._share = limit // _FRACTION
        self.count: int = 2 * self._share
        self._calls: dict[Hashable, int] = {}  # by flow and by client

    def may_take(self, caller: Caller, free: int) -> bool:
        """Return whether a call may start.

        Args:
            caller: The credential of the call.
            free: The number of free slots.
        """
        if free > self.count:
            return True
        if caller.flow in self._calls:
            return False
        return free > self._share or caller.client not in self._calls

    def add(self, caller: Caller) -> None:
        """Record the start of a call."""
        for name in _names(caller):
            self._calls[name] = self._calls.get(name, 0) + 1

    def remove(self, caller: Caller) -> None:
        """Record the end of a call."""
        for name in _names(caller):
            if self._calls[name] > 1:
                self._calls[name] -= 1
            else:
                del self._calls[name]


def _names(caller: Caller) -> tuple[Hashable, ...]:
    _, flow, _, _, client = caller
    if flow is None or flow == client:
        return () if client is None else (client,)
    return (flow,) if client is None else (flow, client)
