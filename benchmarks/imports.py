"""The CPU time of imports in new interpreters, with bytecode, minus that of an interpreter without imports."""

import os
import subprocess
import sys
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.report import Comparison, Effort, Measurement, Section, compare, measurement

__all__ = ["measure"]

_NOTHING: Final = "import sys"
_FRAMEWORK: Final = "import fastapi, httpx2"
_DEPENDENCIES: Final = "import fastapi, httpx2, ory_guard.fastapi"
_APPLICATION: Final = "import fastapi, httpx2, ory_guard.fastapi; from ory_guard import OryGuard"
_CLIENT: Final = "import ory_guard.client"
_SDK: Final = "import ory_client"
_ADDED: Final = {
    _DEPENDENCIES: "ory_guard.fastapi in addition to fastapi, httpx2",
    _APPLICATION: "ory_guard.fastapi and OryGuard in addition to fastapi, httpx2",
}


def measure(effort: Effort) -> Section:
    """Return the time of each import, and the time that ory_guard adds to the framework."""
    seconds: dict[str, list[float]] = {
        statement: [] for statement in (_NOTHING, _FRAMEWORK, *_ADDED, _CLIENT, _SDK)
    }
    with TemporaryDirectory() as bytecode:
        for statement in seconds:
            _import(statement, bytecode)  # writes the bytecode
        for _ in range(min(effort.rounds, 15)):
            for statement, taken in seconds.items():
                taken.append(_import(statement, bytecode))
    nothing = min(seconds.pop(_NOTHING))
    found = {
        statement: measurement(statement, "ms CPU", [(each - nothing) * 1e3 for each in taken])
        for statement, taken in seconds.items()
    }
    added = [_added(found[statement], found[_FRAMEWORK], name) for statement, name in _ADDED.items()]
    best = {
        each.name: found[statement].best - found[_FRAMEWORK].best
        for each, statement in zip(added, _ADDED, strict=True)
    }
    sdk = found[_SDK]
    return Section(
        "Imports",
        (*found.values(), *added),
        (
            *(
                Comparison(each.name, _SDK, each.median / sdk.median, best[each.name] / sdk.best, at_most=0.08)
                for each in added
            ),
            compare(found, _CLIENT, _SDK),
        ),
    )


def _added(ours: Measurement, framework: Measurement, name: str) -> Measurement:
    added = median(our - bare for our, bare in zip(ours.values, framework.values, strict=True))
    return Measurement(name, "ms CPU", (added,), rounds=len(ours.values))


def _import(statement: str, bytecode: str) -> float:
    # The variables of this process may turn bytecode off, and the installed packages may be read-only.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = bytecode
    start = getrusage(RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", statement], env=environment, check=True)
    end = getrusage(RUSAGE_CHILDREN)
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime
