"""Credentials that an application passes explicitly: tokens, and copies of the scope with other headers."""

from collections.abc import MutableMapping
from typing import Any, Literal

from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.authentication import Authenticator
from ory_guard.guard.context import AuthContext, detached, get_auth_context, get_scope
from ory_guard.guard.settings import GuardSettings
from ory_guard.models.outcomes import Anonymous, Authenticated, Outcome, Rejected, SecondFactorRequired, Unavailable

__all__ = ["ExplicitCredentials", "TokenKind", "TokenOutcome"]

TokenKind = Literal["x_session_token", "bearer"]


class TokenOutcome(Authenticated):
    """The `Authenticated` of `authenticate_token`, with the check that can ask Kratos again about its token."""

    check: AuthContext


class ExplicitCredentials:
    """Checks explicit credentials for one guard, apart from what is published on the request.

    Args:
        guard: The guard that the checks belong to.
        settings: Its settings.
        lookup: The lookup of sessions.
    """

    def __init__(self, guard: object, settings: GuardSettings, lookup: Authenticator) -> None:
        self._guard = guard
        self._settings = settings
        self._lookup = lookup

    async def authenticate_token(self, token: Any, kind: TokenKind) -> Outcome:
        """Return the outcome of a token, as `OryGuard.authenticate_token` documents it."""
        if kind not in ("x_session_token", "bearer") or kind not in self._settings.credentials:
            raise ConfigurationError(
                f"kind: {kind!r} is not allowed: use 'x_session_token' or 'bearer', whichever is among the "
                f"credentials of the guard, {self._settings.credentials!r}"
            )
        check = AuthContext(self._guard, {"path": ""})
        self._lookup.look_for_token(check, token, kind)
        outcome = check.outcome = check.outcome or await self._lookup.ask(check)
        if not isinstance(outcome, Authenticated):
            return outcome
        check.from_upstream = False  # the outcome outlives this call: a step-up may follow
        remembering = TokenOutcome(*outcome)
        remembering.check = check
        return remembering

    def get_scope(self, connection: Any, outcome: Outcome | None = None) -> MutableMapping[str, Any]:
        """Return the scope to decide in: the connection's own, or a detached one for another credential.

        A copy of the request's scope with other headers, such as `{**scope, "headers": [...]}`, speaks for itself.
        Headers that a middleware replaced in the request's own scope change nothing.

        Args:
            connection: The request, the websocket or its scope.
            outcome: The outcome of a token to use in place of the connection's credential.

        Raises:
            ConfigurationError: If the outcome was not returned by `authenticate_token` of this guard.
        """
        scope = get_scope(connection)
        if outcome is not None:
            return detached(scope, self._check_of(outcome, scope))
        check = get_auth_context(scope)
        if check is None or check.guard is not self._guard or check.scope_id == id(scope):
            return scope
        return detached(scope) if self._lookup.differs(scope, check) else scope

    def _check_of(self, outcome: Outcome, scope: MutableMapping[str, Any]) -> AuthContext:
        check = getattr(outcome, "check", None)
        if isinstance(outcome, TokenOutcome) and isinstance(check, AuthContext) and check.guard is self._guard:
            return check
        if not isinstance(outcome, Anonymous | Rejected | SecondFactorRequired | Unavailable):
            raise ConfigurationError(
                f"outcome: this {type(outcome).__name__} was not returned by authenticate_token() of this guard: "
                "pass outcome=await guard.authenticate_token(token, kind=...)"
            )
        refused = AuthContext(self._guard, scope)
        refused.outcome = outcome
        return refused
