"""The slots of an HTTP client: waiting, cancellation and turns."""

import asyncio

import pytest

from ory_guard.kratos.admission import Admission, ClassLoad
from ory_guard.kratos.caller import UNKNOWN
from ory_guard.kratos.slots import Slots, WaitingCall

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("end", ["admit", "shed"])
async def test_slot_ignores_a_cancelled_call(end: str) -> None:
    """The waiting task is cancelled in the same iteration of the event loop in which a slot is free."""
    loop = asyncio.get_running_loop()
    admission = Admission(1, 1.0, time=loop.time, call_later=loop.call_later)
    call = WaitingCall(UNKNOWN, admission, 0.0)
    waiting = asyncio.ensure_future(call.wait())
    await asyncio.sleep(0)
    waiting.cancel()

    getattr(call, end)()

    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_slot_is_free_after_a_cancelled_call() -> None:
    slots = Slots(1, 5.0)

    async def hold() -> None:
        async with slots.take(UNKNOWN):
            await asyncio.Event().wait()

    running, waiting = (asyncio.ensure_future(hold()) for _ in range(2))
    await asyncio.sleep(0.001)
    assert slots.load(known=False) == ClassLoad(1, 1)
    for task in (waiting, running):
        task.cancel()
    await asyncio.gather(running, waiting, return_exceptions=True)

    assert slots.load(known=False) == ClassLoad(0, 0)
    async with asyncio.timeout(5), slots.take(UNKNOWN):
        assert slots.load(known=False) == ClassLoad(1, 0)


def test_load_is_zero_without_an_event_loop() -> None:
    assert Slots(1, 5.0).load(known=True) == ClassLoad()
