"""Tests of `ory_guard.telemetry`: metrics, and no cost without them."""

import asyncio
import sys
from typing import Any

import pytest
from support.guard_bench import Bench, guard_of, request, requests
from support.in_memory_telemetry import SERVER, InMemoryTelemetry
from support.scripted_kratos import ScriptedKratos, refused, signed_in

from ory_guard import events
from ory_guard.events import (
    Event,
    StoreHit,
    notify,
)
from ory_guard.exceptions import ConfigurationError, Refusal
from ory_guard.guard import authentication as lookup
from ory_guard.telemetry import instrument
from ory_guard.telemetry.metrics import COUNTERS, GAUGES, HISTOGRAMS

pytestmark = pytest.mark.anyio

DURATION = "http.client.request.duration"
WHOAMI = {"http.request.method": "GET", "url.template": "/sessions/whoami"}
OTHER = (b"x-session-token", b"ory_st_other")


async def test_cache_lookups_and_shared_checks_are_counted(telemetry: InMemoryTelemetry) -> None:
    bench = Bench()
    telemetry.instrument(bench.guard, attributes={"tenant": "eu"})
    bench.kratos.hold()
    waiting = await requests(bench, 3)
    bench.kratos.release()
    await asyncio.gather(*waiting)
    await bench.outcome()

    assert telemetry.values("ory_guard.session_cache.lookups", "ory_guard.cache.result") == {"miss": 3, "hit": 1}
    ((attributes, shared),) = telemetry.points("ory_guard.checks.shared")
    assert (attributes, shared.value) == ({**SERVER, "tenant": "eu"}, 2)


async def test_request_duration_is_measured(telemetry: InMemoryTelemetry) -> None:
    """The HTTP client metric of OpenTelemetry's conventions, in seconds, by status and outcome."""
    bench = Bench()
    telemetry.instrument(bench.guard)
    bench.kratos.hold()
    waiting = await requests(bench, 1)
    bench.clock.advance(0.25)
    bench.kratos.release()
    await asyncio.gather(*waiting)

    ((attributes, point),) = telemetry.points(DURATION)
    assert attributes == SERVER | WHOAMI | {"http.response.status_code": 200, "ory_guard.outcome": "Authenticated"}
    assert (point.count, point.sum) == (1, 0.25)
    assert point.explicit_bounds[0] == 0.0001


@pytest.mark.parametrize(
    ("answer", "attributes"),
    [
        (refused(503), {"http.response.status_code": 503, "error.type": "unreachable"}),
        (ConnectionError(), {"error.type": "unreachable"}),
        (refused(429), {"http.response.status_code": 429, "error.type": "rate_limited"}),
    ],
    ids=["503", "no answer", "429"],
)
async def test_failed_checks_are_counted_by_reason(
    answer: Any, attributes: dict[str, Any], telemetry: InMemoryTelemetry
) -> None:
    bench = Bench(answer)
    telemetry.instrument(bench.guard)
    await bench.outcome()

    ((recorded, _),) = telemetry.points(DURATION)
    assert recorded == SERVER | WHOAMI | attributes
    assert telemetry.values("ory_guard.checks.failed", "error.type") == {attributes["error.type"]: 1}


async def test_breaker_state_is_a_gauge_per_state(telemetry: InMemoryTelemetry) -> None:
    """Checks that the open breaker rejects are counted, but have no duration and no span."""
    bench = Bench(ConnectionError())
    telemetry.instrument(bench.guard)
    before = telemetry.values("ory_guard.breaker.state", "ory_guard.state")
    for _ in range(3):
        await bench.outcome()
        await bench.outcome(OTHER)

    assert before == {"closed": 1, "half_open": 0, "open": 0}
    assert telemetry.values("ory_guard.breaker.state", "ory_guard.state") == {
        "closed": 0,
        "half_open": 0,
        "open": 1,
    }
    assert telemetry.values("ory_guard.checks.failed", "error.type") == {"unreachable": 5, "breaker": 1}
    assert sum(point.count for _, point in telemetry.points(DURATION)) == 5
    assert len(telemetry.whoami_spans()) == 5


async def test_refusals_are_counted_by_code(telemetry: InMemoryTelemetry) -> None:
    bench = Bench()
    telemetry.instrument(bench.guard)
    with telemetry.tracer.start_as_current_span("request"), pytest.raises(Refusal):
        await bench.guard.require(request(), verified="sms")
    with pytest.raises(Refusal):
        await bench.guard.require({**request(), "headers": []})

    counted = telemetry.values("ory_guard.requests.refused", "ory_guard.refusal")
    assert counted == {"requirement_not_met": 1, "session_inactive": 1}
    (span,) = [span for span in telemetry.spans() if span.name == "request"]
    assert span.attributes is not None
    assert span.attributes["ory_guard.refusal"] == "requirement_not_met"


async def test_cache_entries_are_measured_after_each_change(telemetry: InMemoryTelemetry) -> None:
    bench = Bench()
    telemetry.instrument(bench.guard)
    values = [telemetry.values("ory_guard.session_cache.entries", "-")]
    await asyncio.gather(bench.outcome(), bench.outcome(OTHER))
    await asyncio.sleep(0)
    values.append(telemetry.values("ory_guard.session_cache.entries", "-"))
    await bench.outcome((b"x-session-token", b"ory_st_third"))
    await asyncio.sleep(0)
    values.append(telemetry.values("ory_guard.session_cache.entries", "-"))

    assert values == [{None: 0}, {None: 2}, {None: 3}]


def test_every_event_has_a_metric() -> None:
    measured = {"BreakerChanged", "StoreChanged", *(event.__name__ for event in HISTOGRAMS)} - {"RevocationsHeard"}

    assert {event.__name__ for event in Event.__subclasses__()} == {event.__name__ for event in COUNTERS} | measured
    assert {event.__name__ for event in COUNTERS} | measured <= {*events.__all__}
    assert len(GAUGES) == 8


async def test_stop_removes_the_listener(telemetry: InMemoryTelemetry) -> None:
    bench = Bench()
    stop = telemetry.instrument(bench.guard)
    stop()
    await bench.outcome()

    assert bench.guard.listeners == [bench.events.append]
    assert telemetry.points("ory_guard.session_cache.lookups") == []
    telemetry.instrument(bench.guard)()


async def test_stop_resets_the_gauges(telemetry: InMemoryTelemetry) -> None:
    """The values of other guards stay."""
    bench, other = Bench(), Bench()
    telemetry.instrument(other.guard)
    stop = telemetry.instrument(bench.guard)
    await bench.outcome()
    await asyncio.sleep(0)
    notify(bench.guard.listeners, StoreHit("0a1b2c3d", 1.0))  # schedules a measurement
    stop()
    await asyncio.sleep(0)
    await other.outcome()
    await asyncio.sleep(0)

    assert telemetry.values("ory_guard.session_cache.entries", "-") == {None: 1}
    assert telemetry.values("ory_guard.breaker.state", "ory_guard.state") == {
        "closed": 1,
        "half_open": 0,
        "open": 0,
    }
    assert telemetry.points("ory_guard.store.state") == []


def test_guard_is_instrumented_only_once(telemetry: InMemoryTelemetry) -> None:
    """A second call for the same guard raises an error; two guards can share a provider."""
    guard = Bench().guard
    telemetry.instrument(guard)
    telemetry.instrument(guard_of(None))

    with pytest.raises(ConfigurationError, match=r"already instrumented; call instrument\(\) once per guard"):
        telemetry.instrument(guard)


async def test_global_providers_are_the_default() -> None:
    bench = Bench()
    instrument(bench.guard)

    assert type(await bench.outcome()).__name__ == "Authenticated"


async def test_guard_without_listeners_creates_no_events(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError

    guard = guard_of(ScriptedKratos(signed_in()))
    for name in ("SessionCacheHit", "SessionCacheMiss", "notify"):
        monkeypatch.setattr(lookup, name, fail)

    assert type(await guard.authenticate(request())).__name__ == "Authenticated"
    assert type(await guard.authenticate(request())).__name__ == "Authenticated"


def test_missing_extra_raises_with_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("ory_guard.telemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)

    with pytest.raises(ModuleNotFoundError, match=r"pip install 'ory-guard\[otel\]'"):
        __import__("ory_guard.telemetry")
