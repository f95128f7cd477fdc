"""Events as log records: a stable name, and eight hex digits in the place of a credential."""

import logging
from dataclasses import fields
from typing import Any, Final

from ory_guard.events import (
    BreakerChanged,
    Event,
    Refused,
    RevocationsHeard,
    SessionsInvalidated,
    StoreChanged,
)

__all__ = ["EventLog"]

# What happens for every request is for debugging; what an operator may look for later is not.
_TOLD: Final = (BreakerChanged, Refused, RevocationsHeard, SessionsInvalidated, StoreChanged)


class EventLog:
    """A listener that writes each event as a log record.

    The message is the event's name and its fields; the record has the name as `event.name` and each field as
    `ory_guard.<field>`, for handlers that keep structure. Refusals, revocations, and changes of breaker and store
    are INFO, everything else is DEBUG: failures have a warning of their own in the logger `ory_guard`.

    Args:
        logger: Where the records go.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def __call__(self, event: Event) -> None:
        """Write an event, where its level is enabled."""
        level = logging.INFO if isinstance(event, _TOLD) else logging.DEBUG
        if self._logger.isEnabledFor(level):
            values: dict[str, Any] = {field.name: getattr(event, field.name) for field in fields(event)}
            text = " ".join(f"{name}={_on_one_line(value)}" for name, value in values.items())
            extra = {"event.name": event.name, **{f"ory_guard.{name}": value for name, value in values.items()}}
            self._logger.log(level, "%s %s", event.name, text, extra=extra)


def _on_one_line(value: object) -> str:
    # An id that an application takes from an address may hold a line break, and with it a record of its own.
    text = str(value)
    return text if text.isprintable() else ascii(text)
