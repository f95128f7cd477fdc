"""Where keys come from, and when they are looked at again.

Whatever callers send, a source is read at most once in a cooldown; a reading that fails takes no key away.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from joserfc.jwk import Key

from ory_guard.cache import Clock
from ory_guard.loops import PerLoop
from ory_guard.token_checks import KeysUnavailable
from ory_guard.tokens.jwks import KeyRing, read_jwks

__all__ = ["FixedKeys", "KeySource", "ReadKeys"]

_log = logging.getLogger("ory_guard")


class KeySource(Protocol):
    """Where the keys come from."""

    async def find(self, kid: str, clock: Clock) -> tuple[Key, ...]:
        """Return the keys with this `kid`.

        Raises:
            KeysUnavailable: There are no keys at all.
        """
        ...

    async def aclose(self) -> None:
        """End what is under way in this loop."""
        ...


class FixedKeys:
    """Keys that never change."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    async def find(self, kid: str, clock: Clock) -> tuple[Key, ...]:
        """Return the keys with this `kid`."""
        del clock
        return self._ring.get(kid, ())

    async def aclose(self) -> None:
        """Do nothing: nothing is under way."""


class _Reading:
    """The one reading that may be under way in an event loop."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    @property
    def is_under_way(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self, reading: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(reading)

    async def end(self) -> None:
        if self._task is not None:
            await asyncio.wait({self._task})

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
        await self.end()


class ReadKeys:
    """Keys that are read from somewhere, now and then.

    Args:
        read: Reads the JWKS.
        cooldown: The shortest time, in seconds, between two readings.
        refresh_after: Seconds after which keys are read again, while they are in use.
        max_stale: Seconds after which keys that could not be read again are no longer used.
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
        self._tried_at: float | None = None
        self._readings: PerLoop[_Reading] = PerLoop(_Reading, _Reading.aclose)

    async def find(self, kid: str, clock: Clock) -> tuple[Key, ...]:
        """Return the keys with this `kid`, after another look at the source where it is unknown.

        Raises:
            KeysUnavailable: There are no keys, or none that are not too old.
        """
        age = clock.monotonic() - self._read_at
        if self._ring is None or age > self._max_stale or kid not in self._ring:
            await self._refresh(clock, wait=True)
        elif age > self._refresh_after:
            await self._refresh(clock, wait=False)
        if self._ring is None or clock.monotonic() - self._read_at > self._max_stale:
            raise KeysUnavailable
        return self._ring.get(kid, ())

    async def _refresh(self, clock: Clock, *, wait: bool) -> None:
        reading = await self._readings.get()
        if not reading.is_under_way:
            now = clock.monotonic()
            if self._tried_at is not None and now - self._tried_at < self._cooldown:
                return
            self._tried_at = now
            reading.start(self._read_now(clock))
        if wait:
            await reading.end()

    async def _read_now(self, clock: Clock) -> None:
        try:
            self._ring = read_jwks(await self._read())
            self._read_at = clock.monotonic()
        except asyncio.CancelledError:
            self._tried_at = None  # the next who looks for a key need not wait
            raise
        except Exception as error:  # noqa: BLE001 - by place, not by class: whatever fails, the keys stay
            _log.warning("tokens.keys_not_read error=%s: %s", type(error).__name__, _text(error))

    async def aclose(self) -> None:
        """End a reading that is under way in this loop."""
        await self._readings.aclose()


def _text(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else ""
