"""What a guard does, as OpenTelemetry metrics and spans and as log records (extra `otel`).

All of it is made of the guard's events (`ory_guard.events`): a guard that is not instrumented makes none, and no
request pays for what is not used. Of a credential nothing goes out but eight hex digits of its hash, of an identity
nothing but its id, in the record of its invalidation.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Final

from ory_guard.events import Event
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard import OryGuard
from ory_guard.telemetry.event_log import EventLog

try:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from ory_guard.telemetry.metrics import GuardMetrics
    from ory_guard.telemetry.tracing import GuardSpans
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"ory_guard.telemetry needs {error.name}: install the extra with pip install 'ory-guard[otel]'",
        name=error.name,
    ) from None

__all__ = ["EventLog", "instrument"]

_LOGGER: Final = logging.getLogger("ory_guard.events")


class _Instruments:
    """Everything that listens to one guard."""

    def __init__(self, *listeners: Callable[[Event], None]) -> None:
        self._listeners = listeners

    def __call__(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)


def instrument(
    guard: OryGuard,
    *,
    meter_provider: MeterProvider | None = None,
    tracer_provider: TracerProvider | None = None,
    logger: logging.Logger | None = _LOGGER,
    attributes: Mapping[str, str] | None = None,
) -> Callable[[], None]:
    """Report what a guard does from now on; calling what is returned ends that.

    Args:
        guard: The guard.
        meter_provider: Where metrics go; the global provider unless given.
        tracer_provider: Where spans go; the global provider unless given.
        logger: Where records go; None for no records.
        attributes: What tells this guard from others, on every metric and span.

    Raises:
        ConfigurationError: The guard is instrumented already.
    """
    if any(isinstance(listener, _Instruments) for listener in guard.listeners):
        raise ConfigurationError("instrument() was called for this guard before: everything would count twice")
    metrics = GuardMetrics(guard, meter_provider, attributes or {})
    spans = GuardSpans(guard, tracer_provider, attributes or {})
    records = () if logger is None else (EventLog(logger),)
    remove = guard.listeners.add(_Instruments(metrics, spans, *records))

    def stop() -> None:
        remove()
        metrics.close()

    return stop
