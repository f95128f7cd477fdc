"""What the open connections of one credential know together, so that an interval costs Kratos one question."""

from math import inf
from weakref import WeakValueDictionary

from ory_guard.outcomes import Outcome, Unavailable
from ory_guard.view import SessionView

__all__ = ["Look", "Looks"]

_RETRY_AFTER = 1.0


class Look:
    """The newest answer that any of the connections got, and whether asking failed since.

    It is kept by the connections themselves: with the last of them it is gone.

    Attributes:
        outcome: The answer.
        view: What applications see of it.
        asked_at: When the question was sent, on the monotonic clock.
    """

    def __init__(self) -> None:
        self.outcome: Outcome | None = None
        self.view: SessionView | None = None
        self.asked_at: float = -inf
        self._failure: Unavailable | None = None
        self._retry_at = -inf

    def learn(self, outcome: Outcome | None, view: SessionView | None, asked_at: float) -> None:
        """Take over an answer, if it is one, and newer."""
        if outcome is not None and not isinstance(outcome, Unavailable) and asked_at > self.asked_at:
            self.outcome, self.asked_at = outcome, asked_at
            self.view = SessionView(outcome) if view is None else view

    def fail(self, failure: Unavailable, now: float) -> None:
        """Note that Kratos could not be asked."""
        self._failure, self._retry_at = failure, now + _RETRY_AFTER

    def failure(self, now: float) -> Unavailable | None:
        """Return why Kratos could not be asked a moment ago, or None where it is time to try."""
        return self._failure if now < self._retry_at else None

    def until_retry(self, now: float) -> float:
        """Return the seconds after which it is time to try again."""
        return max(self._retry_at - now, 0.0)


class Looks:
    """The looks of all credentials with open connections."""

    def __init__(self) -> None:
        self._looks: WeakValueDictionary[bytes, Look] = WeakValueDictionary()

    def of(self, key: bytes) -> Look:
        """Return the look of a credential, a new one where no connection has any."""
        look = self._looks.get(key)
        if look is None:
            look = self._looks[key] = Look()
        return look
