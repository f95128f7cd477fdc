"""Run the benchmarks, print the figures and targets, and write them to files: `poe bench`."""

import argparse
import json
import sys
from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import Final

from benchmarks import report, through_uvicorn, uncached
from benchmarks.chart import svg_of
from benchmarks.machine import run_info
from benchmarks.summary import as_summary

__all__ = ["main"]

PARTS: Final = (
    "in_process",
    "through_uvicorn",
    "uncached",
    "miss",
    "storm",
    "beyond",
    "tokens",
    "load",
    "memory",
    "session_cache",
    "logouts",
    "imports",
)
_OPTIONAL: Final = ("real_kratos",)
_PARTS: Final = f"{', '.join(PARTS)}; with ORY_GUARD_LIVE_KRATOS also {_OPTIONAL[0]}"
_CHARTED: Final = (through_uvicorn.CHARTED, uncached.CHARTED)


def main(arguments: list[str]) -> int:
    """Run the command and return 0, even if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="run everything once, without meaningful figures")
    parser.add_argument("--only", nargs="+", choices=PARTS + _OPTIONAL, default=PARTS, metavar="PART", help=_PARTS)
    parser.add_argument("--into", type=Path, default=Path(".benchmarks"), help="the output folder")
    chosen = parser.parse_args(arguments)
    effort = report.Effort.quick() if chosen.quick else report.Effort.full()
    run = run_info()
    sections = []
    for part in chosen.only:
        start = monotonic()
        section: report.Section = import_module(f"benchmarks.{part}").measure(effort)
        report.print_section(section)
        print(f"  ({part}: {monotonic() - start:.0f} s)")
        sys.stdout.flush()
        sections.append(section)
    report.print_targets(sections)
    chosen.into.mkdir(parents=True, exist_ok=True)
    figures = run | report.as_json(sections)
    text = json.dumps(figures, indent=2, ensure_ascii=False)
    (chosen.into / "performance.json").write_text(text + "\n", encoding="utf-8")
    (chosen.into / "performance-tables.txt").write_text(report.as_markdown(figures), encoding="utf-8")
    (chosen.into / "performance-summary.txt").write_text(as_summary(figures), encoding="utf-8")
    charted = [part for names in _CHARTED for section in sections if (part := _part_of(section, names))]
    if charted:
        chart = svg_of(charted, "Requests per second of a FastAPI application, with and without ory_guard")
        (chosen.into / "performance.svg").write_text(chart, encoding="utf-8")
    print(f"\nWritten to {chosen.into.resolve()}")
    return 0


def _part_of(section: report.Section, names: Collection[str]) -> report.Section | None:
    """Return the section with the named figures only, or None if it has not all of them."""
    found = {each.name: each for each in section.measurements}
    if not found.keys() >= set(names):
        return None
    return report.Section(section.title, tuple(found[name] for name in names))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
