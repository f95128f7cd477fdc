"""Asking Kratos once for however many requests wait for the same credential.

A check runs on its own (`ory_guard.cache.single_flight`), so the cancellation of the request that started it does
not affect the others.
"""

import logging
from typing import Final

from ory_guard._event_loop import LoopLocal
from ory_guard.cache.session_cache import CacheEntry, SessionCache
from ory_guard.cache.shared_cache import SharedSessionCache
from ory_guard.cache.single_flight import CHECK_ABORTED, CheckResult, InFlight, SingleFlight
from ory_guard.events import BreakerChanged, CheckFailed, CheckShared, Listeners, WhoamiAnswered, notify
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


# A check ends at its deadline, or a little later where the loop is busy.
_GRACE: Final = 0.5


class SessionChecker:
    """Asks Kratos, shares the answer among those who wait, and keeps it for the next.

    Args:
        parser: Parses the responses.
        cache: The cache of this process.
        timeout: Seconds for one check.
        clock: The clocks.
        listeners: The listeners of the guard.
        upstream: Where to ask.
        second: What other processes found out, or None where nothing is shared.
        tokens: What checks JWTs, or None where they go to Kratos like any other credential.

    Attributes:
        shared_cache: The cache that processes share, or None.
        asked: How often Kratos was asked.
        shared: How many requests waited for a check that another one started.
        breaker: Whether asking makes sense.
    """

    def __init__(
        self,
        upstream: WhoamiClient,
        *,
        parser: SessionParser,
        cache: SessionCache,
        timeout: float,
        clock: Clock,
        listeners: Listeners,
        second: SharedSessionCache | None = None,
        tokens: JWTAuthenticator | None = None,
    ) -> None:
        self._upstream = upstream
        self._parser = parser
        self._cache = cache
        self._revocations = cache.revocations
        self.shared_cache: SharedSessionCache | None = second
        self._tokens = tokens
        self._clock = clock
        self._listeners = listeners
        self._flights: LoopLocal[SingleFlight] = LoopLocal(SingleFlight, SingleFlight.aclose)
        self.breaker: CircuitBreaker = CircuitBreaker(clock.monotonic, timeout + _GRACE, self._tell_breaker)
        self.asked: int = 0
        self.shared: int = 0

    async def ask(
        self, key: bytes, credential: Credential, *, no_cache: bool = False, alone: bool = False
    ) -> CheckResult:
        """Return Kratos' answer, from a check that is under way where there is one.

        Args:
            key: The credential's cache key.
            credential: The credential.
            no_cache: Ask caches between here and Kratos for a fresh answer.
            alone: Take no answer to an earlier question.
        """
        for _ in range(2):
            fact = await self._ask_once(key, credential, no_cache=no_cache, alone=alone)
            if not self._is_revoked(fact):
                return fact
        return CheckResult(CHECK_ABORTED, self._clock.monotonic())

    async def _ask_once(self, key: bytes, credential: Credential, *, no_cache: bool, alone: bool) -> CheckResult:
        flights = self._flights.current() or await self._flights.get()
        slot = key + b"no-cache" if no_cache else key
        flight = None if alone else flights.joinable(slot)
        if flight is None:
            check = self._check
            if no_cache or (self.shared_cache is None and not self.is_token(credential)):
                if (held := self._held(key)) is not None:
                    return held
                check = self._ask_kratos
            flight = InFlight(slot, self._clock.monotonic())
            flights.start(flight, lambda: check(key, credential, no_cache=no_cache), joinable=not alone)
        else:
            self.shared += 1
            if self._listeners:
                notify(self._listeners, CheckShared(key.hex()[:8]))
        return await flight.wait()

    def is_token(self, credential: Credential) -> bool:
        """Return whether the credential is a JWT that is verified here."""
        return self._tokens is not None and self._tokens.takes(credential)

    async def _check(self, key: bytes, credential: Credential, *, no_cache: bool) -> CheckResult:
        if self._tokens is not None and self._tokens.takes(credential):
            return await self._tokens.check(key, credential)
        entry = await self.shared_cache.get(key, credential) if self.shared_cache is not None else None
        if entry is not None:
            return CheckResult(entry.outcome, entry.request_time)
        return self._held(key) or await self._ask_kratos(key, credential, no_cache=no_cache)

    async def _ask_kratos(self, key: bytes, credential: Credential, *, no_cache: bool) -> CheckResult:
        generation = self._cache.generation
        request_time, sent_at = self._revocations.next_request_time(), self._clock.time()
        reading, status = await self._read(credential, sent_at, no_cache=no_cache)
        fact = CheckResult(reading.outcome, request_time, reading.set_cookies)
        self._report(key, reading.outcome)
        self._tell(key, fact, status)
        if isinstance(reading.outcome, Unavailable) or self.is_token(credential):
            # What Kratos thinks of a token says nothing about what the token itself proves.
            return fact
        entry = None
        if reading.ttl > 0:
            entry = CacheEntry(reading.outcome, request_time, request_time + reading.ttl, sent_at + reading.ttl)
            self._cache.put(key, entry, generation)
        else:
            self._cache.delete(key)
        if self.shared_cache is not None:
            if entry is not None and isinstance(reading.outcome, Authenticated):
                if self._cache.get(key) is entry:
                    await self.shared_cache.put(credential, reading.outcome.session, reading.body, entry)
            elif no_cache:
                # The store was not asked, so it may hold what is no longer true.
                await self.shared_cache.delete(credential)
        return fact

    async def _read(
        self, credential: Credential, now: float, *, no_cache: bool
    ) -> tuple[ParsedSession, int | None]:
        self.asked += 1
        try:
            answer = await self._upstream.get(credential, no_cache=no_cache)
        except TimeoutError:
            return _unavailable("timeout", "no answer in time"), None
        except PoolTimeout:
            return _unavailable("overloaded", "no free slot in time"), None
        except ResponseTooLarge:
            return _unavailable("protocol", "an answer larger than is read"), None
        except Exception as error:  # noqa: BLE001 - by place, not by class: whatever fails here, Kratos was not asked
            return _unavailable("unreachable", type(error).__name__), None
        return self._parser.parse(answer, credential, now), answer.status

    def _held(self, key: bytes) -> CheckResult | None:
        seconds = self.breaker.retry_after(key)
        if seconds is None:
            return None
        fact = CheckResult(Unavailable("breaker", seconds), self._clock.monotonic())
        self._tell(key, fact)
        return fact

    def _report(self, key: bytes, outcome: Outcome) -> None:
        match outcome:
            case Unavailable(reason="timeout" | "unreachable"):
                self.breaker.record_failure(key)
            case Unavailable(reason="rate_limited", retry_after=seconds):
                self.breaker.open_for(seconds)
            case Unavailable(reason="overloaded"):
                pass  # this says something about us, nothing about Kratos
            case _:
                # Nonsense too: asking again costs little where somebody answers, and it may be about one identity.
                self.breaker.record_success(key)

    def _is_revoked(self, fact: CheckResult) -> bool:
        outcome = fact.outcome
        return isinstance(outcome, Authenticated) and self._revocations.is_revoked(
            outcome.session, fact.request_time
        )

    def _tell(self, key: bytes, fact: CheckResult, status: int | None = None) -> None:
        if self._listeners:
            seconds = self._clock.monotonic() - fact.request_time
            name = key.hex()[:8]
            if isinstance(fact.outcome, Unavailable):
                notify(self._listeners, CheckFailed(name, fact.outcome.reason, seconds, status))
            else:
                notify(self._listeners, WhoamiAnswered(name, type(fact.outcome).__name__, seconds, status))

    def _tell_breaker(self, state: BreakerState) -> None:
        _log.log(logging.INFO if state == "closed" else logging.WARNING, "breaker.%s", state)
        if self._listeners:
            notify(self._listeners, BreakerChanged(state))

    def detach_all(self) -> None:
        """Let no later request join a check that is under way in this loop."""
        flights = self._flights.current()
        if flights is not None:
            flights.detach_all()

    async def aclose(self) -> None:
        """End this loop's checks and connections; whoever waits gets `Unavailable`."""
        await self._flights.aclose()
        await self._upstream.aclose()
        if self.shared_cache is not None:
            await self.shared_cache.aclose()
        if self._tokens is not None:
            await self._tokens.aclose()


def _unavailable(reason: UnavailableReason, what: str) -> ParsedSession:
    _log.warning("whoami.failed reason=%s: %s", reason, what)
    return ParsedSession(Unavailable(reason))
