"""The guard: credentials → cache → Kratos → outcome, and requirements on top.

This is the one place that orchestrates. A request's way: `look` reads the credential and what is kept about it,
`ask` asks Kratos where nothing fresh is kept, and `enforce` holds a gate's requirement against the outcome.
"""

import inspect
import logging
import secrets
from collections.abc import Collection, Iterable, Mapping, MutableMapping
from typing import Any, Final

from ory_guard.answers import arrange_answer
from ory_guard.cache import Clock, SessionCache, SystemClock
from ory_guard.checks import Checks
from ory_guard.credentials import Credential, CredentialHasher, CredentialReader
from ory_guard.events import Listener, Refused, SessionCacheHit, SessionCacheMiss, SessionsInvalidated, notify
from ory_guard.exceptions import (
    ConfigurationError,
    EnrollmentRequired,
    Failure,
    ReauthenticationRequired,
    Refusal,
    StepUpRequired,
)
from ory_guard.gate import Gate
from ory_guard.models import Session
from ory_guard.outcomes import Anonymous, Authenticated, Outcome, Rejected, Unavailable
from ory_guard.policy import ANY_SESSION, AssuranceLevel, Condition, Requirement
from ory_guard.scope import Check, check_in, publish, scope_of
from ory_guard.settings import GuardSettings
from ory_guard.upstream import Transport, Upstream

__all__ = ["OryGuard", "guard_in"]

_log = logging.getLogger("ory_guard")

_ANONYMOUS: Final = Anonymous()
_ASK_AGAIN_AFTER: Final = 1.0
_CURED_BY_A_SIGN_IN: Final = (StepUpRequired, EnrollmentRequired, ReauthenticationRequired)


class OryGuard:
    """Finds out who makes a request, and decides who may pass.

    One guard serves one application in one thread; it owns the connections to Kratos and the cache. It can be
    made before any event loop runs.

    Args:
        settings: How it is set up.
        traits: A frozen pydantic model for the identity's traits; without it they are a read-only dict.
        transport: The HTTP transport to use instead of a pool of its own (`httpx2.ASGITransport(app=fake.app)`
            in tests); it is not closed.
        clock: Where the time comes from.
        listeners: Who is told what the guard does: callables that take an event.

    Raises:
        ConfigurationError: The traits model is not frozen.
    """

    def __init__(
        self,
        settings: GuardSettings,
        *,
        traits: type[Any] | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
        listeners: Iterable[Listener] = (),
    ) -> None:
        _check_traits(traits)
        self.settings = settings
        self._clock = clock or SystemClock()
        self._monotonic = self._clock.monotonic
        self._listeners = tuple(listeners)
        self._gate = Gate(settings)
        self._exempt = frozenset(settings.exempt_paths)
        self._read = CredentialReader(settings).read
        self._key = CredentialHasher(secrets.token_bytes(32), settings.kratos_public_url).key
        longest = max(settings.cache_ttl, settings.negative_ttl)
        self._cache = SessionCache(settings.max_sessions, longest, self._clock)
        self._checks = Checks(
            settings=settings,
            upstream=Upstream(settings, transport),
            traits=traits,
            cache=self._cache,
            clock=self._clock,
            listeners=self._listeners,
        )

    def __repr__(self) -> str:
        return f"<OryGuard {self.settings.kratos_public_url} {self._cache!r}>"

    async def authenticate(self, connection: Any) -> Outcome:
        """Return who makes this request; never refuses it.

        Args:
            connection: A Starlette or FastAPI `Request` or `WebSocket`, or a bare ASGI scope.
        """
        return (await self._checked(scope_of(connection))).outcome or _ANONYMOUS

    async def require(
        self,
        connection: Any,
        *,
        aal: AssuranceLevel | None = None,
        max_age: float | None = None,
        authentication_methods: Collection[str] = (),
        verified: bool | str = False,
        organization: str | None = None,
        when: Condition | None = None,
        revalidate: bool = False,
    ) -> Session[Any]:
        """Return the session if it meets every condition; for GraphQL resolvers and plain ASGI applications.

        The arguments are those of `Requirement`.

        Raises:
            Refusal: It does not, or there is no session.
            ConfigurationError: An argument has no meaning.
        """
        requirement = Requirement(aal, max_age, authentication_methods, verified, organization, when, revalidate)
        return await self.enforce(scope_of(connection), requirement)

    async def invalidate(self, *, session_id: str | None = None, identity_id: str | None = None) -> None:
        """Let nothing that is known about a session, or about an identity's sessions, count any longer.

        Once this has returned, no request is answered from a check made before; checks under way are asked
        again. It says nothing to Kratos: whoever wants the session ended there has to end it there.

        Raises:
            ConfigurationError: Neither id was given.
        """
        ids = [given for given in (session_id, identity_id) if given is not None]
        if not ids:
            raise ConfigurationError("invalidate() was given no id: pass session_id or identity_id")
        self._cache.invalidate(*ids)
        self._checks.forget_running()
        if self._listeners:
            notify(self._listeners, SessionsInvalidated(session_id, identity_id))

    async def aclose(self) -> None:
        """End running checks and close the connections; the next use opens anew."""
        await self._checks.aclose()

    def look(self, scope: Mapping[str, Any]) -> Check:
        """Return a check of this request from what is kept; its outcome is None where Kratos has to be asked."""
        check = Check(self, scope["path"], scope.get("root_path", ""))
        if check.path in self._exempt:
            check.exempt = True
            check.outcome = _ANONYMOUS
        else:
            self._find(scope, check)
        return check

    async def ask(
        self, scope: Mapping[str, Any], check: Check, *, again: bool = False, alone: bool = False
    ) -> Outcome:
        """Ask Kratos whose the request's credential is; never raises what goes wrong there.

        Args:
            scope: The request.
            check: Its check, which learns what came with the answer.
            again: Whether something is known already, so that caches on the way must not answer.
            alone: Whether the answer to an earlier question won't do.
        """
        try:
            credential = self._read(scope["headers"])
            assert isinstance(credential, Credential)  # noqa: S101 - there is a key, so there was a credential
            assert check.key is not None  # noqa: S101 - as above
            fact = await self._checks.ask(check.key, credential, no_cache=again, alone=alone)
        except Exception as error:  # noqa: BLE001 - whatever breaks in a check, it lets nobody in
            return _broken(error)
        check.asked_at = fact.asked_at
        check.waited = True
        check.set_cookies += fact.set_cookies
        return fact.outcome

    async def enforce(self, scope: MutableMapping[str, Any], requirement: Requirement) -> Session[Any]:
        """Return the session that meets the requirement.

        Before a refusal for assurance or age, what was kept for over a second is asked for once more: the user
        may just have come back from Kratos.

        Raises:
            Refusal: There is none, or it does not.
        """
        check = await self._checked(scope)
        check.gated = True
        outcome = check.outcome
        if requirement is ANY_SESSION and type(outcome) is Authenticated and outcome.credential != "cookie":
            return outcome.session
        if requirement.revalidate and check.key is not None:
            publish(scope, check, await self.ask(scope, check, again=True, alone=True))
        verdict = await self._decide(scope, check, requirement)
        if isinstance(verdict, _CURED_BY_A_SIGN_IN) and self._is_worth_asking_again(check):
            publish(scope, check, await self.ask(scope, check, again=True))
            verdict = await self._decide(scope, check, requirement)
        if isinstance(verdict, Refusal):
            if self._listeners:
                notify(self._listeners, Refused(verdict.code))
            arrange_answer(scope)
            raise verdict
        return verdict

    async def enforce_optional(self, scope: MutableMapping[str, Any]) -> Session[Any] | None:
        """Return the session, or None for every other outcome.

        Raises:
            CsrfViolation: There is a session, and the unsafe request was made by a foreign page.
        """
        check = await self._checked(scope)
        if isinstance(check.outcome, Authenticated):
            return await self.enforce(scope, ANY_SESSION)
        check.gated = True
        return None

    async def _checked(self, scope: MutableMapping[str, Any]) -> Check:
        check = check_in(scope)
        if check is None or check.guard is not self:
            check = self.look(scope)
        elif not check.exempt:
            return check
        if check.exempt:
            check.exempt = False
            check.outcome = None
            self._find(scope, check)
        publish(scope, check, check.outcome or await self.ask(scope, check))
        return check

    def _find(self, scope: Mapping[str, Any], check: Check) -> None:
        try:
            credential = self._read(scope["headers"])
            if credential is None:
                check.outcome = _ANONYMOUS
            elif not isinstance(credential, Credential):
                check.outcome = Rejected(credential.reason, credential.kind)
            elif (
                credential.kind == "cookie" and scope["type"] == "websocket" and not self._gate.trusts_origin(scope)
            ):
                check.outcome = Rejected("origin", "cookie")
            else:
                self._recall(check, self._key(credential))
        except Exception as error:  # noqa: BLE001 - whatever breaks in a check, it lets nobody in
            check.outcome = _broken(error)

    def _recall(self, check: Check, key: bytes) -> None:
        check.key = key
        entry = self._cache.get(key)
        if entry is None:
            if self._listeners:
                notify(self._listeners, SessionCacheMiss(key.hex()[:8]))
            return
        check.asked_at = entry.asked_at
        outcome = entry.outcome
        age = self._monotonic() - entry.asked_at
        if type(outcome) is Authenticated:
            outcome = Authenticated(outcome.session, outcome.credential, "cache", age)
        check.outcome = outcome
        if self._listeners:
            notify(self._listeners, SessionCacheHit(key.hex()[:8], age))

    async def _decide(
        self, scope: Mapping[str, Any], check: Check, requirement: Requirement
    ) -> Session[Any] | Refusal:
        outcome = check.outcome
        assert outcome is not None  # noqa: S101 - _checked asked
        extra: list[Failure] = []
        if requirement.when is not None and isinstance(outcome, Authenticated):
            passes = requirement.when(outcome.session)
            if inspect.isawaitable(passes):
                passes = await passes
            if not passes:
                extra.append(Failure(id="when", expected=True, actual=False))
        return self._gate.decide(requirement, outcome, scope, self._clock.time(), extra)

    def _is_worth_asking_again(self, check: Check) -> bool:
        old = self._monotonic() - check.asked_at > _ASK_AGAIN_AFTER
        return old and check.key is not None and not check.waited


def guard_in(scope: Mapping[str, Any]) -> OryGuard:
    """Return the guard whose middleware handles this request.

    Raises:
        ConfigurationError: There is none.
    """
    check = check_in(scope)
    if check is None:
        raise ConfigurationError(
            "a session is asked for, but OrySessionMiddleware did not see this request: add it with "
            "app.add_middleware(OrySessionMiddleware, guard=guard), or install(app, guard) for FastAPI"
        )
    guard: OryGuard = check.guard
    return guard


def _broken(error: Exception) -> Unavailable:
    # Only the class: the text of an error from a parser or a transport may quote the credential.
    _log.error("check.broken error=%s", type(error).__name__)
    return Unavailable("protocol")


def _check_traits(traits: type[Any] | None) -> None:
    if traits is not None and not getattr(traits, "model_config", {}).get("frozen"):
        raise ConfigurationError(
            f"traits: {traits!r} is not allowed: use a pydantic model with model_config = ConfigDict(frozen=True), "
            "since a session is shared between requests"
        )
