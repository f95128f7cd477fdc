"""The open watches by the ids of their sessions, so that a logout wakes only the watches that it concerns."""

import asyncio
from collections.abc import Iterable
from weakref import WeakSet, WeakValueDictionary

__all__ = ["WatchIndex", "WatchSubscription"]


class _Subscribers:
    """The events of the watches of one id. The subscriptions hold the only strong references to it."""

    __slots__ = ("__weakref__", "events")

    def __init__(self) -> None:
        self.events: WeakSet[asyncio.Event] = WeakSet()


class WatchSubscription:
    """The ids of one watch; it ends with its last reference.

    Args:
        index: The index of the guard.

    Attributes:
        invalidated: An event that is set when one of the ids is revoked.
    """

    def __init__(self, index: "WatchIndex") -> None:
        self._index = index
        self._ids: tuple[str, ...] = ()
        self._subscribers: tuple[_Subscribers, ...] = ()
        self.invalidated: asyncio.Event = asyncio.Event()

    def update(self, ids: tuple[str, ...]) -> bool:
        """Replace the ids, and return whether they have changed."""
        if ids == self._ids:
            return False
        for subscribers in self._subscribers:
            subscribers.events.discard(self.invalidated)
        self._ids, self._subscribers = ids, self._index.subscribe(self.invalidated, ids)
        return True


class WatchIndex:
    """The events of all open watches, by the ids of sessions and identities."""

    def __init__(self) -> None:
        self._by_id: WeakValueDictionary[str, _Subscribers] = WeakValueDictionary()
        self._events: WeakSet[asyncio.Event] = WeakSet()

    def __len__(self) -> int:
        return len(self._by_id)

    def open(self, ids: tuple[str, ...]) -> WatchSubscription:
        """Return a new subscription to these ids."""
        subscription = WatchSubscription(self)
        self._events.add(subscription.invalidated)
        subscription.update(ids)
        return subscription

    def subscribe(self, event: asyncio.Event, ids: tuple[str, ...]) -> tuple[_Subscribers, ...]:
        """Add an event for each of the ids, and return the objects that keep it there."""
        found = []
        for name in ids:
            subscribers = self._by_id.get(name)
            if subscribers is None:
                subscribers = self._by_id[name] = _Subscribers()
            subscribers.events.add(event)
            found.append(subscribers)
        return tuple(found)

    def wake(self, ids: Iterable[str] | None) -> None:
        """Set the events of these ids, or all events if `ids` is None."""
        if ids is None:
            _set_all(self._events)
            return
        for name in ids:
            subscribers = self._by_id.get(name)
            if subscribers is not None:
                _set_all(subscribers.events)


def _set_all(events: Iterable[asyncio.Event]) -> None:
    for event in list(events):
        event.set()
