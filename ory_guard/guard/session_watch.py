"""Watches of open connections: a websocket or an event stream ends with its session.

Such a connection can outlive the session that opened it. A watch revalidates the session at an interval and ends
the connection if the session has ended or no longer meets the requirements of the route.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from ory_guard._event_loop import current_task_cancelled
from ory_guard.exceptions import ConfigurationError, Refusal, SessionCheckUnavailable
from ory_guard.guard.authentication import Authenticator
from ory_guard.guard.context import get_auth_context, get_scope
from ory_guard.guard.enforcement import Enforcer
from ory_guard.guard.send_wrapper import ResponseContext
from ory_guard.guard.session_watch_index import WatchIndex
from ory_guard.guard.session_watch_revalidation import SessionRevalidator, SharedStates
from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.require_asyncio import require_asyncio
from ory_guard.models.clock import Clock
from ory_guard.models.outcomes import Authenticated

__all__ = ["Revalidate", "Watch", "Watches"]

ItemT = TypeVar("ItemT")

Revalidate = Callable[[], Awaitable[float | Refusal]]
"""Returns the seconds until the next call, or the reason to end the connection."""

_POLICY_VIOLATION: Final = 1008  # RFC 6455, section 7.4.1
_TRY_AGAIN_LATER: Final = 1013  # IANA's registry of close codes
_CANCEL_INTERVAL: Final = 1.0


class Watch:
    """Asynchronous context manager that cancels its body when the session ends.

    The cancellation is repeated every second while the body runs, because `asyncio.wait_for` in Python 3.11 can
    lose one (python/cpython#86296). Then the websocket is closed, with the code 1008, or with 1013 if Kratos was
    unavailable for too long, and the code after the block runs; `refusal` is the reason. An error in a condition of
    the application (`when`) ends the body, too, and is raised from the block. If an awaitable in the condition was
    cancelled, that error is a RuntimeError.

    Args:
        connection: The websocket or request, or its ASGI scope.
        revalidate: Revalidates the session.
        invalidated: An event that is set when the session is invalidated, to revalidate at once.

    Attributes:
        refusal: The reason for which the body was ended, or None.
    """

    def __init__(self, connection: Any, revalidate: Revalidate, invalidated: asyncio.Event) -> None:
        self._connection = connection
        self._revalidate = revalidate
        self._invalidated = invalidated
        self._watcher: asyncio.Task[None]
        self._watched: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._cancellations = 0
        self._error: Exception | None = None
        self.refusal: Refusal | None = None

    async def __aenter__(self) -> Self:
        require_asyncio()
        self._attach()
        self._watcher = asyncio.get_running_loop().create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._watcher.cancel()
        if not self._is_over:
            return False
        was_cancelled_here = self._uncancel() and kind is asyncio.CancelledError
        if self._error is not None and (was_cancelled_here or kind is None):
            raise self._error from None
        if get_scope(self._connection)["type"] == "websocket":
            code = _TRY_AGAIN_LATER if isinstance(self.refusal, SessionCheckUnavailable) else _POLICY_VIOLATION
            with suppress(Exception):  # the websocket may be closed already
                await self._close(code)
        return was_cancelled_here

    async def _close(self, code: int) -> None:
        close = getattr(self._connection, "close", None)
        if close is not None:
            await close(code)
        elif isinstance(context := get_auth_context(get_scope(self._connection)), ResponseContext):
            await context.send({"type": "websocket.close", "code": code})

    async def stream(self, source: AsyncIterable[ItemT]) -> AsyncIterator[ItemT]:
        """Yield the items of `source` until it is exhausted or the session ends; for event streams.

        Each item may be awaited in another task, as by a wrapper that adds heartbeats.
        """
        async with self:
            async for item in source:
                yield item
                self._attach()
                if self._is_over:
                    break

    @property
    def _is_over(self) -> bool:
        return self.refusal is not None or self._error is not None

    def _attach(self) -> None:
        """Watch the current task from now on."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        if task is not self._watched:
            self._watched, self._cancelling, self._cancellations = task, task.cancelling(), 0

    def _uncancel(self) -> bool:
        """Undo the watch's cancellations; return whether the task was cancelled by the watch only."""
        task = asyncio.current_task()
        if task is None or task is not self._watched:
            return False
        for _ in range(self._cancellations):
            task.uncancel()
        return task.cancelling() <= self._cancelling

    async def _run(self) -> None:
        # A condition of the application can swallow the cancellation of this task.
        while not self._is_over and not current_task_cancelled():
            await self._revalidate_once()
        while self._is_over and self._watched is not None and not self._watched.done():
            self._cancellations += 1
            self._watched.cancel()
            await asyncio.sleep(_CANCEL_INTERVAL)

    async def _revalidate_once(self) -> None:
        self._invalidated.clear()  # first, so that an invalidation during the call causes another call
        try:
            result = await self._revalidate()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - fail closed, whatever the error
            if not current_task_cancelled():
                cancelled = RuntimeError("an awaitable in the condition of a requirement was cancelled")
                self._error = error if isinstance(error, Exception) else cancelled
            return
        if current_task_cancelled():
            return
        if isinstance(result, Refusal):
            self.refusal = result
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(result):
                await self._invalidated.wait()


class Watches:
    """The watches of one guard.

    Args:
        enforcer: The enforcer of the guard.
        authenticator: The authenticator of the guard.
        settings: The settings of the guard.
        clock: The clocks.
    """

    def __init__(
        self, enforcer: Enforcer, authenticator: Authenticator, settings: GuardSettings, clock: Clock
    ) -> None:
        self._enforcer = enforcer
        self._authenticator = authenticator
        self._settings = settings
        self._clock = clock
        self._states = SharedStates()
        self._index = WatchIndex()

    def open(self, connection: Any, scope: MutableMapping[str, Any], interval: float) -> Watch:
        """Return a new watch.

        Args:
            connection: The websocket or request.
            scope: The scope with the session to watch.
            interval: Seconds between two calls to Kratos.

        Raises:
            ConfigurationError: If the interval is not above 0.
        """
        if not interval > 0:
            raise ConfigurationError(f"every: {interval!r} is not allowed: use a number of seconds above 0")
        revalidator = self.revalidator(scope, interval)
        subscription = self._index.open(_session_ids(scope))

        async def revalidate() -> float | Refusal:
            """Revalidate the session, and watch the ids of another session that replaces it."""
            result = await revalidator.revalidate()
            if subscription.update(_session_ids(scope)) and not isinstance(result, Refusal):
                return 0.0  # the new session may have been revoked before the update
            return result

        return Watch(connection, revalidate, subscription.invalidated)

    def revalidator(self, scope: MutableMapping[str, Any], interval: float) -> SessionRevalidator:
        """Return a revalidator for an open connection."""
        return SessionRevalidator(
            scope,
            interval,
            enforcer=self._enforcer,
            authenticator=self._authenticator,
            settings=self._settings,
            states=self._states,
            clock=self._clock,
        )

    def wake(self, ids: tuple[str, ...] | None) -> None:
        """Make the watches of these sessions or identities revalidate now; None stands for all watches."""
        self._index.wake(ids)


def _session_ids(scope: MutableMapping[str, Any]) -> tuple[str, ...]:
    context = get_auth_context(scope)
    outcome = None if context is None else context.outcome
    return (outcome.session.id, outcome.session.identity.id) if isinstance(outcome, Authenticated) else ()
