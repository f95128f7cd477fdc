"""The metrics in the documentation are those that Prometheus scrapes."""

import re
from pathlib import Path

import pytest
import yaml
from scraped_metrics import scrape

from ory_guard.telemetry.metrics import COUNTERS, EVICTIONS, GAUGES, HISTOGRAMS

PAGE_FOLDER = Path(__file__).parents[2] / "docs/how-to"
PAGE = (PAGE_FOLDER / "observe.md").read_text(encoding="utf-8")


@pytest.fixture
async def scraped() -> str:
    """Return the scraped metrics after every event."""
    return await scrape()


@pytest.mark.anyio
async def test_table_has_every_metric_with_both_names(scraped: str) -> None:
    rows = dict(re.findall(r"^\| `([\w.]+)` \| `(\w+)` \|", PAGE, re.MULTILINE))

    measured = {name for name, *_ in [*COUNTERS.values(), *HISTOGRAMS.values(), EVICTIONS]}
    assert set(rows) == measured | {*GAUGES}
    assert [name for name in rows.values() if f"# TYPE {name} " not in scraped] == []


@pytest.mark.anyio
async def test_promql_examples_use_existing_metrics(scraped: str) -> None:
    examples = "\n".join(re.findall(r"^```promql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    series = re.findall(r"\b((?:ory_guard|http)_\w+?)(?=[\[{]| ==)(?:\{(\w+)=)?", examples)

    assert len(series) == 3
    for name, label in series:
        assert re.search(rf"^{name}\{{.*\b{label}=" if label else rf"^{name}\{{", scraped, re.MULTILINE), name


def test_table_of_alerts_lists_every_rule() -> None:
    rules = yaml.safe_load((PAGE_FOLDER / "../monitoring/alerts.yml").read_text(encoding="utf-8"))["groups"][0][
        "rules"
    ]

    rows = re.findall(r"^\| `(OryGuard\w+)` \| (\w+) \|", PAGE, re.MULTILINE)
    assert rows == [(rule["alert"], rule["labels"]["severity"]) for rule in rules]
