"""The metrics in the documentation are those that Prometheus scrapes."""

import asyncio
import re
from pathlib import Path

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, generate_latest
from support.guard_bench import Bench, request
from support.scripted_kratos import signed_in

from ory_guard.events import (
    CheckFailed,
    CheckShared,
    RevocationLogFull,
    RevocationsDropped,
    RevocationsHeard,
    RevocationsSent,
    SessionCacheCleared,
    SessionsInvalidated,
    StoreCalled,
    StoreChanged,
    StoreHit,
    TokenVerified,
    WebhookReceived,
    notify,
)
from ory_guard.exceptions import Refusal
from ory_guard.telemetry import instrument
from ory_guard.telemetry.metrics import COUNTERS, EVICTIONS, GAUGES, HISTOGRAMS

PAGE = (Path(__file__).parents[2] / "docs/how-to/observe.md").read_text(encoding="utf-8")


@pytest.fixture
async def scraped() -> str:
    """Return the scraped metrics after every event."""
    bench = Bench(signed_in(), max_sessions=1)
    provider = MeterProvider([PrometheusMetricReader()])
    instrument(bench.guard, meter_provider=provider)
    await bench.outcome()
    await bench.outcome()
    await bench.outcome((b"x-session-token", b"ory_st_other"))
    with pytest.raises(Refusal):
        await bench.guard.require({**request(), "headers": []})
    for event in (
        CheckShared("0a1b2c3d"),
        CheckFailed("0a1b2c3d", "timeout", 2.0),
        SessionsInvalidated("s", None),
        RevocationsHeard(1, 0.1),
        SessionCacheCleared(1),
        StoreCalled("get", 0.1, "TimeoutError"),
        RevocationsSent(1),
        RevocationLogFull(2, 1.0),
        RevocationsDropped(1),
        StoreHit("0a1b2c3d", 1.0),
        StoreChanged("up", ""),
        TokenVerified("0a1b2c3d", "Authenticated"),
        WebhookReceived(401),
    ):
        notify(bench.guard.listeners, event)
    await asyncio.sleep(0)
    text = generate_latest(REGISTRY).decode()
    provider.shutdown()
    return text


@pytest.mark.anyio
async def test_table_has_every_metric_with_both_names(scraped: str) -> None:
    """Each metric has a row, and the Prometheus name of the row is scraped."""
    rows = dict(re.findall(r"^\| `([\w.]+)` \| `(\w+)` \|", PAGE, re.MULTILINE))

    measured = {name for name, *_ in [*COUNTERS.values(), *HISTOGRAMS.values(), EVICTIONS]}
    assert set(rows) == measured | {*GAUGES}
    assert [name for name in rows.values() if f"# TYPE {name} " not in scraped] == []


@pytest.mark.anyio
async def test_promql_examples_use_existing_metrics(scraped: str) -> None:
    """Every series and label of the examples is scraped."""
    examples = "\n".join(re.findall(r"^```promql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    series = re.findall(r"\b((?:ory_guard|http)_\w+?)(?=[\[{]| ==)(?:\{(\w+)=)?", examples)

    assert len(series) == 6
    for name, label in series:
        assert re.search(rf"^{name}\{{.*\b{label}=" if label else rf"^{name}\{{", scraped, re.MULTILINE), name
