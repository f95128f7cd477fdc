"""Metrics of the session cache, the shared store and revocations."""

import asyncio

import pytest
from support.guard_bench import Bench
from support.in_memory_telemetry import SERVER, InMemoryTelemetry

from ory_guard.events import (
    GuardStats,
    RevocationLogFull,
    RevocationsDropped,
    RevocationsHeard,
    RevocationsSent,
    SessionCacheCleared,
    StoreCalled,
    StoreChanged,
    StoreHit,
    StoreWaited,
    TokenVerified,
    notify,
)

pytestmark = pytest.mark.anyio


async def test_evictions_are_counted_from_the_start_of_the_reporting(telemetry: InMemoryTelemetry) -> None:
    """Evictions have no event. They are counted after the response that caused them."""
    bench = Bench(max_sessions=2)
    names = [(b"x-session-token", b"ory_st_%d" % number) for number in range(6)]
    for name in names[:3]:
        await bench.outcome(name)
    telemetry.instrument(bench.guard)
    for name in names[3:]:
        await bench.outcome(name)
    await asyncio.sleep(0)

    assert bench.guard.stats().evictions == 4
    assert telemetry.values("ory_guard.session_cache.evictions", "-") == {None: 3}


@pytest.mark.parametrize(
    "name",
    [
        "ory_guard.revocations.dropped",
        "ory_guard.revocations.removed",
        "ory_guard.session_cache.cleared",
        "ory_guard.session_cache.evictions",
        "ory_guard.store.hits",
    ],
)
async def test_counter_without_attributes_starts_at_zero(telemetry: InMemoryTelemetry, name: str) -> None:
    """The increase of the first event is visible: a rule with `increase()` can only see it from a known value."""
    telemetry.instrument(Bench().guard)

    assert [(attributes, point.value) for attributes, point in telemetry.points(name)] == [(SERVER, 0)]


async def test_store_and_token_events_are_counted(telemetry: InMemoryTelemetry) -> None:
    guard = Bench().guard
    telemetry.instrument(guard)
    assert telemetry.points("ory_guard.store.state") == []
    for event in (
        StoreHit("0a1b2c3d", 1.0),
        StoreWaited("0a1b2c3d", 0.5, found=True),
        StoreWaited("0a1b2c3d", 2.0, found=False),
        TokenVerified("0a1b2c3d", "Authenticated"),
        RevocationsHeard(3),
        RevocationsHeard(2, 0.25),
        SessionCacheCleared(400),
        StoreCalled("get", 0.002),
        StoreCalled("revoke", 1.0, "TimeoutError"),
        RevocationsSent(4),
        RevocationsDropped(5),
        RevocationLogFull(6, 1.0),
        StoreChanged("down", "TimeoutError"),
    ):
        notify(guard.listeners, event)

    assert telemetry.values("ory_guard.store.hits", "-") == {None: 1}
    assert telemetry.values("ory_guard.tokens.verified", "ory_guard.outcome") == {"Authenticated": 1}
    assert telemetry.values("ory_guard.revocations.heard", "-") == {None: 5}
    assert [point.sum for _, point in telemetry.points("ory_guard.revocations.delay")] == [0.25]
    waits = telemetry.points("ory_guard.store.wait.duration")
    assert [(attributes["ory_guard.cache.result"], point.sum) for attributes, point in waits] == [
        ("hit", 0.5),
        ("miss", 2.0),
    ]
    assert telemetry.values("ory_guard.session_cache.cleared", "-") == {None: 1}
    assert [
        (attributes | {"seconds": point.sum})
        for attributes, point in telemetry.points("ory_guard.store.operation.duration")
    ] == [
        SERVER | {"ory_guard.store.operation": "get", "seconds": 0.002},
        SERVER | {"ory_guard.store.operation": "revoke", "error.type": "TimeoutError", "seconds": 1.0},
    ]
    assert telemetry.values("ory_guard.revocations.removed", "-") == {None: 6}
    assert telemetry.values("ory_guard.revocations.sent", "-") == {None: 4}
    assert telemetry.values("ory_guard.revocations.dropped", "-") == {None: 5}
    assert telemetry.values("ory_guard.store.state", "ory_guard.state") == {"up": 0, "down": 1}
    await asyncio.sleep(0)


def test_store_state_is_measured_from_the_start(
    telemetry: InMemoryTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = Bench().guard
    stats = GuardStats(
        entries=7,
        hits=0,
        misses=0,
        shared=0,
        upstream_calls=0,
        store_hits=0,
        degraded=False,
        breaker="closed",
        store="up",
        pending_revocations=9,
    )
    monkeypatch.setattr(guard, "stats", lambda: stats)
    telemetry.instrument(guard)

    assert telemetry.values("ory_guard.store.state", "ory_guard.state") == {"up": 1, "down": 0}
    assert telemetry.values("ory_guard.revocations.pending", "-") == {None: 9}
