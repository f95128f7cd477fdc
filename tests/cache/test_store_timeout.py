"""The clock and the deadlines of calls of the store, and the limit that follows their latency."""

import asyncio

import pytest
from support.memory_store import SOON, eventually

from ory_guard.cache.store_timeout import TICK, LatencyLimit, ResponsiveClock, run_with_deadline

pytestmark = pytest.mark.anyio


class Item:
    """Something with a deadline.

    Attributes:
        expired: Whether it has expired.
    """

    expires_at = 0.0

    def __init__(self) -> None:
        self.expired = False

    def expire(self) -> None:
        """Record that."""
        self.expired = True


@pytest.fixture(autouse=True)
def _adaptive_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other tests replace the limit by a fixed one."""
    monkeypatch.delattr(LatencyLimit, "seconds")


@pytest.fixture
async def time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of the event loop, which the test sets."""
    now = [100.0]
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])
    return now


async def test_items_expire_in_the_order_of_their_deadlines() -> None:
    clock, early, late, discarded = ResponsiveClock(), Item(), Item(), Item()
    for item, seconds in ((late, 60.0), (early, 0.01), (discarded, 0.005)):
        clock.add(item, seconds)
    clock.discard(discarded)

    await eventually(lambda: early.expired)

    assert not late.expired
    assert not discarded.expired
    clock.close()


async def test_delay_of_the_event_loop_counts_as_one_tick(time: list[float]) -> None:
    """A response that arrived in the meantime is read before the deadline expires."""
    clock, item = ResponsiveClock(asyncio.get_running_loop().time), Item()
    started = clock.add(item, 2.5 * TICK)

    for delay in (10.0, TICK):
        time[0] += delay
        assert clock.now() - started == pytest.approx(min(delay, TICK) + (delay == TICK) * TICK)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert not item.expired
    for _ in range(3):
        time[0] += TICK
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    assert item.expired
    clock.close()


async def test_clock_stops_while_nothing_is_pending(time: list[float]) -> None:
    """It does not go back."""
    clock = ResponsiveClock(asyncio.get_running_loop().time)
    first = clock.add(item := Item(), 1.0)
    clock.discard(item)
    time[0] += 3_600.0
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert 0 <= clock.add(Item(), 1.0) - first <= 2 * TICK
    clock.close()
    clock.close()


@pytest.mark.parametrize(
    ("latencies", "maximum", "limit"),
    [
        pytest.param([], 0.5, 0.1, id="no call"),
        pytest.param([], 0.05, 0.05, id="no call, low maximum"),
        pytest.param([0.001] * 15, 0.5, 0.1, id="few calls"),
        pytest.param([0.001] * 16, 0.5, 0.02, id="fast store"),
        pytest.param([0.001] * 16, 0.01, 0.01, id="fast store, low maximum"),
        pytest.param([0.03] * 128, 0.5, 0.12, id="distant store"),
        pytest.param([0.03] * 128 + [0.4], 0.5, 0.12, id="one slow response"),
        pytest.param([0.03] * 128 + [0.2, 0.2], 0.5, 0.5, id="slow responses"),
        pytest.param([0.3] * 128 + [0.001] * 144, 0.5, 0.02, id="after slow responses"),
        pytest.param([0.1, 0.1], 0.5, 0.4, id="slow from the start"),
    ],
)
def test_limit_is_four_times_the_99th_percentile(latencies: list[float], maximum: float, limit: float) -> None:
    """Between 20 ms and the maximum."""
    latency_limit = LatencyLimit(maximum)
    for latency in latencies:
        latency_limit.record(latency)

    assert latency_limit.seconds == pytest.approx(limit)


async def test_run_with_deadline_cancels_the_work_at_the_deadline() -> None:
    """The caller gets a TimeoutError."""
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(TimeoutError):
        await run_with_deadline(5, work())

    assert loop.time() - started == pytest.approx(5, abs=0.01)
    await asyncio.wait_for(ended.wait(), SOON)


async def test_run_with_deadline_extends_the_deadline_once_if_the_event_loop_was_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The late timer does not prove that the store is slow."""
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)

    async def work() -> str:
        nonlocal now
        now += 2  # the event loop was busy for two seconds
        for _ in range(5):
            await asyncio.sleep(0)
        return "response"

    assert await run_with_deadline(1, work()) == "response"


async def test_run_with_deadline_cancels_the_work_with_its_caller() -> None:
    """An exception that the work raises then is not reported as unhandled."""
    started, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
            raise ConnectionError

    caller = asyncio.create_task(run_with_deadline(60, work()))
    await started.wait()
    caller.cancel()

    with pytest.raises(asyncio.CancelledError):
        await caller
    await asyncio.wait_for(ended.wait(), SOON)
