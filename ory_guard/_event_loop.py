"""What belongs to an event loop: made on first use there, ended with it.

A connection pool or a running check can't move to another loop or survive a fork, and a test client may make
a loop for each request. So the guard keeps one resource for each running loop.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar

__all__ = ["LoopLocal", "current_task_cancelled"]

ResourceT = TypeVar("ResourceT")


def current_task_cancelled() -> bool:
    """Tell whether the running task was cancelled, and not just something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class LoopLocal(Generic[ResourceT]):
    """Gives every running event loop a resource of its own.

    Args:
        make: Makes the resource; called inside the running loop.
        close: Ends it; called inside the same loop, when that loop shuts down or on `aclose()`.
    """

    def __init__(self, make: Callable[[], ResourceT], close: Callable[[ResourceT], Awaitable[None]]) -> None:
        self._make = make
        self._close = close
        self._process = os.getpid()
        self._kept: dict[asyncio.AbstractEventLoop, tuple[ResourceT, AsyncGenerator[ResourceT, None]]] = {}

    async def get(self) -> ResourceT:
        """Return the running loop's resource, made now if this is its first use."""
        loop = asyncio.get_running_loop()
        kept = self._kept.get(loop)
        if kept is not None and self._process == os.getpid():
            return kept[0]
        self._forget_dead_loops()
        life = self._live(loop)
        resource = await anext(life)
        self._kept[loop] = resource, life
        return resource

    def current(self) -> ResourceT | None:
        """Return the running loop's resource if it has one already."""
        kept = self._kept.get(asyncio.get_running_loop())
        return kept[0] if kept is not None and self._process == os.getpid() else None

    async def aclose(self) -> None:
        """End the running loop's resource; the next use makes a new one."""
        kept = self._kept.pop(asyncio.get_running_loop(), None)
        if kept is not None:
            resource, life = kept
            try:
                await self._close(resource)
            except BaseException:
                self._kept.setdefault(asyncio.get_running_loop(), kept)
                raise
            await life.aclose()

    def _forget_dead_loops(self) -> None:
        if self._process != os.getpid():
            self._process = os.getpid()
            self._kept.clear()
        for loop in [loop for loop in self._kept if loop.is_closed()]:
            del self._kept[loop]

    async def _live(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[ResourceT, None]:
        # An event loop closes the generators that were started in it when it shuts down: the one moment at
        # which sockets of a loop that is going away can still be closed.
        resource = self._make()
        try:
            yield resource
        finally:
            # All of them at once, while one resource may close another by `aclose()`: who takes it out closes it.
            kept = self._kept.get(loop)
            if kept is not None and kept[0] is resource:
                del self._kept[loop]
                await self._close(resource)
