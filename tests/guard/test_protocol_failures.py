"""Invalid responses of Kratos: each costs one call a second per credential, and a bounded amount of work."""

import logging
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel, ConfigDict, model_validator
from security.bench import settings_for
from support.guard_bench import Bench, request
from support.raw_kratos import RawKratos, raw_response
from support.scripted_kratos import KratosResponse, session_body, signed_in

from ory_guard import Authenticated, OryGuard, Unavailable
from ory_guard.exceptions import SessionCheckUnavailable

pytestmark = pytest.mark.anyio

INVALID = KratosResponse(404, b"")
FAILURE = Unavailable("protocol")


def session_with_objects(number: int) -> dict[str, Any]:
    """Return a session with this many objects in its traits."""
    return session_body(identity={"traits": {"items": [{}] * number}})


@pytest.mark.parametrize("options", [{}, {"cache_ttl": 0}, {"negative_ttl": 0}], ids=repr)
async def test_protocol_failure_is_remembered_for_a_second(options: dict[str, Any]) -> None:
    """For its own credential only."""
    bench = Bench(INVALID, signed_in(), **options)

    assert [await bench.outcome() for _ in range(3)] == [FAILURE] * 3
    assert bench.calls == 1
    assert isinstance(await bench.outcome((b"x-session-token", b"other")), Authenticated)
    bench.clock.advance(1)
    assert isinstance(await bench.outcome(), Authenticated)


@pytest.mark.parametrize("failure", [KratosResponse(500, b""), OSError()], ids=["5xx", "no response"])
async def test_other_failures_are_not_remembered(failure: Any) -> None:
    bench = Bench(failure, signed_in())

    await bench.outcome()

    assert isinstance(await bench.outcome(), Authenticated)


@pytest.mark.parametrize("is_pooled", [True, False], ids=["pool", "transport"])
@pytest.mark.parametrize(
    ("status", "outcome", "calls"),
    [(502, Unavailable("unreachable"), 2), (429, Unavailable("rate_limited", 9), 1), (403, FAILURE, 1)],
)
async def test_size_of_an_error_page_does_not_hide_an_outage_or_a_rate_limit(
    status: int, outcome: Unavailable, calls: int, *, is_pooled: bool
) -> None:
    page = b" " * 70_000
    async with RawKratos(raw_response(page, status, ("Retry-After", "9"))) as kratos:
        transport = None if is_pooled else httpx2.AsyncHTTPTransport()
        guard = OryGuard(settings_for(kratos), transport=transport)

        assert [await guard.authenticate(request()) for _ in range(2)] == [outcome] * 2

        assert len(kratos.requests) == calls
        await guard.aclose()


async def test_invalidate_bypasses_the_failure() -> None:
    bench = Bench(INVALID, signed_in())
    await bench.outcome()

    await bench.guard.invalidate(session_id="another")

    assert isinstance(await bench.outcome(), Authenticated)


async def test_revalidation_bypasses_the_failure() -> None:
    """An ordinary request after it has the new result."""
    bench = Bench(INVALID, signed_in(), cache_ttl=0)
    with pytest.raises(SessionCheckUnavailable):
        await bench.guard.require(request())

    session = await bench.guard.require(request(), revalidate=True)

    assert session.active
    assert isinstance(await bench.outcome(), Authenticated)


@pytest.mark.parametrize(("number", "is_accepted"), [(3_500, True), (4_097, False)])
async def test_session_with_too_many_values_is_a_protocol_failure(
    number: int, caplog: pytest.LogCaptureFixture, *, is_accepted: bool
) -> None:
    bench = Bench(signed_in(session_with_objects(number)))

    assert isinstance(await bench.outcome(), Authenticated) is is_accepted
    assert ("the session is too complex" in caplog.text) is not is_accepted


async def test_log_names_the_setting_and_both_sizes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    bench = Bench(KratosResponse(200, b" " * 70_000, (("content-type", "application/json"),)))

    assert await bench.outcome() == FAILURE
    assert "70000 bytes or more, and max_response_bytes is 65536" in caplog.text


async def test_internal_error_of_a_check_is_remembered() -> None:
    """A validator of the traits model may raise any exception, for the same session at each request."""

    class Traits(BaseModel):
        model_config = ConfigDict(frozen=True)

        @model_validator(mode="before")
        @classmethod
        def _fail(cls, _values: Any) -> Any:
            raise KeyError

    bench = Bench(traits=Traits)

    assert [await bench.outcome() for _ in range(3)] == [FAILURE] * 3
    assert bench.calls == 1
