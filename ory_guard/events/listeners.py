"""Listeners, which receive the events of a guard, and the log records of some events."""

import inspect
import logging
from collections.abc import Callable, Iterable
from dataclasses import fields

from ory_guard.events.event_types import (
    BreakerChanged,
    Event,
    RevocationLogFull,
    RevocationsDropped,
    StoreChanged,
)

__all__ = [
    "Listener",
    "Listeners",
    "is_listener",
    "log_event",
    "notify",
]

_log = logging.getLogger("ory_guard")

Listener = Callable[[Event], None]


class Listeners(list[Listener]):
    """The listeners of a guard. A list, so that the test for any listener costs next to nothing."""

    def add(self, listener: Listener) -> Callable[[], None]:
        """Add a listener, and return a function that removes it.

        Raises:
            TypeError: If it is not a function, or is an async function, which would never run.
        """
        if not is_listener(listener):
            raise TypeError(f"a listener must be a function that is not async; {type(listener).__name__} is not")
        self.append(listener)

        def remove() -> None:
            self[:] = [other for other in self if other is not listener]

        return remove


def is_listener(value: object) -> bool:
    """Return whether a value can be called with an event, and is not async."""
    is_async = inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(type(value).__call__)
    return callable(value) and not is_async


def notify(listeners: Iterable[Listener], event: Event) -> None:
    """Call every listener with `event`. Exceptions of listeners are logged."""
    for listener in tuple(listeners):  # a listener may add or remove one
        try:
            listener(event)
        except Exception as error:  # noqa: BLE001 - a listener must not affect the request
            _log.warning("listener.failed event=%s error=%s", event.name, type(error).__name__)


def log_event(event: BreakerChanged | RevocationLogFull | RevocationsDropped | StoreChanged) -> None:
    """Log an event of interest to operators to the logger `ory_guard`, even if the guard has no listeners."""
    match event:
        case RevocationsDropped():
            level = logging.ERROR
        case BreakerChanged(state="closed") | StoreChanged(state="up"):
            level = logging.INFO
        case _:
            level = logging.WARNING
    values = " ".join(f"{field.name}={getattr(event, field.name)}" for field in fields(event))
    _log.log(level, "%s %s", event.name, values)
