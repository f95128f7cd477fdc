"""The link of one event loop to the store: a subscription, a breaker, and a bound on every call.

A request asks the store only while the subscription stands and the breaker is closed. The first call that fails
or takes too long opens the breaker; from then on the link itself tries whether the store works again, so that no
second request waits for it. Pending revocations are sent by a task of the link's own: whenever there is a new one,
when the subscription is confirmed, and when the store has on_recovery.
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

__all__ = ["StoreConnection", "run_with_deadline"]

_log = logging.getLogger("ory_guard")

ResultT = TypeVar("ResultT")
Work: TypeAlias = Callable[[], Coroutine[Any, Any, ResultT]]

CALL_TIMEOUT: Final = 0.05
"""Seconds that the store may take before a request goes on without it."""

_MIN_TIMEOUT: Final = 0.005
_COOLDOWN: Final = 0.1
_CONNECT_TIMEOUT: Final = 1.0
_CLOSE_TIMEOUT: Final = 1.0
_INITIAL_BACKOFF: Final = 0.1
# Revocations have to arrive soon after the store is back.
_MAX_CONNECT_BACKOFF: Final = 0.5
_MAX_BACKOFF: Final = 1.0
# A process that only serves cached sessions writes nothing, so it would not notice that its server was demoted.
_PROBE_INTERVAL: Final = 2.0
# A store that passes the trial and refuses a revocation right afterwards is tried less and less often.
_MAX_RECOVERY_BACKOFF: Final = 30.0
_MAX_BACKGROUND_CALLS: Final = 256


async def run_with_deadline(seconds: float, work: Coroutine[Any, Any, ResultT]) -> ResultT:
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
        on_recovery: Called when the store can be reached again, before the pending revocations are sent.
        on_revocations: Called with the ids that other processes revoked, and with None if any may have been.
        on_state_change: Called with `ready` when it may have on_state_change, and with the reason.
    """

    def __init__(
        self,
        store: SessionStore,
        breaker: CircuitBreaker,
        *,
        flush: Callable[["StoreConnection"], Coroutine[Any, Any, None]],
        on_recovery: Callable[[], None],
        on_revocations: Callable[[tuple[str, ...] | None], None],
        on_state_change: Callable[[bool, str], None],
    ) -> None:
        self._store = store
        self._breaker = breaker
        self._flush = flush
        self._on_recovery = on_recovery
        self._on_revocations = on_revocations
        self._on_state_change = on_state_change
        self._first_attempt = asyncio.Event()
        self._flush_requested = asyncio.Event()
        self._progress = asyncio.Event()
        self._background_calls: set[asyncio.Task[None]] = set()
        self._subscription = asyncio.timeout(None)
        self._is_caught_up = False
        self.subscribed: bool = False
        # An empty context: the link outlives the request that happens to need it first.
        loop, context = asyncio.get_running_loop(), Context()
        self._tasks = [
            loop.create_task(task, context=context)
            for task in (self._subscription_loop(), self._recovery_loop(), self._flush_loop())
        ]

    @property
    def ready(self) -> bool:
        """Whether a request may use the store."""
        return self.subscribed and self._is_caught_up and self._breaker.state == "closed"

    async def remaining_budget(self) -> float:
        """Return the seconds that the store may still take: 0 where it is not ready after a short while."""
        left = CALL_TIMEOUT
        if not self._first_attempt.is_set():
            started = asyncio.get_running_loop().time()
            try:
                await run_with_deadline(CALL_TIMEOUT, self._first_attempt.wait())
            except TimeoutError:
                # One request waited: that is enough. The next one uses a store that was tried out.
                self._first_attempt.set()
                self._breaker.open_for(_COOLDOWN)
                self._on_state_change(self.ready, "TimeoutError")
            left = max(left - (asyncio.get_running_loop().time() - started), _MIN_TIMEOUT)
        return left if self.ready else 0.0

    async def call(self, work: Work[ResultT], *, budget: float | None = None) -> ResultT | None:
        """Return what a call of the store comes to, or None where it fails or takes too long."""
        try:
            return await run_with_deadline(CALL_TIMEOUT if budget is None else budget, work())
        except Exception as error:  # noqa: BLE001 - by place, not by class: whatever fails here is the store's
            self._breaker.open_for(_COOLDOWN)
            self._on_state_change(self.ready, type(error).__name__)
            return None

    def run_in_background(self, work: Work[None]) -> None:
        """Let `work` be done beside the request; it is dropped where the store is not ready or can't keep up."""
        if self.ready and len(self._background_calls) < _MAX_BACKGROUND_CALLS:
            task = asyncio.get_running_loop().create_task(self.call(work), context=Context())
            self._background_calls.add(task)
            task.add_done_callback(self._background_calls.discard)

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
        tasks = [*self._tasks, *self._background_calls]
        for _ in range(2):  # a store can lose a cancellation, as Python 3.11's `asyncio.wait_for` does
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=_CLOSE_TIMEOUT / 2)
        self.subscribed = False
        self.report_progress()
        await self.call(self._store.aclose, budget=_CLOSE_TIMEOUT)

    async def _subscription_loop(self) -> None:
        backoff = _INITIAL_BACKOFF
        while True:
            try:
                async with (
                    aclosing(self._store.subscribe()) as messages,
                    asyncio.timeout(_CONNECT_TIMEOUT) as self._subscription,
                ):
                    await anext(messages)
                    # What was revoked before now may not have been on_revocations.
                    self._on_revocations(None)
                    self.subscribed = True
                    self._subscription.reschedule(None)
                    backoff = _INITIAL_BACKOFF
                    self._resume()
                    async for ids in messages:
                        self._on_revocations(ids)
                reason = "the subscription ended"
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - by place: all of it is the store's
                if current_task_cancelled():
                    return
                reason = type(error).__name__
            if self.subscribed:
                self._on_revocations(None)
            self._lose(reason)
            # Not all workers of all hosts at once.
            await asyncio.sleep(backoff * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            backoff = min(2 * backoff, _MAX_CONNECT_BACKOFF)

    async def _flush_loop(self) -> None:
        while True:
            await self._flush_requested.wait()
            self._flush_requested.clear()
            await self._flush(self)
            if self.subscribed and not self._flush_requested.is_set() and not self._is_caught_up:
                self._is_caught_up = True
                self._on_state_change(self.ready, "")
                self._first_attempt.set()

    def _resume(self) -> None:
        # The store is not used again before it knows of the pending revocations.
        self._is_caught_up = False
        self._on_recovery()
        self.request_flush()

    def _lose(self, reason: str) -> None:
        self.subscribed = False
        self._on_state_change(self.ready, reason)
        self._first_attempt.set()
        self.report_progress()

    async def _recovery_loop(self) -> None:
        """Try an open breaker's store with a made-up session, put and got again; a closed one's now and then."""
        loop = asyncio.get_running_loop()
        key = token_bytes(32)
        backoff = _INITIAL_BACKOFF
        reconnected = False
        probed_at = loop.time()
        while True:
            await asyncio.sleep(backoff)
            if self._breaker.state == "closed":
                backoff = _INITIAL_BACKOFF
                if self.ready and loop.time() - probed_at >= _PROBE_INTERVAL:
                    if not await self.call(partial(self._probe, key), budget=_CONNECT_TIMEOUT):
                        self._breaker.open_for(_COOLDOWN)
                        self._on_state_change(self.ready, "the trial failed")
                    probed_at = loop.time()
                continue
            if not self.subscribed or self._breaker.retry_after(key) is not None:
                continue
            if not await self.call(partial(self._probe, key)):
                # After a failover the address leads to another server, and the old one may still answer.
                await self.call(self._store.aclose)
                if not reconnected:
                    # Until then this process may be subscribed to a server where nobody publishes.
                    self._on_revocations(None)
                reconnected = True
                backoff = min(2 * backoff, _MAX_BACKOFF)
                continue
            backoff = min(2 * backoff, _MAX_RECOVERY_BACKOFF)
            if reconnected:
                self._resubscribe()
            self._breaker.record_success(key)
            if not reconnected:
                self._resume()
            reconnected = False

    def _resubscribe(self) -> None:
        # Whoever revokes something may be connected to another server than the subscription is.
        if self.subscribed:
            self._on_revocations(None)
            self._lose("")
            self._subscription.reschedule(asyncio.get_running_loop().time())

    async def _probe(self, key: bytes) -> bool:
        name = key.hex()
        probe = StoredSession(b"{}", name, name, age=0.0, ttl=1.0, asked_at=0.0, fresh_until=0.0)
        await self._store.put(key, probe, unless_revoked_since=0.0)
        found = await self._store.get([key])
        await self._store.delete([key])
        return found is not None and found.session_id == name
