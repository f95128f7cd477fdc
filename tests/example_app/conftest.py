"""The running example, and people who visit it."""

from collections.abc import AsyncIterator

import pytest
from asgi_lifespan import LifespanManager
from stage import APP_URL, Stage, embedded_stage
from visitor import Visitor


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """The application with its embedded Kratos, started."""
    made = embedded_stage()
    async with LifespanManager(made.app):
        yield made


@pytest.fixture
async def visitor(stage: Stage) -> AsyncIterator[Visitor]:
    """Somebody with a browser of their own."""
    async with Visitor(stage.app, APP_URL) as person:
        yield person
