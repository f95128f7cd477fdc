"""The lifetimes of cache entries: how long a session, or the rejection of a credential, is fresh."""

import random
from collections.abc import Callable
from typing import Final

from ory_guard.kratos.http_response import HTTPResponse

__all__ = ["CacheLifetimes"]

_MAX_JITTER: Final = 0.05
_MAX_DIGITS: Final = 9


class CacheLifetimes:
    """Calculates the lifetimes of the entries of a guard, in seconds (RFC 9111, section 4.2.1).

    Args:
        session: The maximum lifetime of a session.
        rejected: The lifetime of a rejected credential, and of one that requires a second factor.
        random: Returns a random number from 0 to 1 for the jitter of a lifetime.

    Attributes:
        rejected: The lifetime of a rejected credential, and of one that requires a second factor.
    """

    def __init__(self, session: float, rejected: float, random: Callable[[], float] = random.random) -> None:
        self._session = session
        self._random = random
        self.rejected: Final = rejected

    def of_session(self, seconds_left: float, response: HTTPResponse | None = None) -> float:
        """Return the lifetime of a session, or 0 if it must not be cached.

        Args:
            seconds_left: The time until the session, or its token, expires.
            response: The response with the session. Its `Ory-Session-Cache-For` limits the lifetime.
        """
        lifetime = min(self._session, seconds_left)
        value = None if response is None else response.header(b"ory-session-cache-for")
        if value is not None:
            # An invalid lifetime counts as stale (RFC 9111, section 4.2.1).
            lifetime = min(lifetime, float(value[:_MAX_DIGITS]) if value.isdigit() else 0.0)
        return max(self.with_jitter(lifetime), 0.0)

    def with_jitter(self, lifetime: float) -> float:
        """Return a lifetime reduced at random by up to 5 %, so that simultaneous entries expire one by one."""
        return lifetime * (1 - _MAX_JITTER * self._random())
