"""The CPU time of imports in new interpreters, minus that of an interpreter without imports."""

import subprocess
import sys
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from typing import Final

from benchmarks.report import Comparison, Effort, Measurement, Section, compare, measurement

__all__ = ["measure"]

_NOTHING: Final = "sys"
_FRAMEWORK: Final = "fastapi, httpx2"
_OURS: Final = "fastapi, httpx2, ory_guard.fastapi"
_MODULES: Final = (_NOTHING, "ory_guard", _FRAMEWORK, _OURS, "ory_guard.client", "ory_client")
_LIMIT: Final = 120.0


def measure(effort: Effort) -> Section:
    """Return the time of each import, and the time that ory_guard adds to the framework."""
    seconds: dict[str, list[float]] = {modules: [] for modules in _MODULES}
    for modules in _MODULES:
        _import(modules)  # writes the bytecode
    for _ in range(min(effort.rounds, 15)):
        for modules in _MODULES:
            seconds[modules].append(_import(modules))
    nothing = min(seconds.pop(_NOTHING))
    found = {
        name: measurement(f"import {name}", "ms CPU", [(each - nothing) * 1e3 for each in taken])
        for name, taken in seconds.items()
    }
    framework, ours, sdk = found[_FRAMEWORK], found[_OURS], found["ory_client"]
    added = median(our - bare for our, bare in zip(ours.values, framework.values, strict=True))
    extra = Measurement(
        "ory_guard.fastapi in addition to fastapi, httpx2", "ms CPU", (added,), rounds=len(ours.values)
    )
    best = ours.best - framework.best
    return Section(
        "Imports",
        (*found.values(), extra),
        (
            Comparison(extra.name, sdk.name, added / sdk.median, best / sdk.best, at_most=0.08),
            Comparison(extra.name, f"{_LIMIT:g} ms CPU", added / _LIMIT, best / _LIMIT, at_most=1.0),
            compare(found, "ory_guard.client", "ory_client"),
        ),
    )


def _import(modules: str) -> float:
    start = getrusage(RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", f"import {modules}"], check=True)
    end = getrusage(RUSAGE_CHILDREN)
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime
