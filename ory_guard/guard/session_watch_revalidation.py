"""Revalidation of the sessions of open connections: one call to Kratos serves all connections of a credential."""

from collections.abc import MutableMapping
from math import inf
from typing import Any, Final
from weakref import WeakValueDictionary

from ory_guard.exceptions import Refusal, SessionCheckUnavailable
from ory_guard.guard.authentication import Authenticator
from ory_guard.guard.context import AuthContext
from ory_guard.guard.enforcement import Enforcer, is_from_jwt
from ory_guard.guard.requirements import ANY_SESSION
from ory_guard.guard.settings import GuardSettings
from ory_guard.models.clock import Clock
from ory_guard.models.outcomes import Authenticated, Outcome, Unavailable

__all__ = ["SessionRevalidator", "SharedState", "SharedStates"]

_RETRY_INTERVAL: Final = 1.0


class SharedState:
    """The newest outcome of a credential, and the last failure to get one; shared by its open connections.

    Attributes:
        outcome: The outcome.
        request_time: When the request was sent to Kratos, on the monotonic clock.
    """

    def __init__(self) -> None:
        self.outcome: Outcome | None = None
        self.request_time: float = -inf
        self._failure: Unavailable | None = None
        self._retry_at = -inf

    def update(self, outcome: Outcome | None, request_time: float) -> None:
        """Store an outcome if it is newer; ignore None and `Unavailable`."""
        if outcome is not None and not isinstance(outcome, Unavailable) and request_time > self.request_time:
            self.outcome, self.request_time = outcome, request_time

    def record_failure(self, failure: Unavailable, now: float) -> None:
        """Record that the session could not be checked. The next attempt is due after a second."""
        self._failure, self._retry_at = failure, now + _RETRY_INTERVAL

    def recent_failure(self, now: float) -> Unavailable | None:
        """Return the failure of the last second, or None if another attempt is due."""
        return self._failure if now < self._retry_at else None

    def seconds_until_retry(self, now: float) -> float:
        """Return the seconds until the next attempt is due."""
        return max(self._retry_at - now, 0.0)


class SharedStates:
    """The shared states of all credentials with open connections; a state goes with its last connection."""

    def __init__(self) -> None:
        self._states: WeakValueDictionary[bytes, SharedState] = WeakValueDictionary()

    def for_key(self, key: bytes) -> SharedState:
        """Return the state of a credential, by its cache key."""
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = SharedState()
        return state


class SessionRevalidator:
    """Revalidates the session of one open connection.

    Args:
        scope: The scope of the connection.
        interval: Seconds between two calls to Kratos.
        enforcer: The enforcer of the guard.
        authenticator: The authenticator of the guard.
        settings: The settings of the guard.
        states: The shared states of the guard.
        clock: The clocks.
    """

    def __init__(
        self,
        scope: MutableMapping[str, Any],
        interval: float,
        *,
        enforcer: Enforcer,
        authenticator: Authenticator,
        settings: GuardSettings,
        states: SharedStates,
        clock: Clock,
    ) -> None:
        self._scope = scope
        self._interval = interval
        self._enforcer = enforcer
        self._authenticator = authenticator
        self._settings = settings
        self._states = states
        self._state: SharedState | None = None  # the only strong reference
        self._clock = clock
        self._monotonic = clock.monotonic

    async def revalidate(self) -> float | Refusal:
        """Revalidate the session if it is due, and evaluate the requirements that the connection has met.

        Returns:
            Seconds until the next call, or the reason to end the connection.
        """
        context = await self._enforcer.ensure_authenticated(self._scope)
        wait = self._interval
        if context.key is not None:
            state = self._adopt_newer(context, context.key)
            age = self._monotonic() - context.request_time
            is_expired = self._seconds_to_expiry(context) <= 0
            if age >= self._interval or is_expired or self._enforcer.is_revoked(context):
                failure = await self._revalidate_shared(context, state)
                if failure is not None:
                    is_too_old = age >= self._interval + self._settings.cache_ttl
                    if is_too_old or is_expired or self._enforcer.is_revoked(context):
                        return SessionCheckUnavailable(retry_after=failure.retry_after)
                    return state.seconds_until_retry(self._monotonic())
            wait = self._seconds_until_due(context)
        for requirement in context.requirements or (ANY_SESSION,):
            decision = await self._enforcer.decision_for(self._scope, context, requirement)
            if isinstance(decision, Refusal):
                return decision
        return wait

    def _adopt_newer(self, context: AuthContext, key: bytes) -> SharedState:
        """Adopt an outcome that another connection or request with the same credential got in the meantime."""
        if self._state is None:
            self._state = self._states.for_key(key)
        state = self._state
        entry = self._authenticator.cache.get(key)
        if entry is not None:
            state.update(entry.outcome, entry.request_time)
        if state.outcome is not None and state.request_time > context.request_time:
            context.request_time = context.resolved_at = state.request_time
            context.auth = None
            self._enforcer.adopt(self._scope, context, state.outcome)
        else:
            state.update(context.outcome, context.request_time)
        return state

    async def _revalidate_shared(self, context: AuthContext, state: SharedState) -> Unavailable | None:
        """Call Kratos once for all connections of the credential; return the failure, if any."""
        failure = state.recent_failure(self._monotonic())
        if failure is not None:
            return failure
        times = context.request_time, context.resolved_at
        outcome = await self._authenticator.from_kratos(context, bypass_caches=not is_from_jwt(context))
        if context.response_started or context.websocket_accepted:
            context.set_cookies = ()  # the headers are sent already
        if isinstance(outcome, Unavailable):
            context.request_time, context.resolved_at = times
            state.record_failure(outcome, self._monotonic())
            return outcome
        self._enforcer.adopt(self._scope, context, outcome)
        state.update(outcome, context.request_time)
        return None

    def _seconds_until_due(self, context: AuthContext) -> float:
        seconds_left = self._seconds_to_expiry(context)
        if seconds_left <= 0:  # a token verifier may allow for more clock skew than the guard
            seconds_left = _RETRY_INTERVAL
        return max(min(self._interval - (self._monotonic() - context.request_time), seconds_left), 0.0)

    def _seconds_to_expiry(self, context: AuthContext) -> float:
        if not isinstance(context.outcome, Authenticated):
            return inf
        expires_at = context.outcome.session.expires_at.timestamp()
        return expires_at + self._settings.clock_skew - self._clock.time()
