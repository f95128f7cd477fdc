"""Fixtures and hooks for all tests."""

import gc
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings
from support.in_memory_telemetry import InMemoryTelemetry
from support.memory_store import SOON, Shelf
from support.worker_bench import Worker

from ory_guard.testing import FakeKratos, ManualClock

# A busy machine must not fail a test.
_SLOW = [HealthCheck.too_slow]
settings.register_profile("patient", settings.default, deadline=None, suppress_health_check=_SLOW)
settings.load_profile("patient")


def pytest_collection_finish() -> None:
    """Exclude imported modules from garbage collection, which can take half a second for them."""
    gc.freeze()


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print a line at the end of the run."""
    return lambda line: request.node.user_properties.append(("line", line))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the lines of the tests and the number of attacks in the security tests, from all processes."""
    reports = [report for kind in terminalreporter.stats.values() for report in kind]
    tried: Counter[str] = Counter()
    for report in reports:
        if getattr(report, "when", None) == "teardown":
            for name, value in report.user_properties:
                if name == "line":
                    terminalreporter.write_line(value)
                elif name == "tried":
                    tried.update(value)
    if tried:
        kinds = (terminalreporter.stats.get(kind, ()) for kind in ("failed", "error"))
        failed = any("security" in report.nodeid for kind in kinds for report in kind)
        ending = (
            "see the failures above" if failed else "no unauthorized access, no lost session, no leaked credential"
        )
        parts = ", ".join(f"{number:,} {name}" for name, number in sorted(tried.items()))
        terminalreporter.write_line(f"security: {parts} tried: {ending}")


@pytest.fixture(autouse=True)
def store_timeout() -> Iterator[Callable[[float], None]]:
    """Give stores ample time to answer; a test of slow stores calls this with the seconds that it needs."""
    with pytest.MonkeyPatch.context() as patch:

        def set_to(seconds: float) -> None:
            patch.setattr("ory_guard.cache.store_connection.CALL_TIMEOUT", seconds)

        set_to(SOON)
        yield set_to


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio: the guard is asyncio only."""
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    """A manual clock."""
    return ManualClock()


@pytest.fixture
def fake(clock: ManualClock) -> FakeKratos:
    """A fake with the configuration of the recorded Kratos."""
    return FakeKratos(clock=clock)


@pytest.fixture
def shelf() -> Shelf:
    """An empty store."""
    return Shelf()


@pytest.fixture
async def workers(shelf: Shelf) -> AsyncIterator[tuple[Worker, Worker]]:
    """Two processes."""
    both = Worker(shelf), Worker(shelf)
    yield both
    for worker in both:
        await worker.guard.aclose()


@pytest.fixture
def telemetry() -> Iterator[InMemoryTelemetry]:
    """The metrics and spans of one test."""
    made = InMemoryTelemetry()
    yield made
    made.close()
