"""Telemetry: what a guard does as metrics, and nothing of it where nobody asked."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from guard_bench import Bench, request, requests
from stub_kratos import SESSION_ID, guard_of, refused
from telescope import SERVER, Telescope

from ory_guard import events, lookup
from ory_guard.events import Event, RevocationsHeard, StoreChanged, StoreHit, TokenVerified, notify
from ory_guard.exceptions import ConfigurationError, Refusal
from ory_guard.stats import GuardStats
from ory_guard.telemetry import instrument
from ory_guard.telemetry.metrics import COUNTERS, DURATION, LEVELS

pytestmark = pytest.mark.anyio

OTHER = (b"x-session-token", b"ory_st_other")


async def test_hits_misses_and_shared_checks_are_counted(telescope: Telescope) -> None:
    """One counter for each, with Kratos' address under OpenTelemetry's names."""
    bench = Bench()
    telescope.watch(bench.guard, attributes={"tenant": "eu"})
    bench.kratos.hold()
    waiting = await requests(bench, 3)
    bench.kratos.release()
    await asyncio.gather(*waiting)
    await bench.outcome()

    assert telescope.values("ory_guard.session_cache.lookups", "ory_guard.cache.result") == {"miss": 3, "hit": 1}
    ((attributes, shared),) = telescope.points("ory_guard.checks.shared")
    assert (attributes, shared.value) == ({**SERVER, "tenant": "eu"}, 2)


async def test_the_time_that_kratos_takes_is_measured(telescope: Telescope) -> None:
    """As the HTTP client metric of OpenTelemetry's conventions, in seconds, by status and outcome."""
    bench = Bench()
    telescope.watch(bench.guard)
    bench.kratos.hold()
    waiting = await requests(bench, 1)
    bench.clock.advance(0.25)
    bench.kratos.release()
    await asyncio.gather(*waiting)

    ((attributes, point),) = telescope.points(DURATION)
    assert attributes == SERVER | {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "ory_guard.outcome": "Authenticated",
    }
    assert (point.count, point.sum) == (1, 0.25)
    assert point.explicit_bounds[0] == 0.001


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (refused(503), {"http.response.status_code": 503, "error.type": "unreachable"}),
        (ConnectionError(), {"error.type": "unreachable"}),
        (refused(429), {"http.response.status_code": 429, "error.type": "rate_limited"}),
    ],
    ids=["503", "no answer", "429"],
)
async def test_failures_are_counted_and_measured_by_their_kind(
    answer: Any, told: dict[str, Any], telescope: Telescope
) -> None:
    """`error.type` is the reason of `Unavailable`; a status is there where an answer was."""
    bench = Bench(answer)
    telescope.watch(bench.guard)
    await bench.outcome()

    ((attributes, _),) = telescope.points(DURATION)
    assert attributes == SERVER | {"http.request.method": "GET", **told}
    assert telescope.values("ory_guard.checks.failed", "error.type") == {told["error.type"]: 1}


async def test_an_open_breaker_is_seen(telescope: Telescope) -> None:
    """Its state is a gauge for each state; what it held back was no call to Kratos."""
    bench = Bench(ConnectionError())
    telescope.watch(bench.guard)
    before = telescope.values("ory_guard.breaker.state", "ory_guard.state")
    for _ in range(3):
        await bench.outcome()
        await bench.outcome(OTHER)

    assert before == {"closed": 1, "half_open": 0, "open": 0}
    assert telescope.values("ory_guard.breaker.state", "ory_guard.state") == {
        "closed": 0,
        "half_open": 0,
        "open": 1,
    }
    assert telescope.values("ory_guard.checks.failed", "error.type") == {"unreachable": 5, "breaker": 1}
    assert sum(point.count for _, point in telescope.points(DURATION)) == 5
    assert len(telescope.whoami_spans()) == 5


async def test_refusals_are_counted_by_their_code(telescope: Telescope) -> None:
    """And the request's own span has the code."""
    bench = Bench()
    telescope.watch(bench.guard)
    with telescope.tracer.start_as_current_span("request"), pytest.raises(Refusal):
        await bench.guard.require(request(), verified="sms")
    with pytest.raises(Refusal):
        await bench.guard.require({**request(), "headers": []})

    counted = telescope.values("ory_guard.requests.refused", "ory_guard.refusal")
    assert counted == {"requirement_not_met": 1, "session_inactive": 1}
    (span,) = [span for span in telescope.spans() if span.name == "request"]
    assert span.attributes is not None
    assert span.attributes["ory_guard.refusal"] == "requirement_not_met"


async def test_entries_are_gauged_after_each_change(telescope: Telescope) -> None:
    """Once an answer was kept, and once it was dropped; however many answers come in one turn of the loop."""
    bench = Bench()
    telescope.watch(bench.guard)
    seen = [telescope.values("ory_guard.session_cache.entries", "-")]
    await asyncio.gather(bench.outcome(), bench.outcome(OTHER))
    await asyncio.sleep(0)
    seen.append(telescope.values("ory_guard.session_cache.entries", "-"))
    bench.clock.advance(60)
    await bench.guard.invalidate(session_id=SESSION_ID)
    await asyncio.sleep(0)
    seen.append(telescope.values("ory_guard.session_cache.entries", "-"))

    assert seen == [{None: 0}, {None: 2}, {None: 0}]


async def test_what_stores_and_tokens_do_is_counted(telescope: Telescope) -> None:
    """Revocations that were heard by their number, and the store's state as it changes."""
    guard = Bench().guard
    telescope.watch(guard)
    assert telescope.points("ory_guard.store.state") == []
    for event in (
        StoreHit("0a1b2c3d", 1.0),
        TokenVerified("0a1b2c3d", "Authenticated"),
        RevocationsHeard(3),
        StoreChanged("down", "TimeoutError"),
    ):
        notify(guard.listeners, event)

    assert telescope.values("ory_guard.store.hits", "-") == {None: 1}
    assert telescope.values("ory_guard.tokens.verified", "ory_guard.outcome") == {"Authenticated": 1}
    assert telescope.values("ory_guard.revocations.heard", "-") == {None: 3}
    assert telescope.values("ory_guard.store.state", "ory_guard.state") == {"up": 0, "down": 1}
    await asyncio.sleep(0)


def test_a_store_is_gauged_from_the_start(telescope: Telescope, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the guard has one."""
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
    )
    monkeypatch.setattr(guard, "stats", lambda: stats)
    telescope.watch(guard)

    assert telescope.values("ory_guard.store.state", "ory_guard.state") == {"up": 1, "down": 0}


def test_every_event_that_counts_has_a_counter() -> None:
    """Whoever adds an event decides what it is to an operator."""
    measured = {"WhoamiAnswered", "BreakerChanged", "StoreChanged"}

    assert {kind.__name__ for kind in Event.__subclasses__()} == {kind.__name__ for kind in COUNTERS} | measured
    assert {kind.__name__ for kind in COUNTERS} | measured <= {*events.__all__}
    assert len(LEVELS) == 3


async def test_removing_ends_it(telescope: Telescope) -> None:
    """The guard is as it was, and may be instrumented again."""
    bench = Bench()
    remove = telescope.watch(bench.guard)
    remove()
    await bench.outcome()

    assert bench.guard.listeners == []
    assert telescope.points("ory_guard.session_cache.lookups") == []
    telescope.watch(bench.guard)()


async def test_what_was_is_taken_back_with_it(telescope: Telescope) -> None:
    """A guard that is no longer watched has no entries and no breaker, and other guards keep theirs."""
    bench, other = Bench(), Bench()
    telescope.watch(other.guard)
    stop = telescope.watch(bench.guard)
    await bench.outcome()
    await asyncio.sleep(0)
    notify(bench.guard.listeners, StoreHit("0a1b2c3d", 1.0))  # which would be looked at in the next turn
    stop()
    await asyncio.sleep(0)
    await other.outcome()
    await asyncio.sleep(0)

    assert telescope.values("ory_guard.session_cache.entries", "-") == {None: 1}
    assert telescope.values("ory_guard.breaker.state", "ory_guard.state") == {
        "closed": 1,
        "half_open": 0,
        "open": 0,
    }
    assert telescope.points("ory_guard.store.state") == []


def test_a_guard_is_instrumented_once(telescope: Telescope) -> None:
    """Twice would count everything twice; two guards may share a provider."""
    guard = Bench().guard
    telescope.watch(guard)
    telescope.watch(guard_of(None))

    with pytest.raises(ConfigurationError, match="would count twice"):
        telescope.watch(guard)


async def test_the_global_providers_are_used_where_none_are_given() -> None:
    """Without an SDK behind them all of it is nothing, and works."""
    bench = Bench()
    instrument(bench.guard)

    assert type(await bench.outcome()).__name__ == "Authenticated"


async def test_what_is_not_used_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a listener no event is even made."""

    def fail(*_: Any) -> None:
        raise AssertionError

    bench = Bench()
    for name in ("SessionCacheHit", "SessionCacheMiss", "notify"):
        monkeypatch.setattr(lookup, name, fail)

    assert type(await bench.outcome()).__name__ == "Authenticated"
    assert type(await bench.outcome()).__name__ == "Authenticated"


def test_the_guard_does_not_load_opentelemetry() -> None:
    """It is an extra, and loaded with `ory_guard.telemetry` only."""
    program = "import sys, ory_guard.guard, ory_guard.middleware; print('opentelemetry' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


def test_without_its_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the error of the import."""
    for name in [name for name in sys.modules if name.startswith("ory_guard.telemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)

    with pytest.raises(ModuleNotFoundError, match=r"pip install 'ory-guard\[otel\]'"):
        __import__("ory_guard.telemetry")
