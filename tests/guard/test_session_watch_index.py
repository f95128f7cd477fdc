"""A logout wakes the watches of its session and identity, and no other watch."""

import asyncio
import gc
from typing import Any

import pytest
from starlette.requests import Request
from support.guard_bench import Bench, request
from support.memory_store import eventually
from support.scripted_kratos import SESSION_ID, KratosRequest, refused, session_body, signed_in

from ory_guard.exceptions import SessionRequired
from ory_guard.guard.session_watch import Watch
from ory_guard.guard.session_watch_index import WatchIndex

pytestmark = pytest.mark.anyio


def test_wake_sets_the_events_of_an_id() -> None:
    """None stands for all events."""
    index = WatchIndex()
    first, second = index.open(("session-1", "identity")), index.open(("session-2", "identity"))
    unknown = index.open(())

    def woken(*ids: str) -> list[bool]:
        index.wake(ids or None)
        subscriptions = (first, second, unknown)
        states = [subscription.invalidated.is_set() for subscription in subscriptions]
        for subscription in subscriptions:
            subscription.invalidated.clear()
        return states

    assert woken("session-1", "another") == [True, False, False]
    assert woken("identity") == [True, True, False]
    assert woken() == [True, True, True]
    assert first.update(("session-3", "identity"))
    assert not first.update(("session-3", "identity"))
    assert woken("session-1") == [False, False, False]
    assert woken("session-3") == [True, False, False]


def test_index_is_empty_after_the_last_watch() -> None:
    """A watch that was never entered leaves nothing behind, either."""
    index = WatchIndex()
    subscriptions = [index.open((f"session-{number}", "identity")) for number in range(3)]
    assert len(index) == 4

    del subscriptions[1:]
    gc.collect()
    assert len(index) == 2
    index.wake(["identity"])
    assert subscriptions.pop().invalidated.is_set()
    gc.collect()
    assert len(index) == 0


def _by_token(asked: KratosRequest) -> Any:
    name = asked.credentials()[0][1].removeprefix("ory_st_")
    return signed_in(session_body(id=f"session-{name}", identity={"id": f"identity-{name}"}))


async def test_logout_revalidates_only_its_own_watches() -> None:
    """By the id of the session or of the identity."""
    bench = Bench(_by_token)
    watches = []
    for number in range(3):
        scope = request((b"x-session-token", b"ory_st_%d" % number))
        await bench.guard.require(scope)
        watches.append(bench.guard.watch(Request(scope), every=3_600))

    async def stay_open(watch: Watch) -> None:
        async with watch:
            await asyncio.sleep(3_600)

    tasks = [asyncio.create_task(stay_open(watch)) for watch in watches]
    await asyncio.sleep(0)
    bench.kratos.responses = [refused()]
    await bench.guard.invalidate(identity_id="identity-1")
    await tasks[1]
    await bench.guard.invalidate(session_id="session-2")
    await tasks[2]

    assert [watch.refusal is not None for watch in watches] == [False, True, True]
    assert bench.calls == 5
    tasks[0].cancel()


async def test_session_that_is_revoked_during_its_first_check_ends_the_watch() -> None:
    """The watch does not know the ids of its session before."""
    bench = Bench(signed_in())
    bench.kratos.hold()
    watch = bench.guard.watch(Request(request()), every=3_600)

    async def revoke() -> None:
        await eventually(lambda: bench.calls == 1)
        await bench.guard.invalidate(session_id=SESSION_ID)
        bench.kratos.responses = [refused()]
        bench.kratos.release()

    revoking = asyncio.create_task(revoke())
    async with watch:
        await asyncio.sleep(3_600)
    await revoking

    assert isinstance(watch.refusal, SessionRequired)


async def test_watch_follows_a_change_of_its_session() -> None:
    """A revalidation may return another session for the same credential."""
    bench = Bench(signed_in(), signed_in(session_body(id="session-2")))
    scope = request()
    await bench.guard.require(scope)
    watch = bench.guard.watch(Request(scope), every=0.01)

    async with watch:
        bench.clock.advance(1)
        await eventually(lambda: scope["state"]["ory_session"].id == "session-2")
        bench.kratos.responses = [refused()]
        await asyncio.sleep(0)
        await bench.guard.invalidate(session_id="session-2")
        await asyncio.sleep(3_600)

    assert isinstance(watch.refusal, SessionRequired)
