"""The session cache of one process, with a manual clock."""

import json
from typing import Any

from support.clock import AdjustableClock
from support.scripted_kratos import session_body

from ory_guard import Authenticated, Rejected, SecondFactorRequired, Session
from ory_guard.cache.entries import CacheEntry
from ory_guard.cache.session_cache import SessionCache
from ory_guard.models import CacheableOutcome

MAX_AGE = 30.0


def session_json(name: str, **changes: Any) -> bytes:
    return json.dumps(session_body(id=f"session-{name}", identity={"id": f"identity-{name}"}, **changes)).encode()


def session_of(name: str) -> Session[Any]:
    return Session.model_validate_json(session_json(name))


def authenticated(name: str) -> Authenticated:
    """Return the outcome of a cookie with the session of `name`."""
    return Authenticated(session_of(name), "cookie", "upstream", 0.0)


ADA = authenticated("ada")
BOB = authenticated("bob")
REFUSED = Rejected("inactive", "cookie")
SECOND_FACTOR = SecondFactorRequired("cookie", enrolled=True)


class CacheBench:
    """A cache and its clock.

    Attributes:
        parsed: The JSON of the sessions that the cache has parsed again.
    """

    def __init__(self, size: int = 100) -> None:
        self.clock = AdjustableClock()
        self.parsed: list[bytes] = []
        self.cache = SessionCache(size, MAX_AGE, self.clock, self._parse)

    def _parse(self, body: bytes) -> Session[Any]:
        self.parsed.append(body)
        return Session.model_validate_json(body)

    def entry(self, outcome: CacheableOutcome, ttl: float = MAX_AGE, memory_bytes: int = 0) -> CacheEntry:
        """Return the response to a request that is sent now."""
        request_time = self.cache.revocations.next_request_time()
        body = outcome.session.model_dump_json().encode() if isinstance(outcome, Authenticated) else b""
        return CacheEntry(outcome, request_time, request_time + ttl, self.clock.time() + ttl, body, memory_bytes)

    def put(self, key: bytes, outcome: CacheableOutcome, ttl: float = MAX_AGE) -> CacheEntry:
        """Send a request and cache its response at once."""
        entry = self.entry(outcome, ttl)
        self.cache.put(key, entry, self.cache.generation)
        return entry

    def outcome(self, key: bytes) -> CacheableOutcome | None:
        """Return the cached outcome."""
        entry = self.cache.get(key)
        return None if entry is None else entry.outcome
