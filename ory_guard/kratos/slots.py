"""The slots of an HTTP client, which its calls take in the order of `Admission`: no client takes all of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from ory_guard._event_loop import LoopLocal
from ory_guard.kratos.admission import Admission, ClassLoad, Ticket
from ory_guard.kratos.caller import Caller
from ory_guard.kratos.http import PoolTimeout

__all__ = ["Slots", "WaitingCall"]


class WaitingCall(Ticket):
    """A call that waits for a slot.

    Args:
        caller: The credential of the call.
        admission: The slots of the running event loop.
        deadline: The end of the call, on the clock of the event loop.
    """

    __slots__ = ("_admission", "_admitted")

    def __init__(self, caller: Caller, admission: Admission, deadline: float) -> None:
        super().__init__(caller, deadline)
        self._admission = admission
        self._admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def admit(self) -> None:
        """Start the call."""
        if not self._admitted.done():  # it is if the waiting task was canceled
            self._admitted.set_result(None)

    def shed(self) -> None:
        """End the call."""
        if not self._admitted.done():
            self._admitted.set_exception(PoolTimeout())

    async def wait(self) -> None:
        """Wait for the slot.

        Raises:
            PoolTimeout: If there is no slot in time.
        """
        await self._admitted

    def retry_later(self) -> bool:
        """Return whether a call that got a 429 must wait again and be repeated (`Admission.retry_later`)."""
        if not self._admission.retry_later(self):
            return False
        self._admitted = asyncio.get_running_loop().create_future()
        return True


class Slots:
    """The slots of one HTTP client.

    Args:
        max_concurrency: The number of slots per event loop.
        timeout: The longest duration of a call, waiting included, in seconds.
    """

    def __init__(self, max_concurrency: int, timeout: float) -> None:
        self._timeout = timeout
        self._admissions: LoopLocal[Admission] = LoopLocal(partial(_admission, max_concurrency, timeout), _close)

    @asynccontextmanager
    async def take(self, caller: Caller) -> AsyncIterator[WaitingCall]:
        """Wait for a slot, and free it after the block.

        Args:
            caller: The credential of the call.

        Raises:
            PoolTimeout: If there is no slot in time.
        """
        admission = self._admissions.current() or await self._admissions.get()
        call = WaitingCall(caller, admission, asyncio.get_running_loop().time() + self._timeout)
        try:
            admission.enter(call)
            await call.wait()
            yield call
        finally:
            admission.leave(call)

    def load(self, *, known: bool) -> ClassLoad:
        """Return the number of calls of a class in the running event loop."""
        admission = None
        with suppress(RuntimeError):  # there is no running event loop
            admission = self._admissions.current()
        return ClassLoad() if admission is None else admission.load(known=known)

    async def aclose(self) -> None:
        """End the waiting calls of the running event loop."""
        await self._admissions.aclose()


def _admission(max_concurrency: int, timeout: float) -> Admission:
    loop = asyncio.get_running_loop()
    return Admission(max_concurrency, timeout, time=loop.time, call_later=loop.call_later)


async def _close(admission: Admission) -> None:
    admission.close()
