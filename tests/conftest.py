"""Fixtures and hooks for all tests."""

import gc
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from support.in_memory_telemetry import InMemoryTelemetry
from support.memory_store import SOON, MemoryServer
from support.redis_server import RedisServer
from support.redis_sessions import SECRET
from support.store_limits import fixed_store_limit
from support.virtual_time import VIRTUAL_TIME
from support.worker_bench import Worker

from ory_guard.redis import RedisSessionStore
from ory_guard.testing import FakeKratos, ManualClock

# Neither a busy machine nor a random number may decide whether a test fails.
_SLOW = [HealthCheck.too_slow]
settings.register_profile(
    "repeatable", settings.default, deadline=None, derandomize=True, suppress_health_check=_SLOW
)
settings.load_profile("repeatable")


def pytest_collection_finish() -> None:
    """Exclude imported modules from garbage collection, which can take half a second for them."""
    gc.freeze()


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print a line at the end of the run."""
    return lambda line: request.node.user_properties.append(("line", line))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the lines of the tests from all processes."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "teardown":
                for name, value in report.user_properties:
                    if name == "line":
                        terminalreporter.write_line(value)


@pytest.fixture(autouse=True)
def store_timeout() -> Iterator[Callable[[float], None]]:
    """Set the limit of store calls: by default so long that no slow machine exceeds it."""
    with fixed_store_limit() as set_to:
        set_to(SOON)
        yield set_to


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Run async tests on asyncio, in virtual time if they have neither sockets nor threads."""
    return VIRTUAL_TIME


@pytest.fixture
def clock() -> ManualClock:
    """A manual clock."""
    return ManualClock()


@pytest.fixture
def fake(clock: ManualClock) -> FakeKratos:
    """A fake with the configuration of the recorded Kratos."""
    return FakeKratos(clock=clock)


@pytest.fixture
def memory_server() -> MemoryServer:
    """A server without sessions, shared by all stores of the test."""
    return MemoryServer()


@pytest.fixture
async def workers(memory_server: MemoryServer) -> AsyncIterator[tuple[Worker, Worker]]:
    """Two worker processes with the same `memory_server`."""
    both = Worker(memory_server), Worker(memory_server)
    yield both
    for worker in both:
        await worker.guard.aclose()


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    """A Redis server for all tests of a module."""
    with RedisServer() as running:
        yield running


@pytest.fixture
async def redis_store(redis_server: RedisServer) -> AsyncIterator[RedisSessionStore]:
    """A store in the empty server."""
    redis_server.cli("FLUSHALL")
    made = RedisSessionStore(redis_server.url, secrets=[SECRET])
    yield made
    await made.aclose()


@pytest.fixture
async def other_redis_store(redis_server: RedisServer) -> AsyncIterator[RedisSessionStore]:
    """The store of another process in the same server."""
    made = RedisSessionStore(redis_server.url, secrets=[SECRET])
    yield made
    await made.aclose()


@pytest.fixture
def telemetry() -> Iterator[InMemoryTelemetry]:
    """The metrics and spans of one test."""
    made = InMemoryTelemetry()
    yield made
    made.close()
