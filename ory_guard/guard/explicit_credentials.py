"""Credentials that an application passes explicitly: tokens, and copies of the scope with other headers."""

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Final, Literal

from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.authentication import ANONYMOUS, Authenticator
from ory_guard.guard.context import AuthContext, detach_scope, get_auth_context, get_scope
from ory_guard.guard.settings import GuardSettings
from ory_guard.models.credential import Credential
from ory_guard.models.outcomes import Anonymous, Authenticated, Outcome, Rejected, SecondFactorRequired, Unavailable

if TYPE_CHECKING:
    from ory_guard.guard.guard import OryGuard

__all__ = ["ExplicitCredentials", "TokenKind", "TokenOutcome"]

TokenKind = Literal["x_session_token", "bearer"]

_TOKEN_SCOPE: Final = {"type": "http", "method": "GET", "path": "", "headers": ()}
"""The scope of a token that did not come in a header: a cross-site page can't send it."""


class TokenOutcome(Authenticated):
    """The `Authenticated` of `authenticate_token`, with the auth context that can revalidate its token."""

    context: AuthContext


class ExplicitCredentials:
    """Authenticates explicit credentials for one guard, without publishing their outcome on the request.

    Args:
        guard: The guard that the auth contexts belong to.
        settings: The settings of the guard.
        authenticator: The authenticator of the guard.
    """

    def __init__(self, guard: "OryGuard", settings: GuardSettings, authenticator: Authenticator) -> None:
        self._guard = guard
        self._settings = settings
        self._authenticator = authenticator

    async def authenticate_token(self, token: Any, kind: TokenKind) -> Outcome:
        """Return the outcome of a token; see `OryGuard.authenticate_token`."""
        if kind not in ("x_session_token", "bearer") or kind not in self._settings.credentials:
            raise ConfigurationError(
                f"kind: {kind!r} is not allowed: use 'x_session_token' or 'bearer', whichever is among the "
                f"credentials of the guard, {self._settings.credentials!r}"
            )
        context = AuthContext().start(self._guard, {"path": ""})
        outcome = self._from_cache(context, token, kind)
        if outcome is None:
            outcome = await self._authenticator.from_kratos(context)
        context.outcome = outcome
        if not isinstance(outcome, Authenticated):
            return outcome
        context.from_upstream = False  # the outcome outlives this call: a step-up may follow
        token_outcome = TokenOutcome(*outcome)
        token_outcome.context = context
        return token_outcome

    def _from_cache(self, context: AuthContext, token: Any, kind: TokenKind) -> Outcome | None:
        """Return the outcome of a token, which may be any value, or None if Kratos has to be asked."""
        if self._authenticator.override is not None:
            return self._authenticator.override
        if token is None:
            return ANONYMOUS
        if not isinstance(token, str) or not token.isascii():
            return Rejected("malformed", kind)
        if not token:
            return ANONYMOUS
        context.credential = Credential(kind, b"", token.encode("ascii"))
        return self._authenticator.from_cache(_TOKEN_SCOPE, context, enforcing=True)

    def get_scope(self, connection: Any, outcome: Outcome | None = None) -> MutableMapping[str, Any]:
        """Return the scope to decide in: the connection's own, or a detached one for another credential.

        A copy of the request's scope with other headers, such as `{**scope, "headers": [...]}`, is authenticated by
        its own headers. Headers that a middleware has replaced in the request's own scope have no effect. If the
        middleware has another guard, this guard authenticates a copy of the scope, too.

        Args:
            connection: The request, the websocket or its scope.
            outcome: The outcome of a token that replaces the credential of the connection.

        Raises:
            ConfigurationError: If the outcome was not returned by `authenticate_token` of this guard.
        """
        scope = get_scope(connection)
        if outcome is not None:
            return detach_scope(scope, self._context_of(outcome, scope))
        context = get_auth_context(scope)
        if context is None:
            return scope
        if context.guard is not self._guard:
            return detach_scope(scope, self._context_beside(context, scope))
        if context.scope_id == id(scope):
            return scope
        return detach_scope(scope) if self._authenticator.has_other_credentials(scope, context) else scope

    def _context_beside(self, outer: AuthContext, scope: MutableMapping[str, Any]) -> AuthContext:
        """Return the auth context of this guard for a request of another guard; a new one for other headers."""
        context = outer.other_guards.get(self._guard)
        if context is None or self._authenticator.has_other_credentials(scope, context):
            context = AuthContext().start(self._guard, scope)
            context.path, context.root_path = outer.path, outer.root_path
            outer.other_guards = {**outer.other_guards, self._guard: context}
        return context

    def _context_of(self, outcome: Outcome, scope: MutableMapping[str, Any]) -> AuthContext:
        context = getattr(outcome, "context", None)
        if isinstance(outcome, TokenOutcome) and isinstance(context, AuthContext) and context.guard is self._guard:
            return context
        if not isinstance(outcome, Anonymous | Rejected | SecondFactorRequired | Unavailable):
            raise ConfigurationError(
                f"outcome: this {type(outcome).__name__} was not returned by authenticate_token() of this guard: "
                "pass outcome=await guard.authenticate_token(token, kind=...)"
            )
        context = AuthContext().start(self._guard, scope)
        context.outcome = outcome
        return context
