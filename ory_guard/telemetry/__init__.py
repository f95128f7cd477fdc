"""OpenTelemetry metrics and spans, and log records, from the events of a guard (extra `otel`).

A guard without `instrument` creates no events (`ory_guard.events`), so telemetry costs a request nothing unless it
is used. Telemetry contains no credentials, only eight hex digits of their hash, and no data of identities, only
their ID in the record of an invalidation.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Final

from ory_guard.events import Event
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.guard import OryGuard
from ory_guard.telemetry.event_log import EventLog

try:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from ory_guard.telemetry.metrics import GuardMetrics
    from ory_guard.telemetry.tracing import GuardSpans
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"ory_guard.telemetry needs {_error.name}: install the extra with pip install 'ory-guard[otel]'",
        name=_error.name,
    ) from None

__all__ = ["EventLog", "instrument"]

_LOGGER: Final = logging.getLogger("ory_guard.events")


class _Instrumentation:
    """The listeners of one instrumented guard."""

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
    """Report the events of a guard as metrics, spans and log records.

    Args:
        guard: The guard to instrument.
        meter_provider: The provider for metrics; None for the global provider.
        tracer_provider: The provider for spans; None for the global provider.
        logger: The logger for records; None for no records.
        attributes: Attributes for every metric and span, to distinguish several guards.

    Returns:
        A function that stops the reporting.

    Raises:
        ConfigurationError: If the guard is already instrumented.
    """
    if any(isinstance(listener, _Instrumentation) for listener in guard.listeners):
        raise ConfigurationError("the guard is already instrumented; call instrument() once per guard")
    metrics = GuardMetrics(guard, meter_provider, attributes or {})
    spans = GuardSpans(guard, tracer_provider, attributes or {})
    event_log = () if logger is None else (EventLog(logger),)
    remove = guard.listeners.add(_Instrumentation(metrics, spans, *event_log))

    def stop() -> None:
        remove()
        metrics.close()

    return stop
