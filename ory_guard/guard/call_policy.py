"""The policy of calls to Kratos: which are sent now, and in which order. No client can stop the calls of others."""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Final

from ory_guard.cache.known_credentials import KnownCredentials
from ory_guard.kratos.caller import Caller, client_of
from ory_guard.kratos.circuit_breaker import BreakerState, CircuitBreaker
from ory_guard.kratos.rate_limits import RateLimits
from ory_guard.models.clock import Clock
from ory_guard.models.credential import Credential
from ory_guard.models.outcomes import Authenticated, Outcome, Rejected, Unavailable

__all__ = ["CallPolicy", "Caller"]

_new: Final = tuple.__new__  # half the time of the constructor of a named tuple
_RETURNING: Final = "returning"
_MAX_SHED: Final = 4_096
_LENGTH_BITS: Final = 3
_EVIDENCE_SECONDS: Final = 2.0
_EVIDENCE_ANSWERS: Final = 5
"""After five responses to known credentials in two seconds, failures of unknown ones are not an outage."""

_MIN_CLIENTS: Final = 3
"""Failures of fewer clients stop only their own calls."""


class CallPolicy:
    """Decides whether Kratos may be called for a credential, from the results of earlier calls.

    Known and unknown credentials have a circuit breaker each: invented credentials can make Kratos, or a firewall
    in front of it, fail. Their failures do not count while Kratos responds to known credentials. While fewer than
    three clients fail, they stop only the calls of these. While calls for known credentials fail, the others are
    not sent, either.

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
        self._monotonic = clock.monotonic
        self._known_answers: deque[float] = deque(maxlen=_EVIDENCE_ANSWERS)
        self._failing_clients: set[Hashable] = set()
        self._on_breaker_change = on_breaker_change
        self._known_breaker = CircuitBreaker(clock.monotonic, max_seconds, self._on_state)
        self._unknown_breaker = CircuitBreaker(clock.monotonic, max_seconds, self._on_state)
        self._shed: dict[bytes, None] = {}
        self.shed: list[int] = [0, 0]
        self.breaker_state: BreakerState = "closed"

    def caller(
        self, key: bytes, credential: Credential, group: bytes | None = None, client: object = None
    ) -> Caller:
        """Return the caller for a credential.

        Args:
            key: The cache key of the credential.
            credential: The credential.
            group: The same value for all credentials of one request, if it has several: they count as one.
            client: The `client` of the scope, a host and a port, or None.
        """
        identity = self.known.identity(key)
        if identity is not None:
            return _new(Caller, (identity, identity, key, group or key, identity))
        host = client_of(client)
        kind, _, value = credential
        flow = (host, _RETURNING) if key in self._shed else (host, kind, len(value) >> _LENGTH_BITS)
        return _new(Caller, (None, flow, key, group or key, host))

    def refusal(self, caller: Caller) -> Unavailable | None:
        """Return the outcome if Kratos must not be called now, else None."""
        identity = caller.identity
        seconds = self.limits.retry_after(caller.key, identity, caller.group)
        if seconds is not None:
            return Unavailable("rate_limited", seconds)
        if identity is None:
            seconds = None if self._is_spared(caller) else self._unknown_breaker.retry_after(caller.group)
        else:
            seconds = self._known_breaker.retry_after(identity)
        return None if seconds is None else Unavailable("breaker", seconds)

    def record(self, caller: Caller, outcome: Outcome) -> None:
        """Record the result of a call."""
        if not isinstance(outcome, Unavailable):
            self._record_answer(caller)
            self.limits.record_answer(caller.key, caller.identity, caller.group)
            if isinstance(outcome, Authenticated):
                self.known.add(caller.key, outcome.session)
            elif isinstance(outcome, Rejected):
                self.known.discard(caller.key)
            return
        match outcome.reason:
            case "overloaded":  # this process has too few slots, which says nothing about Kratos
                self._record_shed(caller)
            case "timeout" | "unreachable":
                self._record_failure(caller)
            case "rate_limited":
                self._record_answer(caller)
                self.limits.record_limited(caller.key, caller.identity, caller.group, outcome.retry_after)
            case _:
                # A protocol error came fast, and it may concern a single identity.
                self._record_answer(caller)
                self.limits.record_answer(caller.key, caller.identity, caller.group)

    def _record_answer(self, caller: Caller) -> None:
        identity, _, key, group, _ = caller
        if self._unknown_breaker.has_failures:
            self._unknown_breaker.record_success(group)
        if self._known_breaker.has_failures:
            self._known_breaker.record_success(group if identity is None else identity)
        if self._shed:
            self._shed.pop(key, None)
        if identity is not None:
            self._known_answers.append(self._monotonic())
            if self._unknown_breaker.state != "closed":
                self._unknown_breaker.close()
        if self._failing_clients and self._unknown_breaker.state == "closed":
            self._failing_clients.clear()

    def _record_shed(self, caller: Caller) -> None:
        self.shed[caller.identity is not None] += 1
        self._shed[caller.key] = None
        if len(self._shed) > _MAX_SHED:
            del self._shed[next(iter(self._shed))]

    def _record_failure(self, caller: Caller) -> None:
        identity = caller.identity
        if identity is not None:
            self._known_answers.clear()
            self._known_breaker.record_failure(identity, caller.group)
        answers = self._known_answers
        is_up = len(answers) == _EVIDENCE_ANSWERS and self._monotonic() - answers[0] < _EVIDENCE_SECONDS
        if not is_up:
            self._unknown_breaker.record_failure(caller.group, caller.group)
            if len(self._failing_clients) < _MIN_CLIENTS:
                self._failing_clients.add(caller.client)

    def _is_spared(self, caller: Caller) -> bool:
        """Return whether a call is allowed although the breaker is open, because only other clients have failed."""
        return (
            caller.client not in self._failing_clients
            and len(self._failing_clients) < _MIN_CLIENTS
            and self._known_breaker.state == "closed"
        )

    def _on_state(self, _state: BreakerState) -> None:
        states = {self._known_breaker.state, self._unknown_breaker.state}
        state: BreakerState = "open" if "open" in states else "half_open" if "half_open" in states else "closed"
        if state != self.breaker_state:
            self.breaker_state = state
            self._on_breaker_change(state)
