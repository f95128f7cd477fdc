"""Through uvicorn: how many requests one process answers in a second, on loopback, the session kept."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from urllib.request import Request, urlopen

from benchmarks import generator
from benchmarks.report import Effort, Measurement, Section, compare, measurement
from benchmarks.serve import APPLICATIONS
from benchmarks.traffic import Headers, api_headers
from benchmarks.upstream import static_kratos

__all__ = ["SESSION", "load_in_turn", "measure"]

SESSION: Final = "FastAPI, Depends(require_session)"
_ROUNDS: Final = 10


@contextmanager
def _served(name: str, upstream: str) -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.serve", name, upstream]
    with subprocess.Popen(command, cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def _check(port: int, headers: Headers) -> None:
    told = {name.decode(): value.decode() for name, value in headers}
    # Raises for everything but a 2xx.
    with urlopen(Request(f"http://127.0.0.1:{port}/me", headers=told), timeout=30) as answer:
        answer.read()


def load_in_turn(names: Iterable[str], upstream: str, headers: Headers, effort: Effort) -> dict[str, Measurement]:
    """Load the applications one after the other, round after round; those that have to wait do nothing."""
    with ExitStack() as stack:
        ports = {name: stack.enter_context(_served(name, upstream)) for name in names}
        for port in ports.values():
            _check(port, headers)
        rates: dict[str, list[float]] = {name: [] for name in ports}
        for _ in range(min(effort.rounds, _ROUNDS)):
            for name, port in ports.items():
                rates[name].append(generator.rate(port, "/me", headers, effort.seconds))
    return {name: measurement(name, "requests/s", taken, rate=True) for name, taken in rates.items()}


def measure(effort: Effort) -> Section:
    """Return the rates of all applications, before a Kratos that answers at once."""
    with static_kratos() as upstream:
        found = load_in_turn(APPLICATIONS, upstream, api_headers(), effort)
    return Section(
        f"Through uvicorn, one process, the session kept; loaded by {generator.NAME}",
        tuple(found.values()),
        (
            compare(found, "Starlette, middleware", "Starlette"),
            compare(found, SESSION, "FastAPI, hand-written dict cache", at_least=0.95),
            compare(found, SESSION, "FastAPI", at_least=0.8),
            compare(found, SESSION, "FastAPI, httpx in every request"),
            compare(found, SESSION, "FastAPI, ory-client in every request"),
            compare(found, SESSION, "FastAPI, a new ory-client in every request", at_least=15),
        ),
    )
