"""Requirements: asked of an outcome on every request, and of an open connection as long as it lasts."""

import inspect
from collections.abc import Callable, Coroutine, Mapping, MutableMapping
from math import inf
from typing import Any, Final

from ory_guard.events import Listeners, Refused, notify
from ory_guard.exceptions import (
    EnrollmentRequired,
    Failure,
    ReauthenticationRequired,
    Refusal,
    SessionCheckUnavailable,
    StepUpRequired,
)
from ory_guard.guard.authentication import ANONYMOUS, Authenticator
from ory_guard.guard.context import OUTER, AuthContext, get_auth_context, publish
from ory_guard.guard.csrf import Gate
from ory_guard.guard.requirements import ANY_SESSION, Requirement, unmet
from ory_guard.guard.responses.refusals import register_refusal_handler
from ory_guard.guard.settings import GuardSettings
from ory_guard.guard.watch import Look, Looks
from ory_guard.models.clock import Clock
from ory_guard.models.outcomes import Authenticated, Outcome, Rejected, Unavailable
from ory_guard.models.session import Session

__all__ = ["Enforce", "EnforceOptional", "Enforcer"]

Enforce = Callable[[MutableMapping[str, Any], Requirement], Coroutine[Any, Any, Session[Any]]]
EnforceOptional = Callable[[MutableMapping[str, Any]], Coroutine[Any, Any, Session[Any] | None]]

_ASK_AGAIN_AFTER: Final = 1.0
_CURED_BY_A_SIGN_IN: Final = (StepUpRequired, EnrollmentRequired, ReauthenticationRequired)


class Enforcer:
    """Holds requirements against outcomes for one guard.

    Args:
        guard: The guard that the checks belong to.
        settings: Its settings.
        gate: What decides.
        lookup: What finds out who is there.
        clock: Where the time comes from.
        listeners: Who is told.
    """

    def __init__(
        self,
        *,
        guard: object,
        settings: GuardSettings,
        gate: Gate,
        lookup: Authenticator,
        clock: Clock,
        listeners: Listeners,
    ) -> None:
        self._guard = guard
        self._settings = settings
        self._gate = gate
        self._is_cross_site = gate.is_cross_site
        self._lookup = lookup
        self._clock = clock
        self._monotonic = clock.monotonic
        self._cache = lookup.cache
        self._longest_wait = settings.timeout + _ASK_AGAIN_AFTER
        self._listeners = listeners
        self._looks = Looks()

    async def enforce(self, scope: MutableMapping[str, Any], requirement: Requirement) -> Session[Any]:
        """Return the session that meets the requirement.

        Before a refusal for assurance or age, what was kept for over a second is asked for once more: the user
        may just have come back from Kratos. What a token's claims don't prove is asked, too.

        Raises:
            Refusal: There is none, or it does not.
        """
        check = get_auth_context(scope)
        if check is None or check.guard is not self._guard or check.is_exempt:
            check = await self.checked(scope)
        if self._is_outdated(check):
            await self._renew(scope, check, requirement)
        check.is_private = True
        outcome = check.outcome
        if (
            requirement is ANY_SESSION
            and type(outcome) is Authenticated
            and (outcome.credential != "cookie" or not self._is_cross_site(scope))
        ):
            check.granted = True
            return outcome.session
        if requirement.revalidate and check.key is not None:
            self._adopt(scope, check, await self._lookup.ask(check, again=True, alone=True), requirement)
        verdict = await self._decide(scope, check, requirement)
        if isinstance(verdict, Refusal) and _is_token(check):
            verdict = await self._ask_beyond_claims(scope, check, requirement, verdict)
        elif isinstance(verdict, _CURED_BY_A_SIGN_IN) and self._is_worth_asking_again(check):
            publish(scope, check, await self._lookup.ask(check, again=True))
            verdict = await self._decide(scope, check, requirement)
        if isinstance(verdict, Refusal):
            raise self.refused(scope, check, verdict)
        check.granted = True
        if requirement not in check.requirements:  # a socket's handler may ask for each message
            check.requirements += (requirement,)
        return verdict

    def _is_outdated(self, check: AuthContext) -> bool:
        # A body may take its time before the gate is reached, and what was found may not be true any more. Nothing
        # is known where another task of this request is asking, or was cancelled as it did.
        if check.outcome is None or self._monotonic() - check.resolved_at > self._longest_wait:
            return True
        return check.request_time <= self._cache.last_invalidation and self._is_revoked(check)

    async def _renew(
        self, scope: MutableMapping[str, Any], check: AuthContext, requirement: Requirement = ANY_SESSION
    ) -> None:
        self._lookup.look(scope, check, gated=True)
        self._adopt(scope, check, check.outcome or await self._lookup.ask(check), requirement)

    def _adopt(
        self,
        scope: MutableMapping[str, Any],
        check: AuthContext,
        newer: Outcome,
        requirement: Requirement | None = None,
    ) -> None:
        """Take over a newer outcome, and publish it unless the published session can stay.

        It stays, as the same object, when the newer outcome is about the same session, and both are equal or meet
        the requirement. Decisions are made on the newer outcome in any case.
        """
        published = (scope.get("state") or {}).get("ory_session")
        if isinstance(newer, Authenticated) and isinstance(published, Session):
            same = (published.id, published.identity.id) == (newer.session.id, newer.session.identity.id)
            if same and published == newer.session:
                check.outcome = newer._replace(session=published)
                return
            if same and requirement is not None and self._meet(requirement, published, newer.session):
                check.outcome = newer
                return
        publish(scope, check, newer)

    def _meet(self, requirement: Requirement, *sessions: Session[Any]) -> bool:
        now, skew = self._clock.time(), self._settings.clock_skew
        return not any(unmet(requirement, session, now, skew) for session in sessions)

    async def _ask_beyond_claims(
        self, scope: MutableMapping[str, Any], check: AuthContext, requirement: Requirement, refusal: Refusal
    ) -> Session[Any] | Refusal:
        outcome = await self._lookup.ask(check, again=True)
        if isinstance(outcome, Rejected):
            # A Kratos that does not take tokens as credentials says nothing about what this one proves.
            return refusal
        publish(scope, check, outcome)
        return await self._decide(scope, check, requirement)

    async def enforce_optional(self, scope: MutableMapping[str, Any]) -> Session[Any] | None:
        """Return the session, or None for every other outcome, a cross-site request with a cookie included."""
        check = await self.checked(scope)
        if self._is_outdated(check):
            await self._renew(scope, check)
        outcome = check.outcome
        if isinstance(outcome, Authenticated) and self._gate.passes(outcome, scope):
            check.granted = True
            return outcome.session
        return None

    def refused(self, scope: Mapping[str, Any], check: AuthContext, refusal: Refusal) -> Refusal:
        """Report a refusal, and return it to be raised."""
        seen = scope.get(OUTER, check)
        if self._listeners:
            notify(self._listeners, Refused(refusal.code))
        if seen is not None:
            seen.denied, seen.refusal = True, refusal
            register_refusal_handler(scope)
        return refusal

    async def checked(self, scope: MutableMapping[str, Any]) -> AuthContext:
        """Return the request's check, with its outcome; made and published now where no middleware did.

        Whoever asks for it may say in the answer what it found, so that is the caller's alone.
        """
        check = get_auth_context(scope)
        if check is None or check.guard is not self._guard:
            check = AuthContext(self._guard, scope)
        check.is_private = True
        if check.is_exempt or check.outcome is None:
            await self._renew(scope, check)
        return check

    async def outcome_of(self, scope: MutableMapping[str, Any]) -> Outcome:
        """Return the outcome for a request as it is now: a middleware may have changed its method."""
        outcome = (await self.checked(scope)).outcome or ANONYMOUS
        if isinstance(outcome, Authenticated) and not self._gate.passes(outcome, scope):
            return Rejected("origin", "cookie")
        return outcome

    async def _decide(
        self, scope: Mapping[str, Any], check: AuthContext, requirement: Requirement
    ) -> Session[Any] | Refusal:
        outcome = check.outcome
        assert outcome is not None  # noqa: S101 - checked() asked
        failures: list[Failure] = []
        if requirement.when is not None and isinstance(outcome, Authenticated):
            passes = requirement.when(outcome.session)
            if inspect.isawaitable(passes):
                passes = await passes
            if not passes:
                failures.append(Failure(id="when", expected=True, actual=False))
        return self._gate.decide(requirement, outcome, scope, self._clock.time(), failures)

    def _is_worth_asking_again(self, check: AuthContext) -> bool:
        old = self._monotonic() - check.request_time > _ASK_AGAIN_AFTER
        return old and check.key is not None and not check.from_upstream

    async def recheck(self, scope: MutableMapping[str, Any], every: float) -> float | Refusal:
        """Look again at the session of an open connection.

        Returns:
            Seconds until the next look, or why the connection must end.
        """
        check = await self.checked(scope)
        wait = every
        if check.key is not None:
            look = self._catch_up(scope, check, check.key)
            age = self._monotonic() - check.request_time
            over = self._left(check) <= 0
            if age >= every or over or self._is_revoked(check):
                failure = await self._look_again(scope, check, look)
                if failure is not None:
                    if age >= every + self._settings.cache_ttl or over or self._is_revoked(check):
                        return SessionCheckUnavailable(retry_after=failure.retry_after)
                    return look.until_retry(self._monotonic())
            age = self._monotonic() - check.request_time
            left = self._left(check)  # nothing, for a while, where what verifies tokens allows for more clock skew
            wait = max(min(every - age, left if left > 0 else _ASK_AGAIN_AFTER), 0.0)
        for requirement in check.requirements or (ANY_SESSION,):
            verdict = await self._decide(scope, check, requirement)
            if isinstance(verdict, Refusal):
                return verdict
        return wait

    def _catch_up(self, scope: MutableMapping[str, Any], check: AuthContext, key: bytes) -> Look:
        # Another connection, or a request, with the same credential may have asked meanwhile.
        look = check.look = check.look or self._looks.of(key)
        entry = self._cache.get(key)
        if entry is not None:
            look.learn(entry.outcome, entry.view, entry.asked_at)
        if look.outcome is not None and look.asked_at > check.request_time:
            check.request_time = check.resolved_at = look.asked_at
            check.view = look.view
            self._adopt(scope, check, look.outcome)
        else:
            look.learn(check.outcome, check.view, check.request_time)
        return look

    async def _look_again(
        self, scope: MutableMapping[str, Any], check: AuthContext, look: Look
    ) -> Unavailable | None:
        """Ask once for all connections of the credential; return why that failed, if it did."""
        failure = look.failure(self._monotonic())
        if failure is not None:
            return failure
        times = check.request_time, check.resolved_at
        outcome = await self._lookup.ask(check, again=not _is_token(check))
        if check.response_started or check.websocket_accepted:
            check.set_cookies = ()  # it is too late for them, and they would add up
        if isinstance(outcome, Unavailable):
            check.request_time, check.resolved_at = times
            look.fail(outcome, self._monotonic())
            return outcome
        self._adopt(scope, check, outcome)
        look.learn(outcome, check.view, check.request_time)
        return None

    def _left(self, check: AuthContext) -> float:
        if not isinstance(check.outcome, Authenticated):
            return inf
        return check.outcome.session.expires_at.timestamp() + self._settings.clock_skew - self._clock.time()

    def _is_revoked(self, check: AuthContext) -> bool:
        outcome = check.outcome
        return isinstance(outcome, Authenticated) and self._cache.is_revoked(outcome.session, check.request_time)


def _is_token(check: AuthContext) -> bool:
    return isinstance(check.outcome, Authenticated) and check.outcome.source == "token"
