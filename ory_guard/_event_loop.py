"""Resources that belong to an event loop: created on first use in it, closed with it.

A connection pool or a running task can't be used in another event loop or after a fork. A test client may create an
event loop for each request.
"""

import asyncio
import os
from asyncio import get_running_loop
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextvars import Context
from typing import Generic, TypeVar

__all__ = ["LoopLocal", "TurnLimit", "current_task_cancelled", "is_asyncio", "set_result_if_pending"]

ResourceT = TypeVar("ResourceT")

_process = object()
"""Identifies this process: a fork replaces it. A call of `os.getpid` for each use would be a system call."""


def _identify_process() -> None:
    global _process  # noqa: PLW0603 - the hook of a fork has no arguments
    _process = object()


# Windows has no forks.
getattr(os, "register_at_fork", lambda **_: None)(after_in_child=_identify_process)


def current_task_cancelled() -> bool:
    """Return whether the running task itself was cancelled, not only an awaitable in it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def is_asyncio() -> bool:
    """Return whether an event loop of asyncio is running, and not one of trio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def set_result_if_pending(future: asyncio.Future[ResourceT], result: ResourceT) -> None:
    """Set the result of a future, unless it is done, such as by the cancellation of the task that waits for it."""
    if not future.done():
        future.set_result(result)


class LoopLocal(Generic[ResourceT]):
    """Provides one resource for each event loop.

    Args:
        create: Creates the resource; called in the running event loop.
        close: Closes the resource; called in the same event loop, when it shuts down or by `aclose()`.
    """

    def __init__(self, create: Callable[[], ResourceT], close: Callable[[ResourceT], Awaitable[None]]) -> None:
        self._create = create
        self._close = close
        self._process = _process
        self._by_loop: dict[asyncio.AbstractEventLoop, tuple[ResourceT, AsyncGenerator[ResourceT, None]]] = {}

    async def get(self) -> ResourceT:
        """Return the resource of the running event loop; create it on first use."""
        loop = asyncio.get_running_loop()
        entry = self._by_loop.get(loop)
        if entry is not None and self._process is _process:
            return entry[0]
        self._remove_unusable()
        lifetime = self._lifetime(loop)
        resource = await anext(lifetime)
        self._by_loop[loop] = resource, lifetime
        return resource

    def current(self) -> ResourceT | None:
        """Return the resource of the running event loop, or None before its first use."""
        entry = self._by_loop.get(get_running_loop())
        return entry[0] if entry is not None and self._process is _process else None

    async def aclose(self) -> None:
        """Close the resource of the running event loop; the next use creates a new one."""
        loop = asyncio.get_running_loop()
        entry = self._by_loop.pop(loop, None)
        if entry is not None:
            resource, lifetime = entry
            try:
                await self._close(resource)
            except BaseException:
                self._by_loop.setdefault(loop, entry)
                raise
            await lifetime.aclose()

    def _remove_unusable(self) -> None:
        if self._process is not _process:
            self._process = _process
            self._by_loop.clear()
        for loop in [loop for loop in self._by_loop if loop.is_closed()]:
            del self._by_loop[loop]

    async def _lifetime(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[ResourceT, None]:
        # When an event loop shuts down, it closes the generators that were started in it. This is the last moment
        # at which the sockets of the event loop can be closed.
        resource = self._create()
        try:
            yield resource
        finally:
            # The event loop closes all generators at once, and a resource may close another one by `aclose()`.
            # The resource is closed where its entry is removed.
            entry = self._by_loop.get(loop)
            if entry is not None and entry[0] is resource:
                del self._by_loop[loop]
                await self._close(resource)


class TurnLimit:
    """Limits the number of calls of functions in one turn of the running event loop, so that no turn becomes long.

    Args:
        limit: The maximum number of calls.
    """

    def __init__(self, limit: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = limit
        self._taken = 0
        self._deferred: deque[Callable[[], None]] = deque()

    def take(self) -> bool:
        """Return whether the caller may call its function now; if not, it must pass the function to `defer`."""
        if self._taken >= self._limit:
            return False
        self._taken += 1
        if self._taken == self._limit:  # a callback for each turn would cost more
            self._loop.call_soon(self._on_next_turn, context=Context())
        return True

    def defer(self, function: Callable[[], None]) -> None:
        """Call a function in a later turn, in the order of the calls of `defer`. It must not raise."""
        self._deferred.append(function)

    def _on_next_turn(self) -> None:
        self._taken = min(len(self._deferred), self._limit)
        if self._taken == self._limit:
            self._loop.call_soon(self._on_next_turn, context=Context())
        for _ in range(self._taken):
            self._deferred.popleft()()
