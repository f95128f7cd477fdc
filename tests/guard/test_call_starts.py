"""The starts of many session checks at once: bounded in each turn of the event loop, and never without a result."""

import asyncio
from collections import Counter
from functools import partial

import pytest
from support.clock import AdjustableClock
from support.guard_bench import request, settings_of
from support.raw_kratos import RawKratos, hang, raw_response
from support.scripted_kratos import session_body

from ory_guard import Authenticated, OryGuard, Outcome, Unavailable
from ory_guard._event_loop import TurnLimit
from ory_guard.kratos import admission

pytestmark = pytest.mark.anyio


async def check_all(guard: OryGuard, count: int) -> list[Outcome]:
    tokens = (b"token-%d" % number for number in range(count))
    return await asyncio.gather(*(guard.authenticate(request((b"x-session-token", token))) for token in tokens))


async def test_checks_beyond_the_limit_start_in_later_turns() -> None:
    async with RawKratos(raw_response(session_body())) as kratos:
        guard = OryGuard(settings_of(kratos_public_url=kratos.url, timeout=60), clock=AdjustableClock())
        checks = asyncio.ensure_future(check_all(guard, 200))
        started = []
        while guard.stats().upstream_calls < 200:
            await asyncio.sleep(0)
            started.append(guard.stats().upstream_calls)

        assert all(isinstance(outcome, Authenticated) for outcome in await checks)
        await guard.aclose()

    assert max(later - earlier for earlier, later in zip([0, *started], started, strict=False)) <= 64


async def test_requests_that_find_the_queue_full_end_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their outcome is there before they would wait for it."""
    monkeypatch.setattr(admission, "_MAX_WAITING", 10)
    async with RawKratos(hang) as kratos:
        guard = OryGuard(settings_of(kratos_public_url=kratos.url, timeout=60, max_upstream_concurrency=1))
        checks = [
            asyncio.ensure_future(guard.authenticate(request((b"x-session-token", b"%d" % n)))) for n in range(80)
        ]

        while sum(check.done() for check in checks) < 69:  # noqa: ASYNC110 - turns of the event loop are counted
            await asyncio.sleep(0)
        outcomes = Counter(check.result() for check in checks if check.done())
        await guard.aclose()
        await asyncio.gather(*checks)

    assert outcomes == {Unavailable("overloaded"): 69}


async def test_closing_the_guard_ends_checks_that_have_not_started() -> None:
    async with RawKratos(hang) as kratos:
        guard = OryGuard(settings_of(kratos_public_url=kratos.url, timeout=60))
        checks = asyncio.ensure_future(check_all(guard, 200))
        while not guard.stats().upstream_calls:  # noqa: ASYNC110 - turns of the event loop are counted
            await asyncio.sleep(0)

        await guard.aclose()

        assert set(await checks) == {Unavailable("unreachable")}
        assert guard.stats().upstream_calls < 200


async def test_deferred_functions_run_in_order_with_the_limit_in_each_turn() -> None:
    limit, ran = TurnLimit(2), list[int]()
    turns = []
    for number in range(5):
        if limit.take():
            ran.append(number)
        else:
            limit.defer(partial(ran.append, number))
    for _ in range(4):
        turns.append(list(ran))
        await asyncio.sleep(0)

    assert turns == [[0, 1], [0, 1, 2, 3], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]
    assert limit.take()
