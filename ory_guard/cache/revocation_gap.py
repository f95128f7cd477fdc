"""The time in which no revocations are received, and the cached sessions in it.

A session is used for at most `disconnected_ttl` after revocations could last be received. If the store then knows
the revocations in between, only these sessions are discarded, otherwise all.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextvars import Context

from ory_guard.cache.store_protocol import ResumableSessionStore, RevocationPosition, RevokedIds, SessionStore

__all__ = ["RevocationGap"]


class RevocationGap:
    """The gaps between the subscriptions of one event loop.

    Args:
        store: The store.
        disconnected_ttl: The maximum length of a gap in seconds, after which all cached sessions are discarded.
        on_revocations: Called with revoked ids, or with None to discard all cached sessions.
    """

    def __init__(
        self,
        store: SessionStore,
        disconnected_ttl: float,
        on_revocations: Callable[[tuple[str, ...] | None], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._store = store
        self._disconnected_ttl = disconnected_ttl
        self._on_revocations = on_revocations
        self._position = RevocationPosition()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def heard_at(self) -> float:
        """The time on the clock of the event loop until which all revocations were received."""
        return self._position.heard_at

    def subscribe(self) -> AsyncGenerator[tuple[str, ...] | None, None]:
        """Subscribe to the store after the last received revocation, if the store supports that."""
        if isinstance(self._store, ResumableSessionStore):
            return self._store.resume(self._position)
        return self._store.subscribe()

    def open(self, since: float) -> None:
        """Begin a gap, unless there is one.

        Args:
            since: The time on the clock of the event loop until which all revocations were received.
        """
        seconds = since + self._disconnected_ttl - self._loop.time()
        if self._position.value is None or seconds <= 0:
            self._discard()
        elif self._timer is None:
            self._timer = self._loop.call_later(seconds, self._discard, context=Context())

    def close(self, missed: tuple[str, ...] | None) -> bool:
        """End the gap with the first value of a subscription; return whether the missed revocations are known."""
        self.end()
        is_known = isinstance(missed, RevokedIds)
        if not is_known or missed:
            self._on_revocations(missed if is_known else None)
        return is_known

    def end(self) -> None:
        """End the gap without discarding sessions."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _discard(self) -> None:
        self.end()
        self._position.value = None
        self._on_revocations(None)
