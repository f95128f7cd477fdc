"""`EventLog`: a listener that logs events, with eight hex digits in place of a credential."""

import logging
from dataclasses import fields
from typing import Any, Final

from ory_guard.events import (
    BreakerChanged,
    Event,
    RevocationLogFull,
    RevocationsDropped,
    RevocationsHeard,
    RevocationsSent,
    SessionCacheCleared,
    SessionsInvalidated,
    StoreChanged,
    WebhookReceived,
)

__all__ = ["EventLog"]

# Events that any client can cause are logged at DEBUG, the others at INFO.
_INFO_EVENTS: Final = (
    BreakerChanged,
    RevocationLogFull,
    RevocationsDropped,
    RevocationsHeard,
    RevocationsSent,
    SessionCacheCleared,
    SessionsInvalidated,
    StoreChanged,
    WebhookReceived,
)


class EventLog:
    """A listener that logs each event.

    The message contains the name and the fields of the event. For structured logging, the record also has the name
    as `event.name` and each field as `ory_guard.<field>`. Revocations, accepted webhooks and state changes of the
    circuit breaker and the store are logged at INFO, all other events at DEBUG. The logger `ory_guard` has, in
    limited numbers, warnings for failures and refusals at INFO.

    Args:
        logger: The logger for the records.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def __call__(self, event: Event) -> None:
        """Log an event if its level is enabled."""
        is_rejected = isinstance(event, WebhookReceived) and event.status >= 400
        level = logging.INFO if isinstance(event, _INFO_EVENTS) and not is_rejected else logging.DEBUG
        if self._logger.isEnabledFor(level):
            values: dict[str, Any] = {field.name: getattr(event, field.name) for field in fields(event)}
            text = " ".join(f"{name}={_escape(value)}" for name, value in values.items())
            extra = {"event.name": event.name, **{f"ory_guard.{name}": value for name, value in values.items()}}
            self._logger.log(level, "%s %s", event.name, text, extra=extra)


def _escape(value: object) -> str:
    # An ID from a URL may contain a line break, and could forge a record.
    text = str(value)
    return text if text.isprintable() else ascii(text)
