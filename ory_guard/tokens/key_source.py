"""Sources of verification keys: static, or refreshed from a file or URL.

Any client can send tokens with unknown keys, so the number of reads is limited. A failed read keeps the existing
keys.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextvars import Context
from typing import Any, Final, Protocol

from ory_guard._event_loop import LoopLocal
from ory_guard.guard.jwt import JWKSUnavailable
from ory_guard.models.clock import Clock
from ory_guard.tokens.jwks import NO_USABLE_KEY, KeyRing, VerificationKey, read_jwks

__all__ = ["KeySource", "RefreshingKeys", "StaticKeys"]

_log = logging.getLogger("ory_guard")

_MAX_READS: Final = 3
_BUDGET_PERIOD: Final = 30.0
_RETRY_INTERVAL: Final = 0.5
"""Seconds between two reads without keys; less than the shortest `Retry-After`."""
_REFRESH_AFTER: Final = 300.0
"""The age in seconds at which keys in use are refreshed."""


class KeySource(Protocol):
    """A source of verification keys."""

    def known(self, kid: str, clock: Clock) -> tuple[VerificationKey, ...] | None:
        """Return the keys with this `kid`, or None if `find` may find one."""
        ...

    async def find(self, kid: str, clock: Clock) -> tuple[VerificationKey, ...]:
        """Return the keys with this `kid`, after a refresh if the budget allows it.

        Raises:
            JWKSUnavailable: If keys are unavailable.
        """
        ...

    async def aclose(self) -> None:
        """Cancel a refresh in the running event loop."""
        ...


class StaticKeys:
    """Keys that never change.

    Args:
        ring: The keys.
    """

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def known(self, kid: str, clock: Clock) -> tuple[VerificationKey, ...] | None:
        """Return the keys with this `kid`, or None."""
        del clock
        return self._ring.get(kid)

    async def find(self, kid: str, clock: Clock) -> tuple[VerificationKey, ...]:
        """Return the keys with this `kid`."""
        return self.known(kid, clock) or ()

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
        # An empty context: the keys are shared, so the read must not see the variables of the first request.
        self._task = asyncio.get_running_loop().create_task(refresh, context=Context())

    async def wait(self) -> None:
        if self._task is not None:
            await asyncio.wait({self._task})

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
        await self.wait()


class RefreshingKeys:
    """Keys that are refreshed from a file or URL.

    With keys, there are at most three reads in 30 seconds: a few tokens with unknown keys do not delay a rotation,
    and many of them do not overload the server. Without keys, reads are half a second apart.

    Args:
        read: Reads the JWKS.
        source: The origin of its URL, or the path of its file, for the log.
        algorithms: The accepted algorithms.
        max_stale: The age at which keys are no longer used if the refresh fails, in seconds.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[bytes]],
        *,
        source: str,
        algorithms: Collection[str],
        max_stale: float,
    ) -> None:
        self._read = read
        self._source = source
        self._algorithms = algorithms
        self._max_stale = max_stale
        self._refresh_after = min(_REFRESH_AFTER, max_stale)
        self._ring: KeyRing = {}
        self._read_at = 0.0
        self._retry_at: float | None = None
        self._reads: deque[float] = deque(maxlen=_MAX_READS)
        self._refreshes: LoopLocal[_Refresh] = LoopLocal(_Refresh, _Refresh.aclose)

    def known(self, kid: str, clock: Clock) -> tuple[VerificationKey, ...] | None:
        """Return the keys with this `kid`, or None if it is unknown or a refresh is due."""
        return self._ring.get(kid) if clock.monotonic() - self._read_at <= self._refresh_after else None

    async def find(self, kid: str, clock: Clock) -> tuple[VerificationKey, ...]:
        """Return the keys with this `kid`, after a refresh if it is unknown and the budget allows it.

        Raises:
            JWKSUnavailable: If keys are unavailable or older than `max_stale`.
        """
        refresh = await self._refreshes.get()
        keys = self._usable(kid, clock)
        if keys is not None:
            self._start(refresh, clock)
            return keys
        if refresh.is_running:  # it may have started before the key was published
            await refresh.wait()
        if self._usable(kid, clock) is None:
            self._start(refresh, clock)
            await refresh.wait()
        if not self._has_keys(clock.monotonic()):
            raise JWKSUnavailable
        return self._ring.get(kid, ())

    def _usable(self, kid: str, clock: Clock) -> tuple[VerificationKey, ...] | None:
        return self._ring.get(kid) if self._has_keys(clock.monotonic()) else None

    def _has_keys(self, now: float) -> bool:
        return bool(self._ring) and now - self._read_at <= self._max_stale

    def _start(self, refresh: _Refresh, clock: Clock) -> None:
        now = clock.monotonic()
        if refresh.is_running or not self._may_read(now):
            return
        if self._has_keys(now):
            self._reads.append(now)
        self._retry_at = now + _RETRY_INTERVAL
        refresh.start(self._run_refresh(clock))

    def _may_read(self, now: float) -> bool:
        if not self._has_keys(now):
            return self._retry_at is None or now >= self._retry_at
        return len(self._reads) < _MAX_READS or now - self._reads[0] >= _BUDGET_PERIOD

    async def _run_refresh(self, clock: Clock) -> None:
        had_keys = self._has_keys(clock.monotonic())
        try:
            self._ring = read_jwks(await self._read(), self._algorithms)
            self._read_at = clock.monotonic()
            if not self._ring:
                raise ValueError(NO_USABLE_KEY)  # noqa: TRY301 - logged, and retried like any failure
            if not had_keys:
                self._reads.append(self._read_at)
        except asyncio.CancelledError:
            self._retry_at = None  # a canceled read does not delay the next one
            raise
        except Exception as error:  # noqa: BLE001 - log any failure, and retry later
            text = f": {error}" if isinstance(error, ValueError) else ""
            _log.warning("jwks.refresh_failed error=%s%s (%s)", type(error).__name__, text, self._source)

    async def aclose(self) -> None:
        """Cancel a refresh in the running event loop."""
        await self._refreshes.aclose()
