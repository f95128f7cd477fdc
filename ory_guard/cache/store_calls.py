"""Calls of the shared store: their time limit, and which failures make the store unavailable."""

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from math import inf
from time import monotonic
from typing import Any, Final, TypeAlias, TypeVar

from ory_guard.cache.leasing_store_protocol import Lease, LeasingSessionStore
from ory_guard.cache.store_protocol import LimitedSessionStore, SessionStore, StoredSession
from ory_guard.cache.store_timeout import LatencyLimit, ResponsiveClock, run_with_deadline
from ory_guard.events import Listeners, StoreCalled, notify

__all__ = ["Call", "StoreCalls"]

ResultT = TypeVar("ResultT")
Call: TypeAlias = Callable[[], Coroutine[Any, Any, ResultT]]
OnStored: TypeAlias = Callable[[StoredSession | Lease | None], None]

_MAX_SECONDS: Final = 0.5
_MAX_SLOW_CALLS: Final = 3


class StoreCalls:
    """Limits the time of each call, and reports that the store is unavailable.

    A call that fails is reported, and so is the third one in a row that takes too long: one slow response does not
    switch the store off.

    Args:
        store: The store.
        on_failure: Called with the reason.
        listeners: The listeners of the guard, which receive an event for each call.
    """

    def __init__(self, store: SessionStore, on_failure: Callable[[str], None], listeners: Listeners) -> None:
        self._store = store if isinstance(store, LimitedSessionStore) else None
        self._leasing = store if isinstance(store, LeasingSessionStore) else None
        self._on_failure = on_failure
        self._listeners = listeners
        self._limit = LatencyLimit(_MAX_SECONDS if self._store is None else self._store.timeout)
        self._clock = ResponsiveClock()
        self._started = 0
        self._slow = 0
        self._counted = 0

    @property
    def limit(self) -> float:
        """The limit of a call that a request waits for, in seconds."""
        return self._limit.seconds

    def look_up(
        self, keys: Sequence[bytes], on_stored: OnStored, *, token: bytes | None = None, seconds: float = inf
    ) -> bool:
        """Pass the session under the first of `keys` that has one to `on_stored`, or its lease, or None.

        Args:
            keys: The hashes of a credential.
            on_stored: Called later, by the event loop.
            token: See `LeasingSessionStore.look_up_or_lease`.
            seconds: The limit of the call, if it is less than `limit`.

        Returns:
            Whether `on_stored` will be called. Otherwise the store has no such method; call `get` instead.
        """
        if self._store is None:
            return False
        self._started += 1
        seconds = min(seconds, self._limit.seconds)
        on_result = partial(self._on_result, self._started, on_stored)
        if self._leasing is not None:
            self._leasing.look_up_or_lease(keys, token, seconds, on_result)
        else:
            self._store.look_up(keys, seconds, on_result)
        return True

    def _on_result(
        self, number: int, on_stored: OnStored, result: StoredSession | Lease | Exception | None, seconds: float
    ) -> None:
        if self._listeners:
            self._report("get", seconds, result if isinstance(result, Exception) else None)
        if isinstance(result, Exception):
            self._record_failure(number, result, seconds)
            on_stored(None)
        else:
            self._limit.record(seconds)
            self._slow = 0
            on_stored(result)

    async def call(
        self, operation: str, call: Call[ResultT], *, budget: float | None = None, in_background: bool = False
    ) -> ResultT | None:
        """Return the result of a call, or None if it fails or takes too long.

        Args:
            operation: The name of the called method, for events.
            call: Calls the store.
            budget: The limit in seconds, if it is not `limit`.
            in_background: Whether no request waits for the call. Its success does not end a row of slow calls.
        """
        self._started += 1
        number, seconds, measured = self._started, self._limit.seconds if budget is None else budget, _Measured()
        started = self._clock.add(measured, inf)
        try:
            result = await run_with_deadline(seconds, call())
        except Exception as error:  # noqa: BLE001 - a store may raise anything
            seconds = self._clock.now() - started
            self._report(operation, seconds, error)
            self._record_failure(number, error, seconds)
            return None
        finally:
            self._clock.discard(measured)
        seconds = self._clock.now() - started
        self._report(operation, seconds, None)
        self._limit.record(seconds)
        if not in_background:
            self._slow = 0
        return result

    async def run(self, operation: str, seconds: float, call: Call[ResultT]) -> ResultT | None:
        """Return the result of a call that no request waits for, or None if it fails or takes longer."""
        started = monotonic()
        try:
            result = await run_with_deadline(seconds, call())
        except Exception as error:  # noqa: BLE001 - a store may raise anything
            self._report(operation, monotonic() - started, error)
            self._on_failure(type(error).__name__)
            return None
        self._report(operation, monotonic() - started, None)
        return result

    def close(self) -> None:
        """Stop the clock."""
        self._clock.close()

    def _report(self, operation: str, seconds: float, error: Exception | None) -> None:
        if self._listeners:
            reason = None if error is None else type(error).__name__
            notify(self._listeners, StoreCalled(operation, seconds, reason))

    def _record_failure(self, number: int, error: Exception, seconds: float) -> None:
        if isinstance(error, TimeoutError):
            self._limit.record(seconds)
            # Calls that wait at the same time are slow for the same reason, and count as one.
            if number <= self._counted:
                return
            self._counted = self._started
            self._slow += 1
            if self._slow < _MAX_SLOW_CALLS:
                return
        self._slow = 0
        self._on_failure(type(error).__name__)


class _Measured:
    """A call whose latency is measured, and which does not expire."""

    expires_at: float = inf

    def expire(self) -> None: ...
