"""What every test shares."""

import pytest

from ory_guard.testing import FakeKratos, ManualClock


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
