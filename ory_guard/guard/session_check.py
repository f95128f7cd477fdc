"""Session checks: JWT, shared store, circuit breaker, whoami; concurrent checks of one credential are one.

A check runs in a task of its own (`ory_guard.cache.single_flight`), so the cancellation of the request that started
it does not affect the other requests that wait for it.
"""

import logging
from typing import Final

from ory_guard._event_loop import LoopLocal
from ory_guard.cache.session_cache import CacheEntry, SessionCache
from ory_guard.cache.shared_cache import SharedSessionCache
from ory_guard.cache.single_flight import CHECK_ABORTED, CheckResult, InFlight, SingleFlight
from ory_guard.events import BreakerChanged, CheckFailed, CheckShared, Listeners, WhoamiAnswered, log_event, notify
from ory_guard.guard.jwt import JWTAuthenticator
from ory_guard.kratos.circuit_breaker import BreakerState, CircuitBreaker
from ory_guard.kratos.http import PoolTimeout, ResponseTooLarge
from ory_guard.kratos.session_parser import ParsedSession, SessionParser
from ory_guard.kratos.whoami import WhoamiClient
from ory_guard.models.clock import Clock
from ory_guard.models.credential import Credential
from ory_guard.models.outcomes import Authenticated, Outcome, Unavailable, UnavailableReason

__all__ = ["SessionChecker"]

_log = logging.getLogger("ory_guard")

_PROBE_GRACE: Final = 0.5
"""Seconds after its deadline in which a check still ends if the event loop is busy."""


class SessionChecker:
    """Checks sessions that are not in the cache, and caches the results.

    Args:
        whoami: Calls Kratos.
        parser: Parses the responses.
        cache: The cache of this process.
        timeout: Seconds for one check.
        clock: The clocks.
        listeners: The listeners of the guard.
        shared_cache: The cache that processes share, or None.
        jwt: Authenticates JWTs; None if Kratos is called for each bearer token.

    Attributes:
        shared_cache: The cache that processes share, or None.
        breaker: The circuit breaker in front of Kratos.
        upstream_calls: The number of calls to Kratos.
        shared_calls: The number of requests that joined a running check.
    """

    def __init__(
        self,
        whoami: WhoamiClient,
        *,
        parser: SessionParser,
        cache: SessionCache,
        timeout: float,
        clock: Clock,
        listeners: Listeners,
        shared_cache: SharedSessionCache | None = None,
        jwt: JWTAuthenticator | None = None,
    ) -> None:
        self._whoami = whoami
        self._parser = parser
        self._cache = cache
        self._revocations = cache.revocations
        self.shared_cache: SharedSessionCache | None = shared_cache
        self._jwt = jwt
        self._clock = clock
        self._listeners = listeners
        self._single_flights: LoopLocal[SingleFlight] = LoopLocal(SingleFlight, SingleFlight.aclose)
        self.breaker: CircuitBreaker = CircuitBreaker(
            clock.monotonic, timeout + _PROBE_GRACE, self._on_breaker_change
        )
        self.upstream_calls: int = 0
        self.shared_calls: int = 0

    async def check(
        self, key: bytes, credential: Credential, *, bypass_caches: bool = False, join: bool = True
    ) -> CheckResult:
        """Return the result of a session check.

        Args:
            key: The cache key of the credential.
            credential: The credential.
            bypass_caches: Whether to call Kratos even for a JWT or an entry of the shared store, with
                `Cache-Control: no-cache`.
            join: Whether to join a check that has started already.
        """
        for _ in range(2):  # a session that was revoked during the check is checked once more
            result = await self._join_or_start(key, credential, bypass_caches=bypass_caches, join=join)
            if not self._is_revoked(result):
                return result
        return CheckResult(CHECK_ABORTED, self._clock.monotonic())

    async def _join_or_start(
        self, key: bytes, credential: Credential, *, bypass_caches: bool, join: bool
    ) -> CheckResult:
        single_flight = self._single_flights.current() or await self._single_flights.get()
        slot = key + b"no-cache" if bypass_caches else key
        running = single_flight.joinable(slot) if join else None
        if running is None:
            resolve = self._resolve
            if bypass_caches or (self.shared_cache is None and not self.is_jwt(credential)):
                # Without a task, an open breaker costs microseconds.
                if (unavailable := self._breaker_result(key)) is not None:
                    return unavailable
                resolve = self._call_whoami
            running = InFlight(slot, self._clock.monotonic())
            single_flight.start(
                running, lambda: resolve(key, credential, bypass_caches=bypass_caches), joinable=join
            )
        else:
            self.shared_calls += 1
            if self._listeners:
                notify(self._listeners, CheckShared(key.hex()[:8]))
        return await running.wait()

    def is_jwt(self, credential: Credential) -> bool:
        """Return whether the credential is a JWT that this process verifies."""
        return self._jwt is not None and self._jwt.accepts(credential)

    async def _resolve(self, key: bytes, credential: Credential, *, bypass_caches: bool) -> CheckResult:
        if self._jwt is not None and self._jwt.accepts(credential):
            return await self._jwt.authenticate(key, credential)
        entry = None if self.shared_cache is None else await self.shared_cache.get(key, credential)
        if entry is not None:
            return CheckResult(entry.outcome, entry.request_time)
        unavailable = self._breaker_result(key)
        return unavailable or await self._call_whoami(key, credential, bypass_caches=bypass_caches)

    async def _call_whoami(self, key: bytes, credential: Credential, *, bypass_caches: bool) -> CheckResult:
        generation = self._cache.generation
        request_time, sent_at = self._revocations.next_request_time(), self._clock.time()
        parsed, status = await self._request(credential, sent_at, bypass_caches=bypass_caches)
        result = CheckResult(parsed.outcome, request_time, parsed.set_cookies)
        self._record_result(key, parsed.outcome)
        self._emit(key, result, status)
        if isinstance(parsed.outcome, Unavailable) or self.is_jwt(credential):
            # Kratos does not know the claims of a JWT, so its response is not cached for it.
            return result
        entry = None
        if parsed.ttl > 0:
            entry = CacheEntry(parsed.outcome, request_time, request_time + parsed.ttl, sent_at + parsed.ttl)
            self._cache.put(key, entry, generation)
        else:
            self._cache.delete(key)
        if self.shared_cache is not None:
            if entry is not None and isinstance(parsed.outcome, Authenticated):
                if self._cache.get(key) is entry:
                    await self.shared_cache.put(credential, parsed.outcome.session, parsed.body, entry)
            elif bypass_caches:
                # The store was not read, so it may still hold the previous session.
                await self.shared_cache.delete(credential)
        return result

    async def _request(
        self, credential: Credential, now: float, *, bypass_caches: bool
    ) -> tuple[ParsedSession, int | None]:
        self.upstream_calls += 1
        try:
            response = await self._whoami.get(credential, no_cache=bypass_caches)
        except TimeoutError:
            return _unavailable("timeout", "no response before the deadline"), None
        except PoolTimeout:
            return _unavailable("overloaded", "no free connection before the deadline"), None
        except ResponseTooLarge:
            return _unavailable("protocol", "the response exceeds max_response_bytes"), None
        except Exception as error:  # noqa: BLE001 - whatever fails in a call, there is no response
            return _unavailable("unreachable", type(error).__name__), None
        return self._parser.parse(response, credential, now), response.status

    def _breaker_result(self, key: bytes) -> CheckResult | None:
        """Return `Unavailable` if the breaker does not allow a call, else None."""
        seconds = self.breaker.retry_after(key)
        if seconds is None:
            return None
        result = CheckResult(Unavailable("breaker", seconds), self._clock.monotonic())
        self._emit(key, result)
        return result

    def _record_result(self, key: bytes, outcome: Outcome) -> None:
        match outcome:
            case Unavailable(reason="timeout" | "unreachable"):
                self.breaker.record_failure(key)
            case Unavailable(reason="rate_limited", retry_after=seconds):
                self.breaker.open_for(seconds)
            case Unavailable(reason="overloaded"):
                pass  # this process has too few connections, which says nothing about Kratos
            case _:
                # A protocol error is a success, too: it came fast, and it may concern a single identity.
                self.breaker.record_success(key)

    def _is_revoked(self, result: CheckResult) -> bool:
        outcome = result.outcome
        return isinstance(outcome, Authenticated) and self._revocations.is_revoked(
            outcome.session, result.request_time
        )

    def _emit(self, key: bytes, result: CheckResult, status: int | None = None) -> None:
        if self._listeners:
            seconds = self._clock.monotonic() - result.request_time
            name = key.hex()[:8]
            if isinstance(result.outcome, Unavailable):
                notify(self._listeners, CheckFailed(name, result.outcome.reason, seconds, status))
            else:
                notify(self._listeners, WhoamiAnswered(name, type(result.outcome).__name__, seconds, status))

    def _on_breaker_change(self, state: BreakerState) -> None:
        event = BreakerChanged(state)
        log_event(event)
        notify(self._listeners, event)

    def detach_all(self) -> None:
        """Make later requests of this event loop start checks of their own."""
        single_flight = self._single_flights.current()
        if single_flight is not None:
            single_flight.detach_all()

    async def aclose(self) -> None:
        """Cancel the checks of this event loop and close its connections; waiting requests get `Unavailable`."""
        await self._single_flights.aclose()
        await self._whoami.aclose()
        if self.shared_cache is not None:
            await self.shared_cache.aclose()
        if self._jwt is not None:
            await self._jwt.aclose()


def _unavailable(reason: UnavailableReason, text: str) -> ParsedSession:
    _log.warning("whoami.failed reason=%s: %s", reason, text)
    return ParsedSession(Unavailable(reason))
