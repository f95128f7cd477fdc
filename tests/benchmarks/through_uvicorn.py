"""Through uvicorn: requests a second of one process, the session kept, on loopback."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from urllib.request import Request, urlopen

from benchmarks import generator
from benchmarks.report import Effort, Section, compare, measurement
from benchmarks.serve import APPLICATIONS
from benchmarks.traffic import api_headers
from benchmarks.upstream import static_kratos

__all__ = ["measure"]

_ROUNDS: Final = 5
_SESSION: Final = "FastAPI, Depends(require_session)"


@contextmanager
def _served(name: str, upstream: str) -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.serve", name, upstream]
    with subprocess.Popen(command, cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def _check(port: int) -> None:
    headers = {name.decode(): value.decode() for name, value in api_headers()}
    # Raises for everything but a 2xx.
    with urlopen(Request(f"http://127.0.0.1:{port}/me", headers=headers), timeout=30) as answer:
        answer.read()


def measure(effort: Effort) -> Section:
    """Load all applications in turn, round after round; those that have to wait do nothing."""
    rates: dict[str, list[float]] = {name: [] for name in APPLICATIONS}
    with ExitStack() as stack:
        upstream = stack.enter_context(static_kratos())
        ports = {name: stack.enter_context(_served(name, upstream)) for name in APPLICATIONS}
        for port in ports.values():
            _check(port)
        for _ in range(min(effort.rounds, _ROUNDS)):
            for name, port in ports.items():
                rates[name].append(generator.answers_a_second(port, "/me", api_headers(), effort.seconds))
    found = {name: measurement(name, "requests/s", taken, rate=True) for name, taken in rates.items()}
    return Section(
        f"Through uvicorn, one process, the session kept; loaded by {generator.NAME}",
        tuple(found.values()),
        (
            compare(found, "Starlette, middleware", "Starlette"),
            compare(found, _SESSION, "FastAPI, hand-written dict cache", at_least=0.95),
            compare(found, _SESSION, "FastAPI", at_least=0.8),
            compare(found, _SESSION, "FastAPI, httpx in every request"),
            compare(found, _SESSION, "FastAPI, ory-client in every request"),
            compare(found, _SESSION, "FastAPI, a new ory-client in every request", at_least=15),
        ),
    )
