"""Fixtures of the security tests."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from support.raw_kratos import RawKratos
from support.redis_server import RedisServer

from .bench import Bench, kratos_with_users
from .monitor import Monitor


@pytest.fixture
async def kratos() -> AsyncIterator[RawKratos]:
    """Return a Kratos with the users Alice and Bob."""
    async with kratos_with_users() as kratos:
        yield kratos


@pytest.fixture
async def make_bench(kratos: RawKratos) -> AsyncIterator[Callable[..., Bench]]:
    """Return a function that creates a monitored bench; its arguments are those of `Bench`."""
    benches: list[Bench] = []

    def make(**options: Any) -> Bench:
        benches.append(Bench(kratos, **options))
        return benches[-1]

    async with Monitor():
        yield make
        for bench in benches:
            await bench.guard.aclose()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis server for one test, which may stop or reconfigure it."""
    with RedisServer() as running:
        yield running
