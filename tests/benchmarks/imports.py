"""What imports cost, by fresh interpreters in turn."""

import subprocess
import sys
from typing import Final

from benchmarks.report import Comparison, Effort, Section, compare, measurement

__all__ = ["measure"]

_FRAMEWORK: Final = "fastapi, httpx2"
_OURS: Final = "fastapi, httpx2, ory_guard.fastapi"
_MODULES: Final = (_FRAMEWORK, _OURS, "ory_guard", "ory_guard.client", "ory_client")


def measure(effort: Effort) -> Section:
    """Return the time of each import, and what ours adds beside what an application imports anyway."""
    rounds = min(effort.rounds, 15)
    seconds: dict[str, list[float]] = {modules: [] for modules in _MODULES}
    for _ in range(rounds + 1):
        for modules in _MODULES:
            seconds[modules].append(_import(modules))
    # The first ones wrote the bytecode.
    found = {
        name: measurement(f"import {name}", "ms", [each * 1e3 for each in taken[1:]])
        for name, taken in seconds.items()
    }
    added = [(ours - bare) * 1e3 for ours, bare in zip(seconds[_OURS], seconds[_FRAMEWORK], strict=True)][1:]
    extra, sdk = measurement("what ory_guard.fastapi adds to fastapi, httpx2", "ms", added), found["ory_client"]
    ratios = (extra.median / sdk.median, extra.best / sdk.best)
    return Section(
        "Imports",
        (*found.values(), extra),
        (
            Comparison(extra.name, sdk.name, *ratios, at_most=0.08),
            compare(found, "ory_guard.client", "ory_client"),
        ),
    )


def _import(modules: str) -> float:
    command = [sys.executable, "-X", "importtime", "-c", f"import {modules}"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    lines = [line.removeprefix("import time:").split("|") for line in report.splitlines()]
    # What is imported by another module stands indented, and its time is part of that one's.
    totals = {name[1:]: float(total) / 1e6 for _, total, name in lines if total.strip().isdigit()}
    return sum(totals.get(module, 0.0) for module in modules.split(", "))
