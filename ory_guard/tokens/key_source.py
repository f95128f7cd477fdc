"""Sources of verification keys: static, or refreshed from a file or URL.

A source is read at most once per cooldown, whatever tokens arrive. A failed refresh keeps the existing keys.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from joserfc.jwk import Key

from ory_guard._event_loop import LoopLocal
from ory_guard.guard.jwt import JWKSUnavailable
from ory_guard.models.clock import Clock
from ory_guard.tokens.jwks import KeyRing, read_jwks

__all__ = ["KeySource", "RefreshingKeys", "StaticKeys"]

_log = logging.getLogger("ory_guard")


class KeySource(Protocol):
    """A source of verification keys."""

    async def find(self, kid: str, clock: Clock) -> tuple[Key, ...]:
        """Return the keys with this `kid`.

        Raises:
            JWKSUnavailable: If keys are unavailable.
        """
        ...

    async def aclose(self) -> None:
        """Cancel a refresh in the running event loop."""
        ...


class StaticKeys:
    """Keys that never change."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    async def find(self, kid: str, clock: Clock) -> tuple[Key, ...]:
        """Return the keys with this `kid`."""
        del clock
        return self._ring.get(kid, ())

    async def aclose(self) -> None:
        """Do nothing: static keys have no refresh."""


class _Refresh:
    """The refresh of an event loop, at most one at a time."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self, refresh: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(refresh)

    async def wait(self) -> None:
        if self._task is not None:
            await asyncio.wait({self._task})

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
        await self.wait()


class RefreshingKeys:
    """Keys that are refreshed from a file or URL.

    Args:
        read: Reads the JWKS.
        cooldown: The minimum time between two reads, in seconds.
        refresh_after: The age at which keys in use are refreshed, in seconds.
        max_stale: The age at which keys are no longer used if the refresh fails, in seconds.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[bytes]],
        *,
        cooldown: float,
        refresh_after: float,
        max_stale: float,
    ) -> None:
        self._read = read
        self._cooldown = cooldown
        self._refresh_after = refresh_after
        self._max_stale = max_stale
        self._ring: KeyRing | None = None
        self._read_at = 0.0
        self._attempted_at: float | None = None
        self._refreshes: LoopLocal[_Refresh] = LoopLocal(_Refresh, _Refresh.aclose)

    async def find(self, kid: str, clock: Clock) -> tuple[Key, ...]:
        """Return the keys with this `kid`, after a refresh if it is unknown.

        Raises:
            JWKSUnavailable: If keys are unavailable or older than `max_stale`.
        """
        age = clock.monotonic() - self._read_at
        if self._ring is None or age > self._max_stale or kid not in self._ring:
            await self._refresh(clock, wait=True)
        elif age > self._refresh_after:
            await self._refresh(clock, wait=False)
        if self._ring is None or clock.monotonic() - self._read_at > self._max_stale:
            raise JWKSUnavailable
        return self._ring.get(kid, ())

    async def _refresh(self, clock: Clock, *, wait: bool) -> None:
        refresh = await self._refreshes.get()
        if not refresh.is_running:
            now = clock.monotonic()
            if self._attempted_at is not None and now - self._attempted_at < self._cooldown:
                return
            self._attempted_at = now
            refresh.start(self._run_refresh(clock))
        if wait:
            await refresh.wait()

    async def _run_refresh(self, clock: Clock) -> None:
        try:
            self._ring = read_jwks(await self._read())
            self._read_at = clock.monotonic()
        except asyncio.CancelledError:
            self._attempted_at = None  # a cancelled read does not start the cooldown
            raise
        except Exception as error:  # noqa: BLE001 - any failure keeps the keys
            _log.warning("jwks.refresh_failed error=%s: %s", type(error).__name__, _message_of(error))

    async def aclose(self) -> None:
        """Cancel a refresh in the running event loop."""
        await self._refreshes.aclose()


def _message_of(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else ""
