"""Times at which sessions and identities were revoked, as far as this process knows."""

from math import inf, nextafter
from typing import Any, Final

from ory_guard.models.clock import Clock
from ory_guard.models.session import Session

__all__ = ["RevocationLog"]

_MAX_REVOCATIONS: Final = 10_000


class RevocationLog:
    """Records revocations and decides whether a response was requested before one of them.

    All times are on the monotonic clock. `next_request_time` returns a time that is later than every revocation so
    far, however coarse the clock is.

    Args:
        max_age: The longest time in seconds from a request to the end of the lifetime of its response. Revocations
            are kept for that long.
        clock: The source of the time.

    Attributes:
        last_revocation: The time of the latest revocation; initially minus infinity.
    """

    def __init__(self, max_age: float, clock: Clock) -> None:
        self._monotonic = clock.monotonic
        self._max_age = max_age
        self._revoked_at: dict[str, float] = {}
        self._all_revoked_at = -inf
        self._last_request = -inf
        self.last_revocation: float = -inf

    def __len__(self) -> int:
        return len(self._revoked_at)

    def __repr__(self) -> str:
        return f"<RevocationLog {len(self)} ids>"

    def next_request_time(self) -> float:
        """Return the time of a request that is sent now."""
        self._last_request = max(self._monotonic(), nextafter(self.last_revocation, inf))
        return self._last_request

    def add(self, *ids: str) -> None:
        """Record that these sessions or identities are revoked now.

        If there are more recent revocations than the log can hold, it counts every session as revoked.
        """
        now = self.last_revocation = max(self._monotonic(), self._last_request)
        self._revoked_at.update(dict.fromkeys(ids, now))
        if len(self._revoked_at) > _MAX_REVOCATIONS:
            oldest = now - self._max_age
            self._revoked_at = {key: at for key, at in self._revoked_at.items() if at >= oldest}
        if len(self._revoked_at) > _MAX_REVOCATIONS:
            self._all_revoked_at = now
            self._revoked_at.clear()

    def is_revoked(self, session: "Session[Any]", request_time: float) -> bool:
        """Return whether the session or its identity was revoked at `request_time` or later."""
        revoked_at = self._revoked_at
        return (
            self._all_revoked_at >= request_time
            or revoked_at.get(session.id, -inf) >= request_time
            or revoked_at.get(session.identity.id, -inf) >= request_time
        )

    def revoked_at(self, *ids: str) -> float:
        """Return the time of the latest revocation of any of these ids, or minus infinity."""
        return max(self._all_revoked_at, *(self._revoked_at.get(key, -inf) for key in ids))
