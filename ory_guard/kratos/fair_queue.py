"""A queue in which clients take turns, so that the requests of one client do not delay those of another."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from itertools import islice
from typing import Final, Generic, TypeVar

__all__ = ["FairQueue"]

ItemT = TypeVar("ItemT", bound=Hashable)

_MAX_EXAMINED: Final = 128
"""The maximum number of items that an operation examines, because strangers can queue thousands."""

_MANY: Final = 32
"""A client with more items has many. At most 124 clients have, because at most 4,096 items wait."""

_MAX_SERVED: Final = 4_096
"""The number of clients that are remembered after their turn."""


class FairQueue(Generic[ItemT]):
    """A queue of items by client and by flow.

    Clients take turns, and a new client comes first (RFC 8290, section 4.2). It is no longer new after its turn, or
    clients that always have one item would delay all others. Within a client, flows take turns, because all clients
    have the same address if a proxy does not forward it. Within a flow, the newest item comes first: if the queue
    is too long, the oldest items are too late for their deadline anyway.
    """

    def __init__(self) -> None:
        self._clients: OrderedDict[Hashable, _Flows[ItemT]] = OrderedDict()
        self._served: OrderedDict[Hashable, None] = OrderedDict()
        self._with_many: dict[Hashable, None] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def push(self, client: Hashable, flow: Hashable, item: ItemT) -> None:
        """Add an item."""
        flows = self._clients.get(client)
        if flows is None:
            flows = self._clients[client] = _Flows()
            self._clients.move_to_end(client, last=client in self._served)
        flows.push(flow, item)
        self._size += 1
        if len(flows) > _MANY:
            self._with_many[client] = None

    def pop(self, is_allowed: Callable[[ItemT], bool] = lambda _item: True) -> ItemT | None:
        """Remove and return the next allowed item; None if none of the next 128 is allowed.

        A client or a flow without an allowed item loses its turn.
        """
        for _ in range(min(_MAX_EXAMINED, len(self._clients))):
            client, flows = next(iter(self._clients.items()))
            self._clients.move_to_end(client)
            for flow, item in flows.take_turns(max(_MAX_EXAMINED // len(self._clients), 1)):
                if is_allowed(item):
                    self.remove(client, flow, item)
                    self._record_served(client)
                    return item
        return None

    def _record_served(self, client: Hashable) -> None:
        self._served[client] = None
        self._served.move_to_end(client)
        if len(self._served) > _MAX_SERVED:
            self._served.popitem(last=False)

    def pop_surplus(self, client: Hashable) -> ItemT:
        """Remove and return an item of a client with many items.

        Args:
            client: The client that has added an item. If no client has more than 32 items, it loses one if it
                has more than each of the last 128 clients.
        """
        names = islice(self._with_many or reversed(self._clients), _MAX_EXAMINED)
        sizes = {name: len(self._clients[name]) for name in names}
        most = max(sizes, key=sizes.__getitem__)
        if len(self._clients[client]) > sizes[most]:
            most = client
        flow, item = self._clients[most].last_item()
        self.remove(most, flow, item)
        return item

    def remove(self, client: Hashable, flow: Hashable, item: ItemT) -> None:
        """Remove an item."""
        flows = self._clients[client]
        flows.remove(flow, item)
        self._size -= 1
        if len(flows) == _MANY:
            del self._with_many[client]
        if not flows:
            del self._clients[client]


class _Flows(Generic[ItemT]):
    """The items of one client by flow."""

    __slots__ = ("_flows", "_size")

    def __init__(self) -> None:
        self._flows: OrderedDict[Hashable, dict[ItemT, None]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def push(self, flow: Hashable, item: ItemT) -> None:
        items = self._flows.get(flow)
        if items is None:
            items = self._flows[flow] = {}
            self._flows.move_to_end(flow, last=False)
        items[item] = None
        self._size += 1

    def take_turns(self, count: int) -> Iterator[tuple[Hashable, ItemT]]:
        for _ in range(min(count, len(self._flows))):
            flow = next(iter(self._flows))
            self._flows.move_to_end(flow)
            yield flow, next(reversed(self._flows[flow]))

    def last_item(self) -> tuple[Hashable, ItemT]:
        flow = next(reversed(self._flows))
        return flow, next(iter(self._flows[flow]))

    def remove(self, flow: Hashable, item: ItemT) -> None:
        items = self._flows[flow]
        del items[item]
        self._size -= 1
        if not items:
            del self._flows[flow]
