"""Fixtures of the security tests."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from support.clock import AdjustableClock
from support.raw_kratos import RawKratos
from support.redis_server import RedisServer

from ory_guard import GuardSettings, OryGuard

from .applications import KINDS
from .bench import Bench, settings_for
from .harness import Monitor
from .users import kratos_with_users


@pytest.fixture
async def kratos() -> AsyncIterator[RawKratos]:
    """Return a Kratos with the users Alice and Bob."""
    async with kratos_with_users() as kratos:
        yield kratos


@pytest.fixture
def settings(kratos: RawKratos) -> GuardSettings:
    """Return the settings of an application at https://app.example.com with the exempt path `/health`."""
    return settings_for(kratos)


@pytest.fixture
async def guard(settings: GuardSettings) -> AsyncIterator[OryGuard]:
    """Return a guard that calls `kratos`."""
    guard = OryGuard(settings)
    yield guard
    await guard.aclose()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Return the kind of application: plain ASGI, FastAPI and Starlette in turn."""
    kind: str = request.param
    return kind


@pytest.fixture
async def make_bench(kind: str, kratos: RawKratos) -> AsyncIterator[Callable[..., Bench]]:
    """Return a function that creates a monitored bench of each kind; its arguments are those of `Bench`."""
    benches: list[Bench] = []

    def make(**options: Any) -> Bench:
        clock = AdjustableClock(datetime.now(UTC))
        benches.append(Bench(kratos, clock, kind, **options))
        return benches[-1]

    async with Monitor():
        yield make
        for bench in benches:
            await bench.guard.aclose()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """Return a monitored bench of each kind."""
    return make_bench()


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis server for one test, which may stop or reconfigure it."""
    with RedisServer() as running:
        yield running
