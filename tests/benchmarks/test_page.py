"""The page about performance shows what was measured."""

import json
from pathlib import Path

from benchmarks.report import as_markdown

MEASURED = Path(__file__).parent.parent.parent / "docs" / "measured"


def test_the_page_shows_the_figures_of_one_run() -> None:
    """The tables of the page are those of the figures beside them, and every target has a verdict."""
    figures = json.loads((MEASURED / "performance.json").read_text(encoding="utf-8"))

    assert (MEASURED / "performance-tables.txt").read_text(encoding="utf-8") == as_markdown(figures)
    ratios = [ratio for section in figures["sections"] for ratio in section["comparisons"]]
    assert all((ratio["target"] == "") == (ratio["verdict"] == "") for ratio in ratios)
