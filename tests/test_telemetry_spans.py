"""Telemetry: each question to Kratos as a span below the request that asked first."""

import asyncio

import pytest
from guard_bench import Bench
from opentelemetry.trace import SpanKind, StatusCode
from stub_kratos import TOKEN, refused
from telescope import SERVER, Telescope

from ory_guard.events import SessionCacheMiss, StoreHit, TokenVerified, WhoamiAnswered, notify

pytestmark = pytest.mark.anyio

OTHER = (b"x-session-token", b"ory_st_other")


async def test_a_question_to_kratos_is_a_span_below_the_request(telescope: Telescope) -> None:
    """With the attributes of an HTTP client span, and no credential in any of them."""
    bench = Bench()
    telescope.watch(bench.guard)
    with telescope.tracer.start_as_current_span("request") as around:
        await bench.outcome()

    (span,) = telescope.whoami_spans()
    attributes = dict(span.attributes or {})
    credential_id = attributes.pop("ory_guard.credential.id")
    assert (span.kind, span.status.status_code) == (SpanKind.CLIENT, StatusCode.UNSET)
    assert span.parent == around.get_span_context()
    assert attributes == SERVER | {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.full": "http://kratos.test:4433/sessions/whoami",
        "url.template": "/sessions/whoami",
        "ory_guard.outcome": "Authenticated",
    }
    assert isinstance(credential_id, str)
    assert len(credential_id) == 8
    assert TOKEN.decode() not in "".join(one.to_json() for one in telescope.spans())


async def test_a_span_is_as_long_as_the_answer_took(telescope: Telescope) -> None:
    """It ends when the answer is there, and began so many seconds before."""
    guard = Bench().guard
    telescope.watch(guard)
    notify(guard.listeners, WhoamiAnswered("0a1b2c3d", "Authenticated", 0.5, 200))
    await asyncio.sleep(0)

    (span,) = telescope.whoami_spans()
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.end_time - span.start_time == 500_000_000
    assert span.parent is None


async def test_requests_that_waited_are_linked(telescope: Telescope) -> None:
    """The first is the parent, and each other one has a link."""
    bench = Bench()
    telescope.watch(bench.guard)
    bench.kratos.hold()

    async def visit(name: str) -> None:
        with telescope.tracer.start_as_current_span(name):
            await bench.outcome()

    visits = [asyncio.ensure_future(visit(name)) for name in ("first", "second", "third")]
    for _ in range(5):
        await asyncio.sleep(0)
    bench.kratos.release()
    await asyncio.gather(*visits)

    ids = {span.name: span.context.span_id for span in telescope.spans() if span.context}
    (span,) = telescope.whoami_spans()
    assert span.parent is not None
    assert span.parent.span_id == ids["first"]
    assert [link.context.span_id for link in span.links] == [ids["second"], ids["third"]]


async def test_a_failed_check_is_an_error(telescope: Telescope) -> None:
    """A refusal of Kratos' is an answer, and none."""
    bench = Bench(refused(), ConnectionError())
    telescope.watch(bench.guard)
    await bench.outcome()
    await bench.outcome(OTHER)

    answered, failed = telescope.whoami_spans()
    assert (answered.status.status_code, failed.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)
    assert failed.attributes is not None
    assert failed.attributes["error.type"] == "unreachable"


async def test_hits_show_on_the_requests_own_span(telescope: Telescope) -> None:
    """A trace tells whether a request waited for Kratos."""
    bench = Bench()
    telescope.watch(bench.guard)
    for name in ("cold", "warm"):
        with telescope.tracer.start_as_current_span(name):
            await bench.outcome()

    seen = {span.name: (span.attributes or {}).get("ory_guard.cache.result") for span in telescope.spans()}
    assert seen == {"GET /sessions/whoami": None, "cold": "miss", "warm": "hit"}


async def test_what_waited_in_vain_is_no_parent_later(
    telescope: Telescope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check that ended without a word leaves nothing to the next one of the same credential."""
    guard = Bench().guard
    telescope.watch(guard)
    now = 0.0
    monkeypatch.setattr("ory_guard.telemetry.tracing.time.monotonic", lambda: now)
    contexts = []
    for now in (0.0, 3.5):  # noqa: B007 - the clock
        with telescope.tracer.start_as_current_span("request") as around:
            notify(guard.listeners, SessionCacheMiss("0a1b2c3d"))
            contexts.append(around.get_span_context())
    notify(guard.listeners, WhoamiAnswered("0a1b2c3d", "Rejected", 0.1))
    await asyncio.sleep(0)

    (span,) = telescope.whoami_spans()
    assert span.parent == contexts[1]
    assert span.links == ()


async def test_what_the_store_had_leaves_nothing_behind(telescope: Telescope) -> None:
    """Its request was no question to Kratos."""
    guard = Bench().guard
    telescope.watch(guard)
    for answer in (StoreHit("0a1b2c3d", 1.0), TokenVerified("0a1b2c3d", "Rejected")):
        with telescope.tracer.start_as_current_span("request"):
            notify(guard.listeners, SessionCacheMiss("0a1b2c3d"))
        notify(guard.listeners, answer)
    notify(guard.listeners, WhoamiAnswered("0a1b2c3d", "Rejected", 0.1))
    await asyncio.sleep(0)

    (span,) = telescope.whoami_spans()
    assert span.parent is None


async def test_what_is_remembered_of_waiting_requests_is_bounded(telescope: Telescope) -> None:
    """A thousand checks, and thirty-three requests of each."""
    guard = Bench().guard
    telescope.watch(guard)
    with telescope.tracer.start_as_current_span("request"):
        for number in range(1_001):
            notify(guard.listeners, SessionCacheMiss(f"{number:08x}"))
        for _ in range(40):
            notify(guard.listeners, SessionCacheMiss("000003e8"))
    notify(guard.listeners, WhoamiAnswered("00000000", "Rejected", 0.1))
    notify(guard.listeners, WhoamiAnswered("000003e8", "Rejected", 0.1))
    await asyncio.sleep(0)

    forgotten, crowded = telescope.whoami_spans()
    assert forgotten.parent is None
    assert len(crowded.links) == 32
