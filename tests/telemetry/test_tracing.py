"""Tests of the spans: one per request to Kratos, as a child of the first waiting request."""

import asyncio

import pytest
from opentelemetry.trace import SpanKind, StatusCode
from support.guard_bench import Bench
from support.in_memory_telemetry import SERVER, InMemoryTelemetry
from support.scripted_kratos import TOKEN, refused

from ory_guard.events import SessionCacheMiss, StoreHit, TokenVerified, WhoamiAnswered, notify

pytestmark = pytest.mark.anyio

OTHER = (b"x-session-token", b"ory_st_other")


async def test_whoami_span_is_a_child_of_the_request(telemetry: InMemoryTelemetry) -> None:
    bench = Bench()
    telemetry.instrument(bench.guard)
    with telemetry.tracer.start_as_current_span("request") as parent:
        await bench.outcome()

    (span,) = telemetry.whoami_spans()
    attributes = dict(span.attributes or {})
    credential_id = attributes.pop("ory_guard.credential.id")
    assert (span.kind, span.status.status_code) == (SpanKind.CLIENT, StatusCode.UNSET)
    assert span.parent == parent.get_span_context()
    assert attributes == SERVER | {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.full": "http://kratos.test:4433/sessions/whoami",
        "url.template": "/sessions/whoami",
        "ory_guard.outcome": "Authenticated",
    }
    assert isinstance(credential_id, str)
    assert len(credential_id) == 8
    assert TOKEN.decode() not in "".join(item.to_json() for item in telemetry.spans())


async def test_whoami_span_has_the_duration_of_the_request(telemetry: InMemoryTelemetry) -> None:
    """It ends with the response, and starts `seconds` earlier."""
    guard = Bench().guard
    telemetry.instrument(guard)
    notify(guard.listeners, WhoamiAnswered("0a1b2c3d", "Authenticated", 0.5, 200))
    await asyncio.sleep(0)

    (span,) = telemetry.whoami_spans()
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.end_time - span.start_time == 500_000_000
    assert span.parent is None


async def test_waiting_requests_are_linked(telemetry: InMemoryTelemetry) -> None:
    bench = Bench()
    telemetry.instrument(bench.guard)
    bench.kratos.hold()

    async def visit(name: str) -> None:
        with telemetry.tracer.start_as_current_span(name):
            await bench.outcome()

    visits = [asyncio.ensure_future(visit(name)) for name in ("first", "second", "third")]
    for _ in range(5):
        await asyncio.sleep(0)
    bench.kratos.release()
    await asyncio.gather(*visits)

    ids = {span.name: span.context.span_id for span in telemetry.spans() if span.context}
    (span,) = telemetry.whoami_spans()
    assert span.parent is not None
    assert span.parent.span_id == ids["first"]
    assert [link.context.span_id for link in span.links] == [ids["second"], ids["third"]]


async def test_failed_check_is_an_error_span(telemetry: InMemoryTelemetry) -> None:
    bench = Bench(refused(), ConnectionError())
    telemetry.instrument(bench.guard)
    await bench.outcome()
    await bench.outcome(OTHER)

    answered, failed = telemetry.whoami_spans()
    assert (answered.status.status_code, failed.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)
    assert failed.attributes is not None
    assert failed.attributes["error.type"] == "unreachable"


async def test_request_span_has_the_cache_result(telemetry: InMemoryTelemetry) -> None:
    bench = Bench()
    telemetry.instrument(bench.guard)
    for name in ("cold", "warm"):
        with telemetry.tracer.start_as_current_span(name):
            await bench.outcome()

    results = {span.name: (span.attributes or {}).get("ory_guard.cache.result") for span in telemetry.spans()}
    assert results == {"GET /sessions/whoami": None, "cold": "miss", "warm": "hit"}


async def test_stale_waiting_requests_are_not_parents(
    telemetry: InMemoryTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = Bench(timeout=2).guard
    telemetry.instrument(guard)
    now = 0.0
    monkeypatch.setattr("ory_guard.telemetry.tracing.time.monotonic", lambda: now)
    contexts = []
    for now in (0.0, 3.5):  # noqa: B007 - the clock
        with telemetry.tracer.start_as_current_span("request") as parent:
            notify(guard.listeners, SessionCacheMiss("0a1b2c3d"))
            contexts.append(parent.get_span_context())
    notify(guard.listeners, WhoamiAnswered("0a1b2c3d", "Rejected", 0.1))
    await asyncio.sleep(0)

    (span,) = telemetry.whoami_spans()
    assert span.parent == contexts[1]
    assert span.links == ()


async def test_store_hit_removes_waiting_requests(telemetry: InMemoryTelemetry) -> None:
    guard = Bench().guard
    telemetry.instrument(guard)
    for answer in (StoreHit("0a1b2c3d", 1.0), TokenVerified("0a1b2c3d", "Rejected")):
        with telemetry.tracer.start_as_current_span("request"):
            notify(guard.listeners, SessionCacheMiss("0a1b2c3d"))
        notify(guard.listeners, answer)
    notify(guard.listeners, WhoamiAnswered("0a1b2c3d", "Rejected", 0.1))
    await asyncio.sleep(0)

    (span,) = telemetry.whoami_spans()
    assert span.parent is None


async def test_waiting_requests_are_bounded(telemetry: InMemoryTelemetry) -> None:
    guard = Bench().guard
    telemetry.instrument(guard)
    with telemetry.tracer.start_as_current_span("request"):
        for number in range(1_001):
            notify(guard.listeners, SessionCacheMiss(f"{number:08x}"))
        for _ in range(40):
            notify(guard.listeners, SessionCacheMiss("000003e8"))
    notify(guard.listeners, WhoamiAnswered("00000000", "Rejected", 0.1))
    notify(guard.listeners, WhoamiAnswered("000003e8", "Rejected", 0.1))
    await asyncio.sleep(0)

    dropped, crowded = telemetry.whoami_spans()
    assert dropped.parent is None
    assert len(crowded.links) == 32
