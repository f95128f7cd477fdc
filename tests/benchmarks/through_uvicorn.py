"""Through uvicorn: what one process answers in a second of its CPU time, the session kept, on loopback.

A loaded process has its core for itself, so on a machine that does nothing else this is requests a second; on
another one it is still what one core serves.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.request import Request, urlopen

from benchmarks import generator
from benchmarks.report import Effort, Section, compare, measurement
from benchmarks.serve import APPLICATIONS
from benchmarks.traffic import api_headers
from benchmarks.upstream import static_kratos

__all__ = ["measure"]

_ROUNDS: Final = 5
_SESSION: Final = "FastAPI, Depends(require_session)"


class Server(NamedTuple):
    """A process that serves one of the applications."""

    pid: int
    port: int

    def cpu_seconds(self) -> float:
        """Return the CPU time that it took so far (proc(5): the 14th and 15th field)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _served(name: str, upstream: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "benchmarks.serve", name, upstream]
    with subprocess.Popen(command, cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Server(process.pid, int(process.stdout.readline()))
        finally:
            process.terminate()


def _rate(server: Server, seconds: float) -> float:
    start = server.cpu_seconds()
    answers = generator.answers(server.port, "/me", api_headers(), seconds)
    return answers / max(server.cpu_seconds() - start, 1 / os.sysconf("SC_CLK_TCK"))


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
        servers = {name: stack.enter_context(_served(name, upstream)) for name in APPLICATIONS}
        for server in servers.values():
            _check(server.port)
        for _ in range(min(effort.rounds, _ROUNDS)):
            for name, server in servers.items():
                rates[name].append(_rate(server, effort.seconds))
    found = {name: measurement(name, "requests/CPU s", taken, rate=True) for name, taken in rates.items()}
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
