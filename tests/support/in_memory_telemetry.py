"""In-memory providers for metrics and spans."""

from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ory_guard import OryGuard
from ory_guard.telemetry import instrument

SERVER = {"server.address": "kratos.test", "server.port": 4433}


class InMemoryTelemetry:
    """In-memory providers for metrics and spans, with queries for tests."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self._exporter = InMemorySpanExporter()
        self.meters = MeterProvider([self._reader])
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.tracers.get_tracer("application")

    def instrument(self, guard: OryGuard, **options: Any) -> Any:
        """Instrument a guard."""
        return instrument(guard, meter_provider=self.meters, tracer_provider=self.tracers, **options)

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """Return the data points of a metric, with their attributes."""
        data = self._reader.get_metrics_data()
        metrics = [
            metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
        ]
        return [(dict(point.attributes or {}), point) for metric in metrics for point in metric.data.data_points]

    def values(self, name: str, by: str) -> dict[Any, float]:
        """Return a metric's values by one of its attributes."""
        return {attributes.get(by): point.value for attributes, point in self.points(name)}

    def spans(self) -> Sequence[ReadableSpan]:
        """Return the finished spans."""
        return self._exporter.get_finished_spans()

    def whoami_spans(self) -> list[ReadableSpan]:
        """Return the spans of requests to Kratos."""
        return [span for span in self.spans() if span.name == "GET /sessions/whoami"]

    def close(self) -> None:
        """Shut down both providers."""
        self.meters.shutdown()
        self.tracers.shutdown()
