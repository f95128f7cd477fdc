"""Enforcement of requirements: a session or a refusal for each request, with at most one revalidation."""

from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ory_guard.events import Listeners
from ory_guard.exceptions import (
    EnrollmentRequired,
    Failure,
    ReauthenticationRequired,
    Refusal,
    StepUpRequired,
)
from ory_guard.guard.authentication import ANONYMOUS, Authenticator
from ory_guard.guard.context import AuthContext, get_auth_context
from ory_guard.guard.csrf import SAFE_METHODS, CSRFPolicy
from ory_guard.guard.refusal_fallback import record_refusal
from ory_guard.guard.refusal_reporter import RefusalReporter
from ory_guard.guard.requirements import ANY_SESSION, Requirement, decide, evaluate, is_condition_met
from ory_guard.guard.revalidation_budget import RevalidationBudget
from ory_guard.guard.settings import GuardSettings
from ory_guard.models.clock import Clock
from ory_guard.models.outcomes import Authenticated, Outcome, Rejected
from ory_guard.models.session import Session

if TYPE_CHECKING:
    from ory_guard.guard.guard import OryGuard

__all__ = ["Enforcer", "is_from_jwt"]

_MAX_HANDLING_TIME: Final = 1.0
"""Seconds after the longest check for which a request may use its outcome."""

_RESOLVABLE_BY_LOGIN: Final = (StepUpRequired, EnrollmentRequired, ReauthenticationRequired)


class Enforcer:
    """Enforces requirements for one guard.

    Args:
        guard: The guard that the auth contexts belong to.
        settings: The settings of the guard.
        csrf: The CSRF policy of the guard.
        authenticator: The authenticator of the guard.
        clock: The clocks.
        listeners: The listeners of the guard.

    Attributes:
        reporter: Reports the refusals.
    """

    def __init__(
        self,
        guard: "OryGuard",
        settings: GuardSettings,
        *,
        csrf: CSRFPolicy,
        authenticator: Authenticator,
        clock: Clock,
        listeners: Listeners,
    ) -> None:
        self._guard = guard
        self._settings = settings
        self._csrf = csrf
        self._is_cross_site = csrf.is_cross_site
        self._authenticator = authenticator
        self._cache = authenticator.cache
        self._revocations = authenticator.cache.revocations
        self._jwt_rejections = authenticator.checker.calls.jwt_rejections
        self._clock = clock
        self._monotonic = clock.monotonic
        self._max_outcome_age = settings.timeout + _MAX_HANDLING_TIME
        self.reporter: RefusalReporter = RefusalReporter(settings, clock, listeners)
        self._budget = RevalidationBudget(clock.monotonic)

    async def require(
        self, scope: MutableMapping[str, Any], context: AuthContext, requirement: Requirement
    ) -> "Session[Any]":
        """Return the session if it meets the requirement.

        Before the guard refuses a cached session for its assurance level or age, it revalidates the session, within
        the `RevalidationBudget`: the user may just have returned from Kratos. A condition that the claims of a JWT
        do not prove is checked with Kratos, too.

        Raises:
            Refusal: If there is no session, or it does not meet the requirement.
        """
        context.refusal = None  # it is awaited
        if context.is_exempt or self._needs_refresh(context):
            await self._refresh(scope, context, requirement)
        context.is_private = True
        outcome = context.outcome
        if requirement is ANY_SESSION and type(outcome) is Authenticated:
            session, kind, _, _ = outcome
            is_safe = kind != "cookie" or (scope["type"] == "http" and scope["method"] in SAFE_METHODS)
            if is_safe or not self._is_cross_site(scope):
                context.granted = True
                return session
        return await self._require_conditions(scope, context, requirement)

    async def require_early(
        self, scope: MutableMapping[str, Any], context: AuthContext, requirement: Requirement
    ) -> None:
        """Enforce a requirement before the request body is read.

        The next call of `require` with this requirement does not evaluate it again if the outcome is the same.

        Raises:
            Refusal: As for `require`.
        """
        await self.require(scope, context, requirement)
        context.met_early += ((requirement, context.outcome),)

    async def _require_conditions(
        self, scope: MutableMapping[str, Any], context: AuthContext, requirement: Requirement
    ) -> "Session[Any]":
        outcome = context.outcome
        if context.met_early and isinstance(outcome, Authenticated) and _take_early(context, requirement):
            context.granted = True
            return outcome.session
        if requirement.revalidate and context.key is not None:
            newer = await self._authenticator.from_kratos(context, bypass_caches=True, join=False)
            self.adopt(scope, context, newer, requirement)
        decision = await self.decision_for(scope, context, requirement)
        if isinstance(decision, Refusal) and is_from_jwt(context):
            decision = await self._confirm_with_kratos(scope, context, requirement, decision)
        elif isinstance(decision, _RESOLVABLE_BY_LOGIN) and self._may_revalidate(context):
            context.republish(scope, await self._authenticator.from_kratos(context, bypass_caches=True))
            context.from_upstream = False  # a websocket may require a session again for its next message
            decision = await self.decision_for(scope, context, requirement)
        if isinstance(decision, Refusal):
            try:
                self.deny(scope, context, decision)
            finally:
                del decision  # its traceback refers to this frame
        context.granted = True
        if requirement not in context.requirements:  # a websocket handler may require a session for each message
            context.requirements += (requirement,)
        return decision

    async def optional(self, scope: MutableMapping[str, Any], context: AuthContext) -> "Session[Any] | None":
        """Return the session, or None for every other outcome and for a cross-site request with a cookie."""
        context.is_private = True
        if context.is_exempt or self._needs_refresh(context):
            await self._refresh(scope, context)
        outcome = context.outcome
        if isinstance(outcome, Authenticated) and self._csrf.allows(outcome, scope):
            context.granted = context.granted or not context.denied
            return outcome.session
        return None

    async def current_outcome(self, scope: MutableMapping[str, Any]) -> Outcome:
        """Return the outcome for a request as it is now: another middleware may have changed its method."""
        outcome = (await self.ensure_authenticated(scope)).outcome
        if isinstance(outcome, Authenticated) and not self._csrf.allows(outcome, scope):
            return Rejected("origin", "cookie")
        return ANONYMOUS if outcome is None else outcome

    def get_context(self, scope: Mapping[str, Any]) -> AuthContext:
        """Return the auth context in a scope of this guard, or a new one."""
        return get_auth_context(scope) or AuthContext().start(self._guard, scope)

    async def ensure_authenticated(self, scope: MutableMapping[str, Any]) -> AuthContext:
        """Return the request's auth context; authenticate the request now if the middleware did not.

        The response may depend on the outcome, so it is marked as private.
        """
        context = self.get_context(scope)
        context.is_private = True
        if context.is_exempt or context.outcome is None:
            await self._refresh(scope, context)
        return context

    async def decision_for(
        self, scope: Mapping[str, Any], context: AuthContext, requirement: Requirement
    ) -> "Session[Any] | Refusal":
        """Return the session if it meets the requirement, else the refusal; do not raise it."""
        outcome = context.outcome
        assert outcome is not None  # noqa: S101 - ensure_authenticated() or _refresh() has set it
        failures: list[Failure] = []
        if isinstance(outcome, Authenticated):
            if not self._csrf.allows(outcome, scope):
                return self._csrf.violation(scope)
            if requirement.when is not None and not await is_condition_met(requirement.when, outcome.session):
                failures.append(Failure(id="when", expected=True, actual=False))
        elif isinstance(outcome, Rejected) and outcome.reason == "origin":
            return self._csrf.violation(scope)
        return decide(requirement, outcome, settings=self._settings, now=self._clock.time(), failures=failures)

    def deny(self, scope: Mapping[str, Any], context: AuthContext, refusal: Refusal) -> NoReturn:
        """Record, report and raise a refusal."""
        self.reporter.report_refusal(refusal, context)
        self.record(scope, context, refusal)
        try:
            raise refusal
        finally:
            del refusal  # the traceback refers to this frame

    def record(self, scope: Mapping[str, Any], context: AuthContext | None, refusal: Refusal) -> None:
        """Record a refusal, so that it becomes the response if the application does not handle it."""
        record_refusal(self._guard, scope, context, refusal)

    def adopt(
        self,
        scope: MutableMapping[str, Any],
        context: AuthContext,
        newer: Outcome,
        requirement: Requirement | None = None,
    ) -> None:
        """Replace the outcome by a newer one, and publish it unless the published session is still right.

        The published session object stays if the newer outcome is about the same session, and if both are equal or
        meet the requirement. Decisions are made on the newer outcome in either case.
        """
        published = (scope.get("state") or {}).get("ory_session")
        if isinstance(newer, Authenticated) and isinstance(published, Session):
            same = (published.id, published.identity.id) == (newer.session.id, newer.session.identity.id)
            if same and published == newer.session:
                context.outcome = newer._replace(session=published)
                return
            if same and requirement is not None and self._meet(requirement, published, newer.session):
                context.outcome = newer
                return
        context.republish(scope, newer)

    def is_revoked(self, context: AuthContext) -> bool:
        """Return whether the session or its credential was revoked after the request for it was sent to Kratos."""
        outcome, request_time = context.outcome, context.request_time
        key = context.deciding_key or context.key
        return isinstance(outcome, Authenticated) and (
            self._revocations.is_revoked(outcome.session, request_time)
            or (key is not None and self._revocations.is_credential_revoked(key, request_time))
        )

    def _needs_refresh(self, context: AuthContext) -> bool:
        # The outcome is None if another task of this request is still waiting for it, or was cancelled. A request
        # body may take long to arrive, so that the outcome may no longer be true.
        if context.outcome is None or self._monotonic() - context.resolved_at > self._max_outcome_age:
            return True
        return context.request_time <= self._revocations.last_invalidation and self.is_revoked(context)

    async def _refresh(
        self, scope: MutableMapping[str, Any], context: AuthContext, requirement: Requirement = ANY_SESSION
    ) -> None:
        outcome = self._authenticator.from_cache(scope, context, enforcing=True)
        if outcome is None:
            outcome = await self._authenticator.from_kratos(context)
        self.adopt(scope, context, outcome, requirement)

    def _meet(self, requirement: Requirement, *sessions: "Session[Any]") -> bool:
        now, skew = self._clock.time(), self._settings.clock_skew
        return not any(evaluate(requirement, session, now, skew) for session in sessions)

    def _may_revalidate(self, context: AuthContext) -> bool:
        key = context.deciding_key or context.key
        if key is None:
            return False
        if context.from_upstream:
            self._budget.charge(key, context.request_time)
            context.from_upstream = False
            return False
        return self._authenticator.checker.is_revalidating(key) or self._budget.take(key)

    async def _confirm_with_kratos(
        self, scope: MutableMapping[str, Any], context: AuthContext, requirement: Requirement, refusal: Refusal
    ) -> "Session[Any] | Refusal":
        outcome = self._jwt_rejections.recent(context.key, context.outcome)
        if outcome is None:
            outcome = await self._authenticator.from_kratos(context, bypass_caches=True)
        if isinstance(outcome, Rejected):
            # Kratos does not accept this JWT as a credential, which says nothing about its claims.
            return refusal
        context.republish(scope, outcome)
        return await self.decision_for(scope, context, requirement)


def _take_early(context: AuthContext, requirement: Requirement) -> bool:
    """Return whether a requirement was met early with the current outcome; only once for each early evaluation."""
    entries = [entry for entry in context.met_early if entry[0] is requirement]
    context.met_early = tuple(entry for entry in context.met_early if entry[0] is not requirement)
    return any(outcome is context.outcome for _, outcome in entries)


def is_from_jwt(context: AuthContext) -> bool:
    """Return whether the session comes from the claims of a JWT."""
    return isinstance(context.outcome, Authenticated) and context.outcome.source == "token"
