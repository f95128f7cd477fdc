"""The policy of calls to Kratos: who may call now, and who comes first. No client can close the door for others."""

from collections.abc import Callable, Hashable
from typing import Final, NamedTuple

from cachetools import LRUCache

from ory_guard.cache.known_credentials import KnownCredentials
from ory_guard.kratos.admission import CallClass
from ory_guard.kratos.circuit_breaker import BreakerState, CircuitBreaker
from ory_guard.kratos.rate_limits import RateLimits
from ory_guard.models.clock import Clock
from ory_guard.models.credential import Credential
from ory_guard.models.outcomes import Authenticated, Outcome, Rejected, Unavailable

__all__ = ["CallPolicy", "Caller"]

_RETURNING: Final = "returning"
_MAX_SHED: Final = 4_096
_LENGTH_BITS: Final = 3


class Caller(NamedTuple):
    """The credential of a call, as the policy sees it.

    Attributes:
        key: The cache key of the credential.
        subject: The identity if it is known, otherwise the credential, for the circuit breaker.
        group: The same for all credentials of a request that has several.
        call_class: The class of the call.
    """

    key: bytes
    subject: Hashable
    group: Hashable
    call_class: CallClass


class CallPolicy:
    """Decides whether Kratos may be called for a credential, from the results of earlier calls.

    Known and unknown credentials have a circuit breaker each: invented credentials can make Kratos, or a firewall
    in front of it, fail. While calls for known credentials fail, the others are not sent, either.

    Args:
        max_known: The maximum number of known credentials.
        max_seconds: The maximum duration of a call.
        clock: The clocks.
        on_breaker_change: Called with the new state after each change of `breaker_state`.

    Attributes:
        known: The credentials that were good within the last hour.
        limits: The rate limits of Kratos.
        shed: The number of calls without a slot, for unknown and for known credentials.
        breaker_state: The state of both circuit breakers: `closed` if both are.
    """

    def __init__(
        self,
        max_known: int,
        *,
        max_seconds: float,
        clock: Clock,
        on_breaker_change: Callable[[BreakerState], None],
    ) -> None:
        self.known: KnownCredentials = KnownCredentials(max_known, clock.monotonic)
        self.limits: RateLimits = RateLimits(clock.monotonic)
        self._on_breaker_change = on_breaker_change
        self._known_breaker = CircuitBreaker(clock.monotonic, max_seconds, self._on_state)
        self._unknown_breaker = CircuitBreaker(clock.monotonic, max_seconds, self._on_state)
        self._shed: LRUCache[bytes, None] = LRUCache(_MAX_SHED)
        self.shed: list[int] = [0, 0]
        self.breaker_state: BreakerState = "closed"

    def caller(self, key: bytes, credential: Credential, group: bytes | None = None) -> Caller:
        """Return the caller for a credential.

        Args:
            key: The cache key of the credential.
            credential: The credential.
            group: The same value for all credentials of one request, if it has several: they count as one.
        """
        identity = self.known.identity(key)
        if identity is not None:
            return Caller(key, identity, group or identity, CallClass(identity))
        flow = _RETURNING if key in self._shed else (credential.kind, len(credential.value) >> _LENGTH_BITS)
        return Caller(key, group or key, group or key, CallClass(None, flow))

    def refusal(self, caller: Caller) -> Unavailable | None:
        """Return the outcome if Kratos must not be called now, else None."""
        identity = caller.call_class.identity
        seconds = self.limits.retry_after(caller.key, identity)
        if seconds is not None:
            return Unavailable("rate_limited", seconds)
        if identity is None:
            seconds = self._unknown_breaker.retry_after(caller.group)
        else:
            seconds = self._known_breaker.retry_after(identity)
        return None if seconds is None else Unavailable("breaker", seconds)

    def record(self, caller: Caller, outcome: Outcome) -> None:
        """Record the result of a call."""
        key, identity = caller.key, caller.call_class.identity
        match outcome:
            case Unavailable(reason="overloaded"):
                self._shed[key] = None  # this process has too few slots, which says nothing about Kratos
                self.shed[identity is not None] += 1
                return
            case Unavailable(reason="timeout" | "unreachable"):
                self._unknown_breaker.record_failure(caller.group)
                if identity is not None:
                    self._known_breaker.record_failure(identity)
                return
            case Unavailable(reason="rate_limited", retry_after=seconds):
                self.limits.record_limited(key, identity, caller.group, seconds)
            case _:
                self.limits.record_answer(key, identity, caller.group)
        # A protocol error is a success of the breaker, too: it may concern a single identity.
        self._shed.pop(key, None)
        self._unknown_breaker.record_success(caller.group)
        self._known_breaker.record_success(caller.subject)
        if identity is not None:
            self._unknown_breaker.close()
        if isinstance(outcome, Authenticated):
            self.known.add(key, outcome.session)
        elif isinstance(outcome, Rejected):
            self.known.discard(key)

    def _on_state(self, _state: BreakerState) -> None:
        states = {self._known_breaker.state, self._unknown_breaker.state}
        state: BreakerState = "open" if "open" in states else "half_open" if "half_open" in states else "closed"
        if state != self.breaker_state:
            self.breaker_state = state
            self._on_breaker_change(state)
