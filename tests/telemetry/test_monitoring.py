"""The alert rules and the Grafana dashboard use metrics and labels that a guard exports."""

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from scraped_metrics import scrape

from ory_guard.telemetry.metrics import COUNTERS, EVICTIONS, GAUGES, HISTOGRAMS

MONITORING = Path(__file__).parents[2] / "docs/monitoring"
ALERTS = yaml.safe_load((MONITORING / "alerts.yml").read_text(encoding="utf-8"))
RULES: list[dict[str, Any]] = ALERTS["groups"][0]["rules"]
ALERT_TESTS = yaml.safe_load((Path(__file__).parent / "alerts_test.yml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((MONITORING / "grafana-dashboard.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS: list[dict[str, Any]] = [target for panel in PANELS for target in panel["targets"]]
PROMTOOL = shutil.which("promtool")
FROM_PROMETHEUS = {"job", "instance", "le"}

Labels = dict[str, set[str]]


@pytest.fixture
async def exported() -> dict[str, Labels]:
    """Return the exported series: the values of each label by name."""
    series: dict[str, Labels] = {}
    for name, labels in re.findall(r"^(\w+)\{(.*)\} ", await scrape(), re.MULTILINE):
        for label, value in re.findall(r'(\w+)="([^"]*)"', labels):
            series.setdefault(name, {}).setdefault(label, set()).add(value)
    return series


def faults_of(expression: str, exported: dict[str, Labels]) -> list[str]:
    """Return the metrics, labels and values of a PromQL expression that are not exported."""
    grouped = {
        label for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in re.split(r", *", group)
    } | set(re.findall(r"label_values\(\w+, (\w+)\)", expression))
    expression = re.sub(r"\bby \([^)]*\)", "", expression)
    selectors = re.findall(r"\b((?:ory_guard|http)_\w+)(?:\{([^}]*)\})?", re.sub(r", \w+\)$", ")", expression))
    found = {label for name, _ in selectors for label in exported.get(name, ())} | FROM_PROMETHEUS
    faults = [f"label {label}" for label in sorted(grouped - found)]
    faults += ["no metric"] if not selectors else []
    for name, matchers in selectors:
        labels = exported.get(name)
        if labels is None:
            faults.append(f"metric {name}")
            continue
        for label, operator, value in re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', matchers):
            if label not in FROM_PROMETHEUS and not (
                value in labels.get(label, ()) or (operator != "=" and label in labels)
            ):
                faults.append(f"{name}: {label}={value}")
    return faults


@pytest.mark.anyio
async def test_rules_and_panels_use_exported_series(exported: dict[str, Labels]) -> None:
    """Names, labels and values, also in the unit tests of the rules."""
    series = [each["series"] for test in ALERT_TESTS["tests"] for each in test["input_series"]]
    # The scraped guard has not reported each value that the unit tests use.
    inputs = [each.replace('="', '=~"') for each in series]
    variables = [each["definition"] for each in DASHBOARD["templating"]["list"] if "definition" in each]
    expressions = [*(rule["expr"] for rule in RULES), *(target["expr"] for target in TARGETS), *variables, *inputs]

    faults = {text: found for text in expressions if (found := faults_of(text, exported))}
    assert faults == {}
    assert len(expressions) > 80


def test_dashboard_shows_every_metric() -> None:
    """A histogram is shown by its buckets or its count, a counter with the suffix of Prometheus."""
    shown = set(re.findall(r"\b(?:ory_guard|http_client)_\w+(?=\{)", " ".join(one["expr"] for one in TARGETS)))
    counters = {name for name, *_ in COUNTERS.values()} | {EVICTIONS[0]}
    histograms = {name for name, _ in HISTOGRAMS.values()}
    expected = (
        {f"{name}_total" for name in counters} | {f"{name}_seconds_bucket" for name in histograms} | {*GAUGES}
    )

    assert {name.replace(".", "_") for name in expected} - shown == set()


def test_dashboard_is_complete_and_panels_do_not_overlap() -> None:
    boxes = [(panel["gridPos"], panel["title"]) for panel in DASHBOARD["panels"]]
    overlaps = [
        (one, other)
        for (a, one), (b, other) in combinations(boxes, 2)
        if a["x"] < b["x"] + b["w"]
        and b["x"] < a["x"] + a["w"]
        and a["y"] < b["y"] + b["h"]
        and b["y"] < a["y"] + a["h"]
    ]
    labels = [set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) for target in TARGETS]

    assert overlaps == []
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["description"] and panel["fieldConfig"]["defaults"]["unit"] for panel in PANELS)
    assert all(target["datasource"]["uid"] == "${datasource}" for target in TARGETS)
    assert all(
        names <= set(re.findall(r"\w+", target["expr"])) for names, target in zip(labels, TARGETS, strict=True)
    )


def test_every_rule_has_a_test_that_fires_and_one_that_does_not() -> None:
    fired: dict[str, set[bool]] = {}
    for test in ALERT_TESTS["tests"]:
        for one in test["alert_rule_test"]:
            fired.setdefault(one["alertname"], set()).add(bool(one["exp_alerts"]))

    assert fired == {rule["alert"]: {True, False} for rule in RULES}
    assert all(rule["annotations"]["description"] for rule in RULES)
    assert {rule["labels"]["severity"] for rule in RULES} == {"critical", "warning"}


def promtool(folder: Path, *arguments: str) -> str:
    """Run promtool, and return its output if it fails."""
    command = [str(PROMTOOL), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian package prometheus)")
def test_rules_fire_and_panels_are_valid(tmp_path: Path) -> None:
    """The unit tests of the rules pass, without the descriptions, and promtool can parse every panel."""
    without_descriptions = [{**rule, "annotations": {"summary": rule["annotations"]["summary"]}} for rule in RULES]
    recorded = [
        {"record": f"panel:{number}", "expr": target["expr"].replace("$__rate_interval", "5m")}
        for number, target in enumerate(TARGETS)
    ]
    for name, rules in (("alerts.yml", without_descriptions), ("panels.yml", recorded)):
        (tmp_path / name).write_text(yaml.safe_dump({"groups": [{"name": "tested", "rules": rules}]}))
    (tmp_path / "alerts_test.yml").write_text(yaml.safe_dump(ALERT_TESTS))

    assert promtool(MONITORING, "check", "rules", "alerts.yml") == ""
    assert promtool(tmp_path, "test", "rules", "alerts_test.yml") == ""
    assert promtool(tmp_path, "check", "rules", "panels.yml") == ""
