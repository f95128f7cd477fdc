"""The benchmarks' command runs; nothing is asserted about times."""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(300)]


def test_the_command_measures_everything_and_writes_it_down(tmp_path: Path) -> None:
    """One command prints every target with a verdict, and leaves JSON, tables and a chart."""
    command = [sys.executable, "-m", "benchmarks", "--quick", "--into", str(tmp_path)]
    tests = Path(__file__).parent.parent

    done = subprocess.run(command, cwd=tests, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "performance.json").read_text(encoding="utf-8"))
    sections = figures["sections"]
    assert datetime.fromisoformat(figures["date"]).utcoffset() == timedelta(0)
    assert "commit" in figures
    assert all(each["rounds"] >= 1 for section in sections for each in section["measurements"])
    ratios = [comparison for section in sections for comparison in section["comparisons"]]
    assert len(sections) == 7
    assert all((ratio["target"] == "") == (ratio["verdict"] == "") for ratio in ratios)
    assert all(f"{ratio['name']} / {ratio['beside']}" in done.stdout for ratio in ratios)
    tables = (tmp_path / "performance-tables.txt").read_text(encoding="utf-8")
    assert all(f"| {ratio['name']} | {ratio['beside']} |" in tables for ratio in ratios)
    chart = ET.parse(tmp_path / "performance.svg").getroot()
    assert chart.tag.endswith("svg")
    shown = {text.text for text in chart.iter() if text.tag.endswith("text")}
    assert {"with ory_guard", "without"} < shown
    assert {"µs CPU, the shorter the better", "requests/s, the longer the better"} < shown


def test_the_generator_works_without_wrk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `wrk` is not installed, the load comes from a generator of our own."""
    monkeypatch.setenv("PATH", str(tmp_path))
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "through_uvicorn", "--into", str(tmp_path)]

    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "wrk is not installed" in done.stdout
