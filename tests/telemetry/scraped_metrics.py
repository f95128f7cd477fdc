"""The metrics of a guard after every event, as Prometheus scrapes them."""

import asyncio

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, generate_latest
from support.guard_bench import Bench, request
from support.scripted_kratos import signed_in

from ory_guard import events
from ory_guard.exceptions import Refusal
from ory_guard.telemetry import instrument


async def scrape() -> str:
    """Return the scraped metrics after every event."""
    bench = Bench(signed_in(), max_sessions=1)
    provider = MeterProvider([PrometheusMetricReader()])
    instrument(bench.guard, meter_provider=provider)
    await bench.outcome()
    await bench.outcome()
    await bench.outcome((b"x-session-token", b"ory_st_other"))
    with pytest.raises(Refusal):
        await bench.guard.require({**request(), "headers": []})
    for event in (
        events.CheckShared("0a1b2c3d"),
        events.CheckFailed("0a1b2c3d", "timeout", 2.0),
        events.CheckFailed("0a1b2c3d", "timeout", 2.0, known=True),
        events.SessionsInvalidated("s", None),
        events.RevocationsHeard(1, 0.1),
        events.SessionCacheCleared(1),
        events.StoreCalled("get", 0.1, "TimeoutError"),
        events.RevocationsSent(1),
        events.RevocationLogFull(2, 1.0),
        events.RevocationsDropped(1),
        events.StoreHit("0a1b2c3d", 1.0),
        events.StoreWaited("0a1b2c3d", 0.02, found=True),
        events.StoreChanged("up", ""),
        events.TokenVerified("0a1b2c3d", "Authenticated"),
        events.WebhookReceived(401),
    ):
        events.notify(bench.guard.listeners, event)
    await asyncio.sleep(0)
    text = generate_latest(REGISTRY).decode()
    provider.shutdown()
    return text
