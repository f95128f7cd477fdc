"""A queue in which flows take turns, so that many requests of one kind do not delay a request of another kind."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from itertools import islice
from typing import Final, Generic, TypeVar

__all__ = ["FairQueue"]

ItemT = TypeVar("ItemT", bound=Hashable)

_MAX_EXAMINED: Final = 128
"""The maximum number of flows that `pop` examines, because one client can have thousands."""


class FairQueue(Generic[ItemT]):
    """A queue of items by flow.

    A flow that was empty comes first, as in FQ-CoDel (RFC 8290, section 4.2); the others take turns. Within a flow,
    the newest item comes first: if the queue is too long, the oldest items are too late for their deadline anyway.
    """

    def __init__(self) -> None:
        self._flows: OrderedDict[Hashable, dict[ItemT, None]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def push(self, flow: Hashable, item: ItemT) -> None:
        """Add an item to a flow."""
        items = self._flows.get(flow)
        if items is None:
            items = self._flows[flow] = {}
            self._flows.move_to_end(flow, last=False)
        items[item] = None
        self._size += 1

    def pop(self, is_allowed: Callable[[ItemT], bool] = lambda _item: True) -> ItemT | None:
        """Remove and return the next item of the first flow whose next item is allowed.

        Return None if none of the first 128 flows has one.
        """
        for flow, items in islice(self._flows.items(), _MAX_EXAMINED):
            item = next(reversed(items))
            if is_allowed(item):
                self.remove(flow, item)
                if items:
                    self._flows.move_to_end(flow)
                return item
        return None

    def remove(self, flow: Hashable, item: ItemT) -> None:
        """Remove an item of a flow."""
        items = self._flows[flow]
        del items[item]
        self._size -= 1
        if not items:
            del self._flows[flow]
