"""Calls of whoami: the circuit breaker before a call, and the parsing, recording and caching of its result."""

import logging
from typing import NamedTuple

from ory_guard.cache.entries import CacheEntry
from ory_guard.cache.jwt_responses import JWTResponses
from ory_guard.cache.session_cache import SessionCache
from ory_guard.cache.single_flight import CheckResult
from ory_guard.events import BreakerChanged, CheckFailed, Listeners, WhoamiAnswered, log_event, notify
from ory_guard.kratos.circuit_breaker import BreakerState, CircuitBreaker
from ory_guard.kratos.failures import call_failure
from ory_guard.kratos.http import HTTPResponse
from ory_guard.kratos.session_parser import ParsedSession, SessionParser
from ory_guard.models.clock import Clock
from ory_guard.models.credential import Credential
from ory_guard.models.outcomes import Outcome, Unavailable, UnavailableReason

__all__ = ["Call", "CallResult", "WhoamiCalls"]

_log = logging.getLogger("ory_guard")


class Call(NamedTuple):
    """A call to Kratos, with the state of the cache and of the clocks when it started."""

    key: bytes
    credential: Credential
    group: bytes
    keeps_claims: bool
    generation: int
    request_time: float
    request_time_wall: float


class CallResult(NamedTuple):
    """The result of a call, and its cache entry if there is one."""

    result: CheckResult
    entry: CacheEntry | None


class _Reply(NamedTuple):
    """The parsed response with its status, or the failure of the call."""

    parsed: ParsedSession
    status: int | None = None
    detail: str | None = None


class WhoamiCalls:
    """Decides whether Kratos may be called, and evaluates the responses.

    Args:
        parser: Parses the responses.
        cache: The cache of this process.
        max_seconds: The maximum duration of a call.
        clock: The clocks.
        listeners: The listeners of the guard.

    Attributes:
        breaker: The circuit breaker in front of Kratos.
        jwt_responses: The responses to JWTs that Kratos does not accept.
        count: The number of calls so far.
    """

    def __init__(
        self,
        *,
        parser: SessionParser,
        cache: SessionCache,
        max_seconds: float,
        clock: Clock,
        listeners: Listeners,
    ) -> None:
        self._parser = parser
        self._cache = cache
        self._clock = clock
        self._listeners = listeners
        self.breaker: CircuitBreaker = CircuitBreaker(clock.monotonic, max_seconds, self._on_breaker_change)
        self.jwt_responses: JWTResponses = JWTResponses(cache.revocations, clock)
        self.count: int = 0

    def refusal(self, key: bytes, group: bytes) -> CheckResult | None:
        """Return `Unavailable` if Kratos must not be called for this credential now, else None."""
        seconds = self.breaker.retry_after(group)
        return None if seconds is None else self.unavailable(key, "breaker", seconds)

    def unavailable(self, key: bytes, reason: UnavailableReason, retry_after: int = 1) -> CheckResult:
        """Return and emit the result of a check without a call."""
        result = CheckResult(Unavailable(reason, retry_after), self._clock.monotonic())
        self._emit(key, result, None, None)
        return result

    def start(self, key: bytes, credential: Credential, group: bytes, *, keeps_claims: bool) -> Call:
        """Record the start of a call.

        Args:
            key: The cache key of the credential.
            credential: The credential.
            group: The key under which the circuit breaker counts the credential.
            keeps_claims: Whether the credential is a JWT whose verified claims remain in the cache.
        """
        self.count += 1
        request_time, request_time_wall = self._cache.revocations.next_request_time(), self._clock.time()
        return Call(key, credential, group, keeps_claims, self._cache.generation, request_time, request_time_wall)

    def conclude(self, call: Call, response: HTTPResponse | Exception) -> CallResult:
        """Parse, record, emit and cache the result of a call."""
        parsed, status, detail = self._read(call, response)
        result = CheckResult(parsed.outcome, call.request_time, parsed.set_cookies)
        self._record(call.group, parsed.outcome)
        self._emit(call.key, result, status, detail)
        if call.keeps_claims:
            # Kratos does not know the claims of a JWT, so its response does not replace them in the cache.
            self.jwt_responses.record(call.key, parsed.outcome, parsed.ttl, call.request_time)
            return CallResult(result, None)
        return CallResult(result, self._store(call, parsed))

    def _read(self, call: Call, response: HTTPResponse | Exception) -> _Reply:
        if isinstance(response, Exception):
            reason, text, detail = call_failure(response)
            _log.warning("whoami.failed reason=%s: %s", reason, text)
            return _Reply(ParsedSession(Unavailable(reason)), detail=detail)
        parsed = self._parser.parse(response, call.credential, call.request_time_wall)
        return _Reply(parsed, response.status)

    def _store(self, call: Call, parsed: ParsedSession) -> CacheEntry | None:
        outcome, ttl = parsed.outcome, parsed.ttl
        if isinstance(outcome, Unavailable):
            return None
        if ttl <= 0:
            self._cache.delete(call.key)
            return None
        fresh_until, fresh_until_wall = call.request_time + ttl, call.request_time_wall + ttl
        body, memory_bytes = parsed.body, parsed.memory_bytes
        entry = CacheEntry(outcome, call.request_time, fresh_until, fresh_until_wall, body, memory_bytes)
        self._cache.put(call.key, entry, call.generation)
        return entry

    def _record(self, group: bytes, outcome: Outcome) -> None:
        match outcome:
            case Unavailable(reason="timeout" | "unreachable"):
                self.breaker.record_failure(group)
            case Unavailable(reason="rate_limited", retry_after=seconds):
                self.breaker.open_for(seconds)
            case Unavailable(reason="overloaded"):
                pass  # this process has too few connections, which says nothing about Kratos
            case _:
                # A protocol error is a success, too: it came fast, and it may concern a single identity.
                self.breaker.record_success(group)

    def _emit(self, key: bytes, result: CheckResult, status: int | None, detail: str | None) -> None:
        if self._listeners:
            seconds = self._clock.monotonic() - result.request_time
            name = key.hex()[:8]
            if isinstance(result.outcome, Unavailable):
                notify(self._listeners, CheckFailed(name, result.outcome.reason, seconds, status, detail))
            else:
                notify(self._listeners, WhoamiAnswered(name, type(result.outcome).__name__, seconds, status))

    def _on_breaker_change(self, state: BreakerState) -> None:
        event = BreakerChanged(state)
        log_event(event)
        notify(self._listeners, event)
