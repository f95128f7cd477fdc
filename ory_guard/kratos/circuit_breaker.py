"""A circuit breaker for calls to Kratos: while it is open, a request fails in microseconds, not at its deadline.

It differs from the usual circuit breaker in two ways:

- It opens only if the calls of at least two subjects fail, in at least two requests, so that one identity whose
  calls always fail does not block all others.
- After a failed probe, other subjects may probe before the same one probes again.
"""

from collections.abc import Callable, Hashable
from math import ceil
from typing import Final, Literal

__all__ = ["BreakerState", "CircuitBreaker"]

BreakerState = Literal["closed", "open", "half_open"]

_MAX_FAILURES: Final = 5
_MIN_FAILING: Final = 2
_MAX_FAILED_PROBES: Final = 64
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
        self._failing_subjects: set[Hashable] = set()
        self._failing_groups: set[Hashable] = set()
        self._probe: Hashable = None
        self._failed_probes: set[Hashable] = set()
        self._open_until = 0.0
        self.state: BreakerState = "closed"

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self.state}, {self._failures} failures>"

    @property
    def has_failures(self) -> bool:
        """Whether a success changes the state of the breaker."""
        return self._failures > 0 or self.state != "closed"

    def retry_after(self, subject: Hashable) -> int | None:
        """Return None if a call is allowed now, otherwise the seconds to wait (1 to 60).

        A caller that gets None while the breaker is open is the probe and must report its result.

        Args:
            subject: The identity or the credential that the call is about.
        """
        if self.state == "closed":
            return None
        now = self._monotonic()
        until = self._open_until
        if self.state == "open" and subject in self._failed_probes:
            until += _COOLDOWN
        if now < until:
            return 1 if self.state == "half_open" else min(ceil(until - now), _MAX_RETRY_AFTER)
        self._probe = subject
        self._transition("half_open", now + self._probe_timeout)
        return None

    def record_success(self, subject: Hashable) -> None:
        """Record a response of any status below 500."""
        if self.state == "closed":
            self._clear_failures()
        elif self.state == "half_open" and subject == self._probe:
            self._transition("closed")

    def record_failure(self, subject: Hashable, group: Hashable) -> None:
        """Record a call without a response, or with a 5xx.

        Args:
            subject: The identity or the credential that the call is about.
            group: The same for all credentials of a request: they count as one.
        """
        if self.state == "closed":
            self._failures += 1
            for names, name in ((self._failing_subjects, subject), (self._failing_groups, group)):
                if len(names) < _MIN_FAILING:
                    names.add(name)
            fewest = min(len(self._failing_subjects), len(self._failing_groups))
            if self._failures >= _MAX_FAILURES and fewest >= _MIN_FAILING:
                self.open_for(_COOLDOWN)
        elif self.state == "half_open" and subject == self._probe:
            if len(self._failed_probes) < _MAX_FAILED_PROBES:
                self._failed_probes.add(subject)
            self._transition("open", self._monotonic() + _COOLDOWN)

    def open_for(self, seconds: float) -> None:
        """Open the breaker for at least this time."""
        until = self._monotonic() + seconds
        self._failed_probes.clear()
        self._transition("open", max(until, self._open_until) if self.state == "open" else until)

    def close(self) -> None:
        """Close the breaker: another breaker has seen a success."""
        self._transition("closed")

    def _transition(self, state: BreakerState, open_until: float = 0.0) -> None:
        self._open_until = open_until
        self._clear_failures()
        if state != self.state:
            self.state = state
            self._on_state_change(state)

    def _clear_failures(self) -> None:
        self._failures = 0
        self._failing_subjects.clear()
        self._failing_groups.clear()
