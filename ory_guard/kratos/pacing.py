"""The pace of calls for unknown credentials, learned from 429 responses.

A rate limit of Kratos, or of a proxy in front of it, counts the calls of this process together. If a client sends
many invented credentials, the calls for users would be limited with them.
"""

from typing import Final

__all__ = ["Pace"]

_WINDOW: Final = 1.0
_MIN_LIMITED: Final = 10
_FEW_LIMITED: Final = 3
_MIN_LIMITED_SHARE: Final = 0.05
_MIN_RATE: Final = 20.0
_DECREASE: Final = 0.5
_INCREASE: Final = 1.02
_RELEASE_AFTER: Final = 60.0
_BURST: Final = 4


class Pace:
    """Limits the rate of calls after ten 429 responses in a second that are at least 5 % of the other responses.

    The rate is then half of the calls of that second with another response, and at least 20 calls a second. Each
    second with a 429 halves it again, because users whose calls get a 429 are held for its `Retry-After`. It grows
    by 2 % in each second without one, and is unlimited after a minute without one.

    Attributes:
        rate: The number of calls a second, or None if it is unlimited.
    """

    def __init__(self) -> None:
        self._window_start = 0.0
        self._limited = self._answered = 0
        self._reduced_at = 0.0
        self._next_at = 0.0
        self.rate: float | None = None

    def __repr__(self) -> str:
        return f"<Pace {'unlimited' if self.rate is None else f'{self.rate:.0f} calls a second'}>"

    def is_limited(self, now: float) -> bool:
        """Return whether the rate is limited, or at least three responses of the last second were 429."""
        return self.rate is not None or (self._limited >= _FEW_LIMITED and now - self._window_start < _WINDOW)

    def seconds_until_due(self, now: float) -> float:
        """Return the seconds until the next call; 0 if it may be sent now."""
        return 0.0 if self.rate is None else max(self._next_at - now, 0.0)

    def record_start(self, now: float) -> None:
        """Record the start of a call."""
        if self.rate is not None:
            interval = 1 / self.rate
            self._next_at = max(self._next_at, now - _BURST * interval) + interval

    def record_end(self, now: float, *, is_limited: bool) -> None:
        """Record the end of a call.

        Args:
            now: The time.
            is_limited: Whether the status was 429.
        """
        if now - self._window_start >= _WINDOW:
            self._start_window(now)
        if not is_limited:
            self._answered += 1
            return
        self._limited += 1
        if self.rate is None:
            if self._limited >= max(_MIN_LIMITED, _MIN_LIMITED_SHARE * self._answered):
                self._reduce(self._answered, now)
        elif now - self._reduced_at >= _WINDOW:
            self._reduce(self.rate, now)

    def _reduce(self, rate: float, now: float) -> None:
        self.rate = max(_DECREASE * rate, _MIN_RATE)
        self._reduced_at, self._next_at = now, now + 1 / self.rate

    def _start_window(self, now: float) -> None:
        if self.rate is not None:
            if now - self._reduced_at >= _RELEASE_AFTER:
                self.rate = None
            elif self._limited == 0:
                self.rate *= _INCREASE
        self._window_start, self._limited, self._answered = now, 0, 0
