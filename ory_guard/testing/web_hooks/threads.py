"""Runs operations that send web hooks in threads, so that the event loop stays free for the receiver."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Final, TypeVar

__all__ = ["HookThreads"]

MAX_THREADS: Final = 256
Result = TypeVar("Result")


class HookThreads:
    """The threads of one fake.

    Only one thread at a time uses the records of the fake. It lets others use them while it waits for a receiver,
    which may call Kratos itself.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(MAX_THREADS, "web-hooks")
        self._local = threading.local()
        self._background: set[Future[None]] = set()

    async def run(self, operation: Callable[[], Result]) -> Result:
        """Run an operation in a thread, and return its result."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._run_locked, loop, operation)

    def _run_locked(self, loop: asyncio.AbstractEventLoop, operation: Callable[[], Result]) -> Result:
        self._local.loop = loop
        with self._lock:
            return operation()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that the operation of this thread belongs to."""
        loop: asyncio.AbstractEventLoop = self._local.loop
        return loop

    @contextmanager
    def released(self) -> Iterator[None]:
        """Let other operations run inside the `with` statement."""
        self._lock.release()
        try:
            yield
        finally:
            self._lock.acquire()

    def start(self, call: Callable[[], None]) -> None:
        """Run a call that nobody waits for; it must not use the records of the fake."""
        future = self._executor.submit(call)
        self._background.add(future)
        future.add_done_callback(self._background.discard)

    async def finish(self) -> None:
        """Wait until the calls that were started have returned."""
        await asyncio.to_thread(wait, tuple(self._background))
