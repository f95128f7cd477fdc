"""The events of the shared store."""

import asyncio

import pytest
from support.memory_store import eventually

from ory_guard.cache.store_state import StoreState
from ory_guard.events import StoreChanged

pytestmark = pytest.mark.anyio

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
        state.change(change)
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
            state.change(event)

    async def change_again() -> None:
        state.change(DOWN)
        await eventually(lambda: len(seen) == 2)

    asyncio.run(change())
    asyncio.run(change_again())
    assert seen == [UP, DOWN]
