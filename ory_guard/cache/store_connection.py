"""The connection of one event loop to the shared store: subscription, deadlines and recovery.

Requests use the store only while the subscription is confirmed and the circuit breaker is closed. A call that fails
opens the breaker, and so does the third one in a row that takes too long. A background task then probes the store,
so that no other request waits for it. Another one sends the pending revocations: after each new one, when the
subscription is confirmed, and when the store has recovered.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from contextvars import Context
from functools import partial
from math import inf
from secrets import token_bytes
from typing import Any, Final

from ory_guard._event_loop import current_task_cancelled
from ory_guard.cache.leases import Leases
from ory_guard.cache.revocation_gap import RevocationGap
from ory_guard.cache.store_calls import Call, StoreCalls
from ory_guard.cache.store_protocol import SessionStore, StoredSession
from ory_guard.cache.store_timeout import run_with_deadline
from ory_guard.events import Listeners
from ory_guard.kratos.circuit_breaker import CircuitBreaker

__all__ = ["StoreConnection"]

_MIN_TIMEOUT: Final = 0.005
_CONNECT_TIMEOUT: Final = 1.0
_CLOSE_TIMEOUT: Final = 1.0
_COOLDOWN: Final = 0.1
_INITIAL_BACKOFF: Final = 0.1
# Pending revocations must be sent soon after the store is back.
_MAX_CONNECT_BACKOFF: Final = 0.5
_MAX_PROBE_BACKOFF: Final = 1.0
# A store that passes the probe and then rejects a revocation is probed less and less often.
_MAX_RECOVERY_BACKOFF: Final = 30.0
# A process that only serves cached sessions writes nothing, and would not notice that its server has become a
# replica.
_PROBE_INTERVAL: Final = 2.0
_MAX_BACKGROUND_CALLS: Final = 256
_FAR_FUTURE: Final = 1e12
"""A time after every revocation, in seconds since the epoch: those of all sessions do not concern a probe."""


class StoreConnection:
    """Keeps one event loop connected to the store.

    Args:
        store: The store.
        breaker: The circuit breaker of the store.
        listeners: The listeners of the guard.
        flush: Sends the pending revocations; called with this connection after `request_flush`.
        disconnected_ttl: The longest time in seconds for which cached sessions are used while no revocations can be
            received.
        on_recovery: Called when the store has recovered, before the pending revocations are sent.
        on_gap: Called when the store may have lost revocations.
        on_revocations: Called with the ids that other processes revoked, or with None if any id may have been
            revoked.
        on_state_change: Called with `ready`, after it may have changed, and the reason.
        leases: The leases of the event loop, or None if the store has none. They end with the connection.

    Attributes:
        calls: The calls of the store.
        leases: The leases.
        subscribed: Whether the subscription is confirmed.
    """

    def __init__(
        self,
        store: SessionStore,
        breaker: CircuitBreaker,
        *,
        listeners: Listeners,
        flush: Callable[["StoreConnection"], Coroutine[Any, Any, None]],
        disconnected_ttl: float,
        on_recovery: Callable[[], None],
        on_gap: Callable[[], None],
        on_revocations: Callable[[tuple[str, ...] | None], None],
        on_state_change: Callable[[bool, str], None],
        leases: Leases | None = None,
    ) -> None:
        self._store = store
        self.leases: Leases | None = leases
        self.calls: StoreCalls = StoreCalls(store, self._trip, listeners)
        self._breaker = breaker
        self._flush = flush
        self._on_recovery = on_recovery
        self._on_gap = on_gap
        self._on_revocations = on_revocations
        self._gap = RevocationGap(store, disconnected_ttl, on_revocations)
        self._on_state_change = on_state_change
        self._first_attempt = asyncio.Event()
        self._flush_requested = asyncio.Event()
        self._progress = asyncio.Event()
        self._subscribed_again = asyncio.Event()
        self._background_calls: set[asyncio.Task[None]] = set()
        self._subscription_timeout = asyncio.timeout(None)
        self._is_flushed = False
        self.subscribed: bool = False
        # The context is empty, because the tasks outlive the request that opens the connection.
        loop, context = asyncio.get_running_loop(), Context()
        loops = (self._subscription_loop(), self._recovery_loop(), self._flush_loop())
        self._tasks = [loop.create_task(task, context=context) for task in loops]

    @property
    def ready(self) -> bool:
        """Whether requests may use the store."""
        return self.subscribed and self._is_flushed and self._breaker.state == "closed"

    async def remaining_budget(self) -> float:
        """Return the seconds that a request may spend on the store; 0 if the store is not ready.

        The first request waits for the connection and spends part of its budget.
        """
        budget = self.calls.limit
        if not self._first_attempt.is_set():
            started = asyncio.get_running_loop().time()
            try:
                await run_with_deadline(budget, self._first_attempt.wait())
            except TimeoutError:
                # Only one request waits. The store is probed before the next one uses it.
                self._first_attempt.set()
                self._trip("TimeoutError")
            budget = max(budget - (asyncio.get_running_loop().time() - started), _MIN_TIMEOUT)
        return budget if self.ready else 0.0

    def run_in_background(self, operation: str, call: Call[None]) -> bool:
        """Start a call of the store, unless the store is not ready or too many calls are running.

        Returns:
            Whether the call has started.
        """
        if not self.ready or len(self._background_calls) >= _MAX_BACKGROUND_CALLS:
            return False
        task = asyncio.get_running_loop().create_task(
            self.calls.call(operation, call, in_background=True), context=Context()
        )
        self._background_calls.add(task)
        task.add_done_callback(self._background_calls.discard)
        return True

    def request_flush(self) -> None:
        """Send the pending revocations soon, or after the next subscription if the current one is lost."""
        if self.subscribed:
            self._flush_requested.set()

    async def progress(self) -> None:
        """Wait until `report_progress` is called or the subscription is lost."""
        await self._progress.wait()

    def report_progress(self) -> None:
        """Wake the callers of `progress`."""
        self._progress.set()
        self._progress = asyncio.Event()

    async def aclose(self) -> None:
        """End the subscription and all calls. A store that can't be closed delays this by at most two seconds."""
        if self.leases is not None:
            self.leases.close()
        tasks = [*self._tasks, *self._background_calls]
        for _ in range(2):  # a store can lose a cancellation, as `asyncio.wait_for` of Python 3.11 does
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=_CLOSE_TIMEOUT / 2)
        self.subscribed = False
        self._gap.end()
        self.calls.close()
        self.report_progress()
        await self.calls.run("close", _CLOSE_TIMEOUT, self._store.aclose)

    async def _subscription_loop(self) -> None:
        backoff = _INITIAL_BACKOFF
        while True:
            try:
                async with (
                    aclosing(self._gap.subscribe()) as messages,
                    asyncio.timeout(_CONNECT_TIMEOUT) as self._subscription_timeout,
                ):
                    if not self._gap.close(await anext(messages)):
                        self._on_gap()
                    self.subscribed = True
                    self._subscription_timeout.reschedule(None)
                    backoff = _INITIAL_BACKOFF
                    self._subscribed_again.set()
                    self._resume()
                    async for ids in messages:
                        self._on_revocations(ids)
                reason = "subscription ended"
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - a store may raise anything
                if current_task_cancelled():
                    return
                reason = type(error).__name__
            if self.subscribed:
                self._gap.open(self._gap.heard_at)
            self._end_subscription(reason)
            # Jitter, so that the workers of all hosts do not reconnect at the same time.
            await asyncio.sleep(backoff * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret
            backoff = min(2 * backoff, _MAX_CONNECT_BACKOFF)

    async def _flush_loop(self) -> None:
        while True:
            await self._flush_requested.wait()
            self._flush_requested.clear()
            await self._flush(self)
            if self.subscribed and not self._flush_requested.is_set() and not self._is_flushed:
                self._is_flushed = True
                self._on_state_change(self.ready, "")
                self._first_attempt.set()

    async def _recovery_loop(self) -> None:
        """Probe the store while the breaker is open, and now and then while it is closed."""
        loop = asyncio.get_running_loop()
        key = token_bytes(32)
        backoff = _INITIAL_BACKOFF
        has_reconnected = False
        probed_at, confirmed_at = loop.time(), -inf
        while True:
            backoff = await self._pause(backoff)
            if self._breaker.state == "closed":
                backoff = _INITIAL_BACKOFF
                if self.ready and loop.time() - probed_at >= _PROBE_INTERVAL:
                    started = loop.time()
                    if await self.calls.run("probe", _CONNECT_TIMEOUT, partial(self._probe, key)):
                        confirmed_at = started
                    else:
                        self._trip("probe failed")
                    probed_at = loop.time()
                continue
            if not self.subscribed or self._breaker.retry_after(key) is not None:
                continue
            if not await self.calls.run("probe", _CONNECT_TIMEOUT, partial(self._probe, key)):
                # After a failover the address belongs to another server, and the old one may still respond.
                await self.calls.run("close", _CLOSE_TIMEOUT, self._store.aclose)
                if not has_reconnected:
                    # The subscription may be at the old server, which receives no messages.
                    self._gap.open(confirmed_at)
                has_reconnected = True
                backoff = min(2 * backoff, _MAX_PROBE_BACKOFF)
                continue
            backoff = min(2 * backoff, _MAX_RECOVERY_BACKOFF)
            if has_reconnected:
                self._resubscribe()
            self._breaker.record_success(key)
            if not has_reconnected:
                self._resume()
            has_reconnected = False

    async def _pause(self, backoff: float) -> float:
        """Wait for this time, or for the initial one after each new subscription, and return the time."""
        loop, has_passed = asyncio.get_running_loop(), False

        def on_time() -> None:
            nonlocal has_passed
            has_passed = True
            self._subscribed_again.set()

        while not has_passed:
            timer = loop.call_later(backoff, on_time)
            try:
                await self._subscribed_again.wait()
            finally:
                timer.cancel()
            self._subscribed_again.clear()
            if not has_passed:
                backoff = _INITIAL_BACKOFF  # the server may be another one now
        return backoff

    async def _probe(self, key: bytes) -> bool:
        """Store a session under a random key, and return whether it can be read."""
        name = key.hex()
        probe = StoredSession(b"{}", name, name, age=0.0, ttl=1.0, asked_at=0.0, fresh_until=0.0)
        await self._store.put(key, probe, unless_revoked_since=_FAR_FUTURE)
        stored = await self._store.get([key])
        await self._store.delete([key])
        return stored is not None and stored.session_id == name

    def _trip(self, reason: str) -> None:
        self._breaker.open_for(_COOLDOWN)
        self._on_state_change(self.ready, reason)

    def _resume(self) -> None:
        # Requests do not use the store before it knows the pending revocations.
        self._is_flushed = False
        self._on_recovery()
        self.request_flush()

    def _resubscribe(self) -> None:
        # Other processes may publish at another server than the one of the subscription.
        if self.subscribed:
            self._end_subscription("")
            self._subscription_timeout.reschedule(asyncio.get_running_loop().time())

    def _end_subscription(self, reason: str) -> None:
        self.subscribed = False
        self._on_state_change(self.ready, reason)
        self._first_attempt.set()
        self.report_progress()
