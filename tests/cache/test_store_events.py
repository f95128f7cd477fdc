"""The events of calls of the shared store, and the delay of revocations."""

from typing import Any

import pytest
from support.memory_store import MemoryServer, eventually
from support.scripted_kratos import SESSION_ID
from support.worker_bench import Worker

from ory_guard.cache import RevokedIds
from ory_guard.cache.store_calls import StoreCalls
from ory_guard.events import Event, Listeners, RevocationsHeard, StoreCalled

from .limited_store import LimitedMemoryStore
from .store_connection_bench import ConnectionBench, fail, respond

pytestmark = pytest.mark.anyio


def calls_of(events: list[Event]) -> list[tuple[str, str | None]]:
    """Return the operation and the error of each call, except for probes."""
    calls = [event for event in events if isinstance(event, StoreCalled)]
    assert all(event.seconds >= 0 for event in calls)
    return [(event.operation, event.error) for event in calls if event.operation != "probe"]


async def test_each_call_is_an_event(memory_server: MemoryServer, workers: tuple[Worker, Worker]) -> None:
    """The operations are the methods of the store."""
    first, second = workers
    await first.share()
    await second.ask()
    await second.guard.invalidate(session_id=SESSION_ID)

    assert ("put", None) in calls_of(first.events)
    assert calls_of(second.events)[0] == ("get", None)
    assert calls_of(second.events)[-1] == ("revoke", None)


@pytest.mark.parametrize(("call", "error"), [(respond, None), (fail, "ConnectionError")])
async def test_failed_call_has_the_class_of_the_exception(
    bench: ConnectionBench, call: Any, error: str | None
) -> None:
    connection = await bench.ready()
    await connection.calls.call("get", call)
    await connection.calls.run("revoke", 1.0, call)

    assert calls_of(bench.events) == [("get", error), ("revoke", error)]


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
