"""The benchmark command runs, and the performance page shows the figures of one run. No test asserts a time."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.__main__ import PARTS
from benchmarks.report import as_markdown
from benchmarks.summary import as_summary
from benchmarks.traffic import whoami_bodies, whoami_body

ROOT = Path(__file__).parent.parent.parent
MEASURED = ROOT / "docs" / "measured"


def run_benchmarks(*arguments: str) -> str:
    """Run the benchmark command with little effort and return its output."""
    command = [sys.executable, "-m", "benchmarks", "--quick", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.benchmark
@pytest.mark.timeout(1_800)
def test_benchmark_command_writes_json_tables_and_a_chart(tmp_path: Path) -> None:
    """The output has every comparison with a target and a verdict."""
    output = run_benchmarks("--into", str(tmp_path))

    figures = json.loads((tmp_path / "performance.json").read_text(encoding="utf-8"))
    sections = figures["sections"]
    ratios = [comparison for section in sections for comparison in section["comparisons"]]
    assert len(sections) == len(PARTS)
    assert all(f"{ratio['name']} / {ratio['beside']}" in output for ratio in ratios)
    tables = (tmp_path / "performance-tables.txt").read_text(encoding="utf-8")
    assert all(f"| {ratio['name']} | {ratio['beside']} |" in tables for ratio in ratios)
    chart = ET.parse(tmp_path / "performance.svg").getroot()
    assert chart.tag.endswith("svg")
    shown = {text.text for text in chart.iter() if text.tag.endswith("text")}
    assert {"with ory_guard", "without", "requests/s, higher is better"} < shown
    summary = (tmp_path / "performance-summary.txt").read_text(encoding="utf-8")
    assert summary == as_summary(figures)


@pytest.mark.benchmark
@pytest.mark.timeout(300)
def test_load_generator_works_without_wrk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    output = run_benchmarks("--only", "through_uvicorn", "--into", str(tmp_path))

    assert "wrk is not installed" in output


def test_performance_page_shows_the_figures_of_one_run() -> None:
    """The tables on the pages are those of the JSON file, and every target has a verdict."""
    figures = json.loads((MEASURED / "performance.json").read_text(encoding="utf-8"))

    assert (MEASURED / "performance-summary.txt").read_text(encoding="utf-8") == as_summary(figures)
    assert (MEASURED / "performance-tables.txt").read_text(encoding="utf-8") == as_markdown(figures)
    ratios = [ratio for section in figures["sections"] for ratio in section["comparisons"]]
    assert all((ratio["target"] == "") == (ratio["verdict"] == "") for ratio in ratios)


def test_benchmark_sessions_share_no_values() -> None:
    """Sessions of different tokens differ; a token always gets the same session."""
    body = whoami_bodies()
    first, second = body(b"one"), body(b"two")

    assert len(first) == len(second) == len(whoami_body())
    assert first != second
    assert body(b"one") == first
    assert json.loads(first)["identity"]["id"] != json.loads(second)["identity"]["id"]
