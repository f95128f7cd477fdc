"""A circuit breaker for the questions to Kratos: while it is open, a request costs microseconds, no deadline.

It differs from the usual one in three ways, which is why no library serves here (those on PyPI read the wall
clock, let every caller probe at once, and know neither who failed nor `Retry-After`): it opens only when the
checks of more than one credential fail, so that one identity whose check breaks closes the door for nobody else;
a credential whose probe failed lets others probe before it tries again; and a 429 holds it open for as long as
Kratos asks.
"""

from collections.abc import Callable
from math import ceil
from typing import Final, Literal

__all__ = ["BreakerState", "CircuitBreaker"]

BreakerState = Literal["closed", "open", "half_open"]

_FAILURES: Final = 5
_CREDENTIALS: Final = 2
_COOLDOWN: Final = 0.5


class CircuitBreaker:
    """Tells whether asking makes sense, from what came of asking.

    There is no task and no timer in it: an open breaker turns half-open when somebody asks late enough. The one
    who asked then probes, and everybody else is held until the probe is done, or lost (a cancelled check reports
    nothing) for as long as a check may take.

    Args:
        monotonic: A clock that only runs forward, in seconds.
        probe_seconds: How long one check may take.
        tell: Called with the new state at every change.
    """

    def __init__(
        self, monotonic: Callable[[], float], probe_seconds: float, tell: Callable[[BreakerState], None]
    ) -> None:
        self._monotonic = monotonic
        self._probe_seconds = probe_seconds
        self._tell = tell
        self._failures = 0
        self._failed: set[bytes] = set()
        self._probing: bytes | None = None
        self._held_until = 0.0
        self.state: BreakerState = "closed"

    def __repr__(self) -> str:
        return f"<Breaker {self.state}, {self._failures} failures>"

    def held(self, key: bytes) -> int | None:
        """Return None where Kratos may be asked about this credential now, else the seconds to wait, 1 to 60.

        Who gets None while the breaker is open is its probe, and has to report what came of it.
        """
        if self.state == "closed":
            return None
        now = self._monotonic()
        until = self._held_until
        if self.state == "open" and key == self._probing:
            until += _COOLDOWN
        if now < until:
            return 1 if self.state == "half_open" else min(ceil(until - now), 60)
        self._probing = key
        self._move("half_open", now + self._probe_seconds)
        return None

    def answered(self, key: bytes) -> None:
        """Note that Kratos gave an answer, whatever it says."""
        if self.state == "closed":
            self._failures = 0
            self._failed.clear()
        elif self.state == "half_open" and key == self._probing:
            self._move("closed", 0.0)

    def failed(self, key: bytes) -> None:
        """Note that a check of this credential got no answer, or a 5xx."""
        if self.state == "closed":
            self._failures += 1
            if len(self._failed) < _CREDENTIALS:
                self._failed.add(key)
            if self._failures >= _FAILURES and len(self._failed) >= _CREDENTIALS:
                self._probing = None
                self._move("open", self._monotonic() + _COOLDOWN)
        elif self.state == "half_open" and key == self._probing:
            self._move("open", self._monotonic() + _COOLDOWN)

    def hold(self, seconds: float) -> None:
        """Let nobody ask for so many seconds: Kratos said that it is asked too often."""
        until = self._monotonic() + seconds
        self._probing = None
        self._move("open", max(until, self._held_until) if self.state == "open" else until)

    def _move(self, state: BreakerState, held_until: float) -> None:
        self._held_until = held_until
        self._failures = 0
        self._failed.clear()
        if state != self.state:
            self.state = state
            self._tell(state)
