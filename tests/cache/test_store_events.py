"""The events of the shared store: its calls, its state, and the delay of revocations."""

import asyncio
from typing import Any

import pytest
from support.memory_store import MemoryServer, eventually
from support.scripted_kratos import SESSION_ID
from support.worker_bench import Worker

from ory_guard.cache import RevokedIds
from ory_guard.cache.store_calls import StoreCalls
from ory_guard.cache.store_state import StoreState
from ory_guard.events import Event, Listeners, RevocationsHeard, StoreCalled, StoreChanged

from .limited_store import LimitedMemoryStore

pytestmark = pytest.mark.anyio


def calls_of(events: list[Event]) -> list[tuple[str, str | None]]:
    """Return the operation and the error of each call, except for probes."""
    calls = [event for event in events if isinstance(event, StoreCalled)]
    assert all(event.seconds >= 0 for event in calls)
    return [(event.operation, event.error) for event in calls if event.operation != "probe"]


ERROR = "ConnectionError"


@pytest.mark.parametrize(
    ("failing", "calls"),
    [
        ("nothing", [("get", None), ("put", None), ("revoke", None)]),
        ("get", [("get", ERROR)]),
        ("put", [("get", None), ("put", ERROR)]),
        ("revoke", [("get", None), ("put", None), ("revoke", ERROR)]),
    ],
)
async def test_each_call_is_an_event_with_the_class_of_its_exception(
    workers: tuple[Worker, Worker], failing: str, calls: list[tuple[str, str | None]]
) -> None:
    worker, _ = workers
    worker.store.failing = {failing}
    await worker.ask()
    await asyncio.sleep(0.01)
    await worker.guard.invalidate(session_id=SESSION_ID)

    assert calls_of(worker.events)[: len(calls)] == calls


@pytest.mark.parametrize("error", [None, ConnectionError()])
async def test_lookup_without_a_task_is_an_event(memory_server: MemoryServer, error: Exception | None) -> None:
    """Without a listener, no event is created."""
    store = LimitedMemoryStore(memory_server)
    store.error = error
    events: list[Event] = []
    results: list[Any] = []
    for listeners in (Listeners([events.append]), Listeners()):
        calls = StoreCalls(store, lambda _reason: None, listeners)
        assert calls.look_up([b"k"], results.append)
        calls.close()
    await eventually(lambda: len(results) == 2)

    assert events == [StoreCalled("get", 0.001, None if error is None else "ConnectionError")]


@pytest.mark.parametrize(
    ("ago", "seconds"),
    [
        pytest.param(0.25, 0.25, id="delay"),
        pytest.param(-5.0, 0.0, id="the clock of the sender is ahead"),
        pytest.param(None, None, id="no time in the message"),
    ],
)
async def test_delay_of_a_revocation_is_measured(
    memory_server: MemoryServer, workers: tuple[Worker, Worker], ago: float | None, seconds: float | None
) -> None:
    worker, _ = workers
    await worker.ask()
    at = None if ago is None else worker.clock.time() - ago
    memory_server.subscribers[0].put_nowait(RevokedIds(["session-9"], at))
    await eventually(lambda: worker.emitted(RevocationsHeard))

    (heard,) = worker.emitted(RevocationsHeard)
    assert isinstance(heard, RevocationsHeard)
    assert heard.count == 1
    assert heard.seconds == (None if seconds is None else pytest.approx(seconds))


UP, DOWN = StoreChanged("up", ""), StoreChanged("down", "TimeoutError")


@pytest.fixture
def interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interval that no test exceeds, but at its end."""
    monkeypatch.setattr("ory_guard.cache.store_state._MIN_INTERVAL", 0.2)


@pytest.mark.parametrize(
    ("changes", "emitted"),
    [
        pytest.param([UP], [UP], id="one change"),
        pytest.param([UP, DOWN], [UP, DOWN], id="the latest state is emitted at the end"),
        pytest.param([UP, DOWN, UP], [UP], id="a short failure is not"),
        pytest.param([DOWN, UP, DOWN, UP], [DOWN, UP], id="the changes in between are not"),
    ],
)
async def test_changes_are_emitted_once_per_interval(
    interval: None, changes: list[StoreChanged], emitted: list[StoreChanged]
) -> None:
    seen: list[StoreChanged] = []
    state = StoreState(seen.append)
    assert state.ready is None

    for change in changes:
        state.set_ready(change is UP, change.reason)
        assert state.ready is (change is UP), "the state itself is up to date"

    assert seen == changes[:1]
    await eventually(lambda: state._timer is None)
    assert seen == emitted


def test_pending_event_of_an_event_loop_that_has_ended_is_emitted_by_the_next(interval: None) -> None:
    """A test client may create an event loop for each request."""
    seen: list[StoreChanged] = []
    state = StoreState(seen.append)

    async def change() -> None:
        for event in (UP, DOWN):
            state.set_ready(event is UP, event.reason)

    async def change_again() -> None:
        await change()
        await eventually(lambda: len(seen) == 2)

    asyncio.run(change())
    asyncio.run(change_again())
    assert seen == [UP, DOWN]
