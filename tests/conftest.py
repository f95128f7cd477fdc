"""What every test shares."""

import gc
from collections.abc import AsyncIterator, Iterator

import pytest
from memory_store import Shelf
from telescope import Telescope
from worker_bench import Worker

from ory_guard.testing import FakeKratos, ManualClock


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what was imported: one look at it all can take half a second."""
    gc.freeze()


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
def telescope() -> Iterator[Telescope]:
    """Metrics and spans of one test."""
    made = Telescope()
    yield made
    made.close()
