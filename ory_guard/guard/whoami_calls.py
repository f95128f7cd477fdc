"""Calls of whoami: the policy before a call, and the parsing, recording and caching of its result."""

import logging
from typing import NamedTuple

from ory_guard.cache.entries import CacheEntry
from ory_guard.cache.jwt_rejection_cache import JWTRejectionCache
from ory_guard.cache.session_cache import SessionCache
from ory_guard.cache.single_flight import CheckResult
from ory_guard.events import BreakerChanged, CheckFailed, Listeners, WhoamiAnswered, log_event, notify
from ory_guard.events.limited_log import LimitedLog
from ory_guard.guard.call_policy import CallPolicy
from ory_guard.kratos.call_failures import call_failure
from ory_guard.kratos.caller import Caller
from ory_guard.kratos.circuit_breaker import BreakerState
from ory_guard.kratos.http import ResponseTooLarge
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.session_parser import ParsedSession, SessionParser
from ory_guard.models.clock import Clock
from ory_guard.models.credential import Credential
from ory_guard.models.outcomes import Unavailable

__all__ = ["Call", "CallResult", "WhoamiCalls"]


class Call(NamedTuple):
    """A call to Kratos, with the state of the cache and of the clocks when it started."""

    caller: Caller
    credential: Credential
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
        max_known: The maximum number of known credentials.
        max_seconds: The maximum duration of a call.
        clock: The clocks.
        listeners: The listeners of the guard.
        log: The log of failed checks.

    Attributes:
        policy: Decides whether Kratos may be called.
        jwt_rejections: The responses to JWTs that Kratos does not accept.
        count: The number of calls so far.
    """

    def __init__(
        self,
        *,
        parser: SessionParser,
        cache: SessionCache,
        max_known: int,
        max_seconds: float,
        clock: Clock,
        listeners: Listeners,
        log: LimitedLog,
    ) -> None:
        self._parser = parser
        self._cache = cache
        self._clock = clock
        self._listeners = listeners
        self._log = log
        self.policy: CallPolicy = CallPolicy(
            max_known, max_seconds=max_seconds, clock=clock, on_breaker_change=self._on_breaker_change
        )
        self.jwt_rejections: JWTRejectionCache = JWTRejectionCache(cache.revocations, clock)
        self.count: int = 0

    def refusal(self, caller: Caller) -> CheckResult | None:
        """Return `Unavailable` if Kratos must not be called now, else None."""
        outcome = self.policy.refusal(caller)
        return None if outcome is None else self.without_call(caller, outcome)

    def without_call(self, caller: Caller, outcome: Unavailable) -> CheckResult:
        """Return and emit the result of a check without a call."""
        result = CheckResult(outcome, self._clock.monotonic())
        self._emit(caller, result, None)
        return result

    def start(self, caller: Caller, credential: Credential, *, keeps_claims: bool) -> Call:
        """Record the start of a call.

        Args:
            caller: The credential, as the policy sees it.
            credential: The credential.
            keeps_claims: Whether the credential is a JWT whose verified claims remain in the cache.
        """
        self.count += 1
        request_time, request_time_wall = self._cache.revocations.next_request_time(), self._clock.time()
        return Call(caller, credential, keeps_claims, self._cache.generation, request_time, request_time_wall)

    def conclude(self, call: Call, response: HTTPResponse | Exception) -> CallResult:
        """Parse, record, emit and cache the result of a call."""
        reply = self._read(call, response)
        parsed = reply.parsed
        result = CheckResult(parsed.outcome, call.request_time, parsed.set_cookies)
        self.policy.record(call.caller, parsed.outcome)
        self._emit(call.caller, result, reply)
        if call.keeps_claims:
            # Kratos does not know the claims of a JWT, so its response does not replace them in the cache.
            self.jwt_rejections.record(call.caller.key, parsed.outcome, parsed.ttl, call.request_time)
            return CallResult(result, None)
        return CallResult(result, self._store(call, parsed))

    def _read(self, call: Call, response: HTTPResponse | Exception) -> _Reply:
        if isinstance(response, ResponseTooLarge) and _is_status_enough(response.head.status):
            response = response.head
        if isinstance(response, Exception):
            reason, text, detail = call_failure(response)
            self._log.write(logging.WARNING, reason, "whoami.failed reason=%s: %s", reason, text)
            return _Reply(ParsedSession(Unavailable(reason)), detail=detail)
        parsed = self._parser.parse(response, call.credential, call.request_time_wall)
        return _Reply(parsed, response.status)

    def _store(self, call: Call, parsed: ParsedSession) -> CacheEntry | None:
        outcome, ttl = parsed.outcome, parsed.ttl
        if isinstance(outcome, Unavailable):
            return None
        if ttl <= 0:
            self._cache.delete(call.caller.key)
            return None
        fresh_until, fresh_until_wall = call.request_time + ttl, call.request_time_wall + ttl
        body, memory_bytes = parsed.body, parsed.memory_bytes
        entry = CacheEntry(outcome, call.request_time, fresh_until, fresh_until_wall, body, memory_bytes)
        self._cache.put(call.caller.key, entry, call.generation)
        return entry

    def _emit(self, caller: Caller, result: CheckResult, reply: _Reply | None) -> None:
        if not self._listeners:
            return
        outcome, seconds = result.outcome, self._clock.monotonic() - result.request_time
        name, status = caller.key.hex()[:8], None if reply is None else reply.status
        if isinstance(outcome, Unavailable):
            detail = None if reply is None else reply.detail
            sent = reply is not None and outcome.reason != "overloaded"
            known = caller.identity is not None
            failed = CheckFailed(name, outcome.reason, seconds, status, detail, sent=sent, known=known)
            notify(self._listeners, failed)
        else:
            notify(self._listeners, WhoamiAnswered(name, type(outcome).__name__, seconds, status))

    def _on_breaker_change(self, state: BreakerState) -> None:
        event = BreakerChanged(state)
        if self._log.take(logging.WARNING, event):
            log_event(event)
        notify(self._listeners, event)


def _is_status_enough(status: int) -> bool:
    """Return whether the body does not matter: a large page does not hide an outage or a rate limit."""
    return status == 429 or status >= 500
