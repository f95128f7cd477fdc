"""The link of one event loop to the store: a subscription, a breaker, and a bound on every call.

A request asks the store only while the subscription stands and the breaker is closed. The first call that fails
or takes too long opens the breaker; from then on the link itself tries whether the store works again, so that no
second request waits for it. Pending revocations are sent by a task of the link's own: whenever there is a new one,
when the subscription is confirmed, and when the store has recovered.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from contextvars import Context
from functools import partial
from secrets import token_bytes
from typing import Any, Final, TypeAlias, TypeVar

from ory_guard._event_loop import current_task_cancelled
from ory_guard.cache.store import SessionStore, StoredSession
from ory_guard.kratos.circuit_breaker import CircuitBreaker

__all__ = ["StoreConnection", "within"]

_log = logging.getLogger("ory_guard")

ResultT = TypeVar("ResultT")
Work: TypeAlias = Callable[[], Coroutine[Any, Any, ResultT]]

PATIENCE: Final = 0.05
"""Seconds that the store may take before a request goes on without it."""

_LEAST_PATIENCE: Final = 0.005
_COOLDOWN: Final = 0.1
_PATIENCE_TO_CONNECT: Final = 1.0
_PATIENCE_TO_CLOSE: Final = 1.0
_FIRST_PAUSE: Final = 0.1
# Revocations have to arrive soon after the store is back.
_LONGEST_PAUSE_TO_CONNECT: Final = 0.5
_LONGEST_PAUSE_TO_TRY: Final = 1.0
# A process that only serves cached sessions writes nothing, so it would not notice that its server was demoted.
_TRIAL_INTERVAL: Final = 2.0
# A store that passes the trial and refuses a revocation right afterwards is tried less and less often.
_LONGEST_PAUSE_AFTER_A_TRIAL: Final = 30.0
_MOST_ERRANDS: Final = 256


async def within(seconds: float, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Return what `work` comes to.

    A loop that is so busy that it notices the deadline late says nothing about who is slow: the work then gets its
    time once more.

    Raises:
        TimeoutError: It took longer than `seconds`, or was cancelled by what it waited for.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    started = loop.time()
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done() and loop.time() - started > 1.5 * seconds:
            await asyncio.wait({task}, timeout=seconds)
        if not task.done() or task.cancelled():
            raise TimeoutError
        return task.result()
    finally:
        task.add_done_callback(_forget)
        task.cancel()


def _forget(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        task.exception()


class StoreConnection:
    """Keeps one loop in touch with the store.

    Args:
        store: The store.
        breaker: Is closed while calls come back well.
        flush: Sends the pending revocations; called with this link when `request_flush` was.
        recovered: Called when the store can be reached again, before the pending revocations are sent.
        heard: Called with the ids that other processes revoked, and with None if any may have been.
        changed: Called with `ready` when it may have changed, and with the reason.
    """

    def __init__(
        self,
        store: SessionStore,
        breaker: CircuitBreaker,
        *,
        flush: Callable[["StoreConnection"], Coroutine[Any, Any, None]],
        recovered: Callable[[], None],
        heard: Callable[[tuple[str, ...] | None], None],
        changed: Callable[[bool, str], None],
    ) -> None:
        self._store = store
        self._breaker = breaker
        self._flush = flush
        self._recovered = recovered
        self._heard = heard
        self._changed = changed
        self._tried = asyncio.Event()
        self._flush_requested = asyncio.Event()
        self._progress = asyncio.Event()
        self._errands: set[asyncio.Task[None]] = set()
        self._subscription = asyncio.timeout(None)
        self._is_caught_up = False
        self.subscribed: bool = False
        # An empty context: the link outlives the request that happens to need it first.
        loop, context = asyncio.get_running_loop(), Context()
        self._tasks = [
            loop.create_task(task, context=context) for task in (self._listen(), self._mend(), self._send())
        ]

    @property
    def ready(self) -> bool:
        """Whether a request may use the store."""
        return self.subscribed and self._is_caught_up and self._breaker.state == "closed"

    async def settle(self) -> float:
        """Return the seconds that the store may still take: 0 where it is not ready after a short while."""
        left = PATIENCE
        if not self._tried.is_set():
            started = asyncio.get_running_loop().time()
            try:
                await within(PATIENCE, self._tried.wait())
            except TimeoutError:
                # One request waited: that is enough. The next one uses a store that was tried out.
                self._tried.set()
                self._breaker.open_for(_COOLDOWN)
                self._changed(self.ready, "TimeoutError")
            left = max(left - (asyncio.get_running_loop().time() - started), _LEAST_PATIENCE)
        return left if self.ready else 0.0

    async def call(self, work: Work[ResultT], *, patience: float | None = None) -> ResultT | None:
        """Return what a call of the store comes to, or None where it fails or takes too long."""
        try:
            return await within(PATIENCE if patience is None else patience, work())
        except Exception as error:  # noqa: BLE001 - by place, not by class: whatever fails here is the store's
            self._breaker.open_for(_COOLDOWN)
            self._changed(self.ready, type(error).__name__)
            return None

    def send(self, work: Work[None]) -> None:
        """Let `work` be done beside the request; it is dropped where the store is not ready or can't keep up."""
        if self.ready and len(self._errands) < _MOST_ERRANDS:
            errand = asyncio.get_running_loop().create_task(self.call(work), context=Context())
            self._errands.add(errand)
            errand.add_done_callback(self._errands.discard)

    def request_flush(self) -> None:
        """Let the pending revocations be sent; if the store can't be reached, that happens once it can."""
        if self.subscribed:
            self._flush_requested.set()

    async def progress(self) -> None:
        """Wait until `report_progress` is called, or the subscription is confirmed or lost."""
        await self._progress.wait()

    def report_progress(self) -> None:
        """Wake the callers of `progress`."""
        self._progress.set()
        self._progress = asyncio.Event()

    async def aclose(self) -> None:
        """End the subscription and what is under way; a store that can't be closed holds nobody up."""
        tasks = [*self._tasks, *self._errands]
        for _ in range(2):  # a store can lose a cancellation, as Python 3.11's `asyncio.wait_for` does
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=_PATIENCE_TO_CLOSE / 2)
        self.subscribed = False
        self.report_progress()
        await self.call(self._store.aclose, patience=_PATIENCE_TO_CLOSE)

    async def _listen(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                async with (
                    aclosing(self._store.subscribe()) as messages,
                    asyncio.timeout(_PATIENCE_TO_CONNECT) as self._subscription,
                ):
                    await anext(messages)
                    # What was revoked before now may not have been heard.
                    self._heard(None)
                    self.subscribed = True
                    self._subscription.reschedule(None)
                    pause = _FIRST_PAUSE
                    self._resume()
                    async for ids in messages:
                        self._heard(ids)
                reason = "the subscription ended"
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - by place: all of it is the store's
                if current_task_cancelled():
                    return
                reason = type(error).__name__
            if self.subscribed:
                self._heard(None)
            self._lose(reason)
            # Not all workers of all hosts at once.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            pause = min(2 * pause, _LONGEST_PAUSE_TO_CONNECT)

    async def _send(self) -> None:
        while True:
            await self._flush_requested.wait()
            self._flush_requested.clear()
            await self._flush(self)
            if self.subscribed and not self._flush_requested.is_set() and not self._is_caught_up:
                self._is_caught_up = True
                self._changed(self.ready, "")
                self._tried.set()

    def _resume(self) -> None:
        # The store is not used again before it knows of the pending revocations.
        self._is_caught_up = False
        self._recovered()
        self.request_flush()

    def _lose(self, reason: str) -> None:
        self.subscribed = False
        self._changed(self.ready, reason)
        self._tried.set()
        self.report_progress()

    async def _mend(self) -> None:
        """Try an open breaker's store with a made-up session, put and got again; a closed one's now and then."""
        loop = asyncio.get_running_loop()
        key = token_bytes(32)
        pause = _FIRST_PAUSE
        connected_anew = False
        tried_at = loop.time()
        while True:
            await asyncio.sleep(pause)
            if self._breaker.state == "closed":
                pause = _FIRST_PAUSE
                if self.ready and loop.time() - tried_at >= _TRIAL_INTERVAL:
                    if not await self.call(partial(self._try_out, key), patience=_PATIENCE_TO_CONNECT):
                        self._breaker.open_for(_COOLDOWN)
                        self._changed(self.ready, "the trial failed")
                    tried_at = loop.time()
                continue
            if not self.subscribed or self._breaker.retry_after(key) is not None:
                continue
            if not await self.call(partial(self._try_out, key)):
                # After a failover the address leads to another server, and the old one may still answer.
                await self.call(self._store.aclose)
                if not connected_anew:
                    # Until then this process may be subscribed to a server where nobody publishes.
                    self._heard(None)
                connected_anew = True
                pause = min(2 * pause, _LONGEST_PAUSE_TO_TRY)
                continue
            pause = min(2 * pause, _LONGEST_PAUSE_AFTER_A_TRIAL)
            if connected_anew:
                self._subscribe_anew()
            self._breaker.record_success(key)
            if not connected_anew:
                self._resume()
            connected_anew = False

    def _subscribe_anew(self) -> None:
        # Whoever revokes something may be connected to another server than the subscription is.
        if self.subscribed:
            self._heard(None)
            self._lose("")
            self._subscription.reschedule(asyncio.get_running_loop().time())

    async def _try_out(self, key: bytes) -> bool:
        name = key.hex()
        made_up = StoredSession(b"{}", name, name, age=0.0, ttl=1.0, asked_at=0.0, fresh_until=0.0)
        await self._store.put(key, made_up, unless_revoked_since=0.0)
        found = await self._store.get([key])
        await self._store.delete([key])
        return found is not None and found.session_id == name
