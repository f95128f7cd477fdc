"""What `import ory_guard.client` costs, measured side by side with the generated SDK of Ory Network.

Give it an interpreter that has the package `ory-client`: `python -m benchmarks.import_time PYTHON [rounds]` in
`tests/`. Both are imported by fresh interpreters in turn, so that neither has the quieter minute.
"""

import subprocess
import sys
from dataclasses import dataclass
from statistics import median
from typing import Final

__all__ = ["Cost", "measure"]

_ROUNDS: Final = 9


@dataclass(frozen=True)
class Cost:
    """Seconds for an import with everything that it imports, over all rounds."""

    module: str
    minimum: float
    median: float


def measure(modules: dict[str, str], rounds: int = _ROUNDS) -> list[Cost]:
    """Import modules in turn and return what each cost.

    Args:
        modules: The interpreter for each module.
        rounds: How often each is imported; a first, uncounted import writes the bytecode.
    """
    seconds: dict[str, list[float]] = {module: [] for module in modules}
    for _ in range(rounds + 1):
        for module, python in modules.items():
            seconds[module].append(_import(python, module))
    return [Cost(module, min(times[1:]), median(times[1:])) for module, times in seconds.items()]


def _import(python: str, module: str) -> float:
    command = [python, "-X", "importtime", "-c", f"import {module}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = (line.split("|") for line in done.stderr.splitlines() if line.startswith("import time:"))
    top_level = {name.strip(): float(total) / 1e6 for _, total, name in lines if total.strip().isdigit()}
    return top_level[module]


def main(peer: str, rounds: int = _ROUNDS) -> None:
    """Print both costs and their ratio."""
    ours, theirs = measure({"ory_guard.client": sys.executable, "ory_client": peer}, rounds)
    for cost in (ours, theirs):
        print(f"{cost.module:<17} min {cost.minimum * 1000:6.0f} ms   median {cost.median * 1000:6.0f} ms")
    print(
        f"ratio             min {ours.minimum / theirs.minimum:6.2f}      median {ours.median / theirs.median:6.2f}"
    )


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], *map(int, sys.argv[2:3]))
