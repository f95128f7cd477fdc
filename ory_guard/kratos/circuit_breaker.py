"""A circuit breaker for calls to Kratos: while it is open, a request fails in microseconds, not at its deadline.

It differs from the usual circuit breaker in three ways:

- It opens only if the calls of at least two credentials fail, so that one identity whose calls always fail does not
  block all others.
- After a failed probe, other credentials may probe before the same credential probes again.
- A 429 keeps it open for the time in `Retry-After`.
"""

from collections.abc import Callable
from math import ceil
from typing import Final, Literal

__all__ = ["BreakerState", "CircuitBreaker"]

BreakerState = Literal["closed", "open", "half_open"]

_MAX_FAILURES: Final = 5
_MIN_FAILING_KEYS: Final = 2
_COOLDOWN: Final = 0.5
_MAX_RETRY_AFTER: Final = 60


class CircuitBreaker:
    """Decides whether a call is allowed, from the results of earlier calls.

    The breaker has neither a task nor a timer. After its cooldown, the next caller turns it half-open and is the
    probe. Other callers are rejected until the probe reports its result or `probe_timeout` passes, because a
    cancelled call reports nothing.

    Args:
        monotonic: The monotonic clock, in seconds.
        probe_timeout: The maximum duration of a call, in seconds.
        on_state_change: Called with the new state after each change.

    Attributes:
        state: `closed`, `open` or `half_open`.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        probe_timeout: float,
        on_state_change: Callable[[BreakerState], None],
    ) -> None:
        self._monotonic = monotonic
        self._probe_timeout = probe_timeout
        self._on_state_change = on_state_change
        self._failures = 0
        self._failing_keys: set[bytes] = set()
        self._probe_key: bytes | None = None
        self._open_until = 0.0
        self.state: BreakerState = "closed"

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self.state}, {self._failures} failures>"

    def retry_after(self, key: bytes) -> int | None:
        """Return None if a call is allowed now, otherwise the seconds to wait (1 to 60).

        A caller that gets None while the breaker is open is the probe and must report its result.

        Args:
            key: The cache key of the credential.
        """
        if self.state == "closed":
            return None
        now = self._monotonic()
        until = self._open_until
        if self.state == "open" and key == self._probe_key:
            until += _COOLDOWN
        if now < until:
            return 1 if self.state == "half_open" else min(ceil(until - now), _MAX_RETRY_AFTER)
        self._probe_key = key
        self._transition("half_open", now + self._probe_timeout)
        return None

    def record_success(self, key: bytes) -> None:
        """Record a response of any status below 500, except 429."""
        if self.state == "closed":
            self._failures = 0
            self._failing_keys.clear()
        elif self.state == "half_open" and key == self._probe_key:
            self._transition("closed", 0.0)

    def record_failure(self, key: bytes) -> None:
        """Record a call without a response, or with a 5xx."""
        if self.state == "closed":
            self._failures += 1
            if len(self._failing_keys) < _MIN_FAILING_KEYS:
                self._failing_keys.add(key)
            if self._failures >= _MAX_FAILURES and len(self._failing_keys) >= _MIN_FAILING_KEYS:
                self._probe_key = None
                self._transition("open", self._monotonic() + _COOLDOWN)
        elif self.state == "half_open" and key == self._probe_key:
            self._transition("open", self._monotonic() + _COOLDOWN)

    def open_for(self, seconds: float) -> None:
        """Open the breaker for at least this time, as Kratos asks for with a 429."""
        until = self._monotonic() + seconds
        self._probe_key = None
        self._transition("open", max(until, self._open_until) if self.state == "open" else until)

    def _transition(self, state: BreakerState, open_until: float) -> None:
        self._open_until = open_until
        self._failures = 0
        self._failing_keys.clear()
        if state != self.state:
            self.state = state
            self._on_state_change(state)
