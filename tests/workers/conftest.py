"""The servers that the worker processes use."""

from collections.abc import AsyncIterator, Iterator

import pytest
from support.redis_server import RedisServer

from .kratos import CountingKratos


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
async def kratos() -> AsyncIterator[CountingKratos]:
    async with CountingKratos() as running:
        yield running
