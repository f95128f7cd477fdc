"""Invalid responses of Kratos: each costs one call a second per credential, and a bounded amount of work."""

from typing import Any

import httpx2
import pytest
from pydantic import BaseModel, ConfigDict, model_validator
from security.bench import settings_for
from support.guard_bench import Bench, request
from support.raw_kratos import RawKratos, raw_response
from support.scripted_kratos import KratosResponse, signed_in

from ory_guard import Authenticated, OryGuard, Unavailable
from ory_guard.exceptions import SessionCheckUnavailable

pytestmark = pytest.mark.anyio

INVALID = KratosResponse(404, b"")
FAILURE = Unavailable("protocol")


@pytest.mark.parametrize("options", [{}, {"cache_ttl": 0}, {"negative_ttl": 0}], ids=repr)
async def test_protocol_failure_is_remembered_for_a_second(options: dict[str, Any]) -> None:
    """For its own credential only."""
    bench = Bench(INVALID, signed_in(), **options)

    assert [await bench.outcome() for _ in range(3)] == [FAILURE] * 3
    assert bench.calls == 1
    assert isinstance(await bench.outcome((b"x-session-token", b"other")), Authenticated)
    bench.clock.advance(1)
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


async def test_revalidation_bypasses_the_failure() -> None:
    """An ordinary request after it has the new result."""
    bench = Bench(INVALID, signed_in(), cache_ttl=0)
    with pytest.raises(SessionCheckUnavailable):
        await bench.guard.require(request())

    session = await bench.guard.require(request(), revalidate=True)

    assert session.active
    assert isinstance(await bench.outcome(), Authenticated)


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
