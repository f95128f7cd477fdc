"""What every test shares."""

import gc
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings
from support.in_memory_telemetry import InMemoryTelemetry
from support.memory_store import SOON, Shelf
from support.worker_bench import Worker

from ory_guard.testing import FakeKratos, ManualClock

# No test fails because the machine was busy for a moment.
_SLOW = [HealthCheck.too_slow]
settings.register_profile("patient", settings.default, deadline=None, suppress_health_check=_SLOW)
settings.load_profile("patient")


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what was imported: one look at it all can take half a second."""
    gc.freeze()


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say something at the end of the run, to whoever reads it."""
    return lambda what: request.node.user_properties.append(("said", what))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Pass on what tests had to say, and how much those of the security tried; from all processes that ran them."""
    reports = [report for kind in terminalreporter.stats.values() for report in kind]
    tried: Counter[str] = Counter()
    for report in reports:
        if getattr(report, "when", None) == "teardown":
            for name, value in report.user_properties:
                if name == "said":
                    terminalreporter.write_line(value)
                elif name == "tried":
                    tried.update(value)
    if tried:
        kinds = (terminalreporter.stats.get(kind, ()) for kind in ("failed", "error"))
        failed = any("security" in report.nodeid for kind in kinds for report in kind)
        ending = "see the failures above" if failed else "none let in, none lost, none leaked"
        parts = ", ".join(f"{number:,} {what}" for what, number in sorted(tried.items()))
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
    """A time that stands still."""
    return ManualClock()


@pytest.fixture
def fake(clock: ManualClock) -> FakeKratos:
    """A Kratos set up as the recorded one."""
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
    """Metrics and spans of one test."""
    made = InMemoryTelemetry()
    yield made
    made.close()
