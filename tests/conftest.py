"""What every test shares."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio: the guard is asyncio only."""
    return "asyncio"
