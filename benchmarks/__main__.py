"""Run the benchmarks, print the figures and targets, and write them to files: `poe bench`."""

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

from benchmarks import report
from benchmarks.chart import svg_of
from benchmarks.machine import run_info

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
_CHARTED: Final = ("In process", "Through uvicorn")


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
        section: report.Section = import_module(f"benchmarks.{part}").measure(effort)
        report.print_section(section)
        sys.stdout.flush()
        sections.append(section)
    report.print_targets(sections)
    chosen.into.mkdir(parents=True, exist_ok=True)
    figures = run | report.as_json(sections)
    text = json.dumps(figures, indent=2, ensure_ascii=False)
    (chosen.into / "performance.json").write_text(text + "\n", encoding="utf-8")
    (chosen.into / "performance-tables.txt").write_text(report.as_markdown(figures), encoding="utf-8")
    charted = [section for section in sections if section.title.startswith(_CHARTED)]
    if charted:
        chart = svg_of(charted, "The guard compared with bare frameworks and a hand-written cache")
        (chosen.into / "performance.svg").write_text(chart, encoding="utf-8")
    print(f"\nWritten to {chosen.into.resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
