"""The page about telemetry names what Prometheus really gets."""

import asyncio
import re
from pathlib import Path

import pytest
from guard_bench import Bench, request
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, generate_latest
from stub_kratos import signed_in

from ory_guard.events import (
    CheckFailed,
    CheckShared,
    RevocationsHeard,
    SessionsInvalidated,
    StoreChanged,
    StoreHit,
    TokenVerified,
    notify,
)
from ory_guard.exceptions import Refusal
from ory_guard.telemetry import instrument
from ory_guard.telemetry.metrics import COUNTERS, DURATION, LEVELS

PAGE = (Path(__file__).parent.parent / "docs/how-to/observe.md").read_text(encoding="utf-8")


@pytest.fixture
async def scraped() -> str:
    """What Prometheus gets once everything has happened."""
    registry = CollectorRegistry()
    bench = Bench(signed_in())
    provider = MeterProvider([PrometheusMetricReader(registry=registry)])
    instrument(bench.guard, meter_provider=provider)
    await bench.outcome()
    await bench.outcome()
    with pytest.raises(Refusal):
        await bench.guard.require({**request(), "headers": []})
    for event in (
        CheckShared("0a1b2c3d"),
        CheckFailed("0a1b2c3d", "timeout", 2.0),
        SessionsInvalidated("s", None),
        RevocationsHeard(1),
        StoreHit("0a1b2c3d", 1.0),
        StoreChanged("up", ""),
        TokenVerified("0a1b2c3d", "Authenticated"),
    ):
        notify(bench.guard.listeners, event)
    await asyncio.sleep(0)
    text = generate_latest(registry).decode()
    provider.shutdown()
    return text


@pytest.mark.anyio
async def test_the_table_has_every_metric_under_both_names(scraped: str) -> None:
    """A row for each, and each row's Prometheus name is scraped."""
    rows = dict(re.findall(r"^\| `([\w.]+)` \| `(\w+)` \|", PAGE, re.MULTILINE))

    assert set(rows) == {name for name, _, _ in COUNTERS.values()} | {*LEVELS, DURATION}
    assert [name for name in rows.values() if f"# TYPE {name} " not in scraped] == []


@pytest.mark.anyio
async def test_the_questions_ask_for_what_is_there(scraped: str) -> None:
    """Every series and label in the examples of PromQL is scraped."""
    questions = "\n".join(re.findall(r"^```promql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    series = re.findall(r"\b((?:ory_guard|http)_\w+?)(?=[\[{]| ==)(?:\{(\w+)=)?", questions)

    assert len(series) == 5
    for name, label in series:
        assert re.search(rf"^{name}\{{.*\b{label}=" if label else rf"^{name}\{{", scraped, re.MULTILINE), name
