"""The guard: credentials → cache → Kratos → outcome, and requirements on top.

`look` and `ask` (in `lookup`) authenticate a request; `enforce` (in `enforcement`) evaluates a gate's requirement.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from ory_guard.cache.store import SessionStore
from ory_guard.events import Listener, Listeners, SessionsInvalidated, notify
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.authentication import Authenticator, TellStats
from ory_guard.guard.context import AuthContext, current_url, get_auth_context, get_scope
from ory_guard.guard.csrf import CSRFPolicy
from ory_guard.guard.declarations import FROM_APPLICATION
from ory_guard.guard.enforcement import Enforce, EnforceOptional, Enforcer
from ory_guard.guard.explicit_credentials import ExplicitCredentials, TokenKind
from ory_guard.guard.jwt import TokenVerifierProtocol
from ory_guard.guard.logout import Logout
from ory_guard.guard.requirements import AssuranceLevel, Condition, Requirement
from ory_guard.guard.responses.redirects import login_url, safe_return_to
from ory_guard.guard.settings import GuardSettings, checked_settings
from ory_guard.guard.watch import Watch, Watches
from ory_guard.kratos.http import Transport
from ory_guard.models.clock import Clock, SystemClock
from ory_guard.models.ids import id_spellings
from ory_guard.models.outcomes import Outcome
from ory_guard.models.session import Session

if TYPE_CHECKING:
    from ory_guard.client import FrontendClient

__all__ = ["OryGuard", "get_guard"]

_Id = str | UUID


class OryGuard:
    """Finds out who makes a request, and decides who may pass.

    One guard serves one application in one thread. It can be created before any event loop runs.

    Args:
        settings: How it is set up.
        traits: A pydantic model for the identity's traits, frozen at every depth; without it a frozen dict.
        transport: The HTTP transport to use instead of its own pool, such as `httpx2.ASGITransport`; not closed.
        store: What this process shares with others, such as `ory_guard.redis.RedisSessionStore`.
        tokens: What verifies JWTs that come as bearer tokens, such as `ory_guard.tokens.TokenVerifier`.
        clock: Where the time comes from.
        listeners: Who is told what the guard does: callables that take an event.

    Attributes:
        settings: How it is set up.
        clock: Where the time comes from.
        listeners: Who is told; `listeners.add(listener)` adds one and returns what takes it away again.
        look: Looks up the cached outcome of a request; `ask` asks Kratos if there is none (for middlewares).
        enforce: Returns the session that meets a `Requirement`, or raises the `Refusal` (for dependencies).
        enforce_optional: Returns the session or None (for dependencies).
        stats: Returns the counters of this guard, as `GuardStats`.

    Raises:
        ConfigurationError: If an argument is not valid, or there are `tokens` while `bearer` is not accepted.
    """

    def __init__(
        self,
        settings: GuardSettings,
        *,
        traits: type[Any] | None = None,
        transport: Transport | None = None,
        store: SessionStore | None = None,
        tokens: TokenVerifierProtocol | None = None,
        clock: Clock | None = None,
        listeners: Iterable[Listener] = (),
    ) -> None:
        self.settings = checked_settings(settings)
        self._transport = transport
        self.clock: Clock = clock or SystemClock()
        csrf = CSRFPolicy(settings)
        self.listeners: Listeners = Listeners(listeners)
        self._lookup = Authenticator(
            settings=settings,
            csrf=csrf,
            traits=traits,
            transport=transport,
            clock=self.clock,
            listeners=self.listeners,
            store=store,
            tokens=tokens,
            heard=self._notify_watches,
        )
        self._enforcement = Enforcer(
            self, settings, csrf=csrf, authenticator=self._lookup, clock=self.clock, listeners=self.listeners
        )
        self._watches = Watches(self._enforcement, self._lookup, settings, self.clock)
        self._explicit = ExplicitCredentials(self, settings, self._lookup)
        self.enforce: Enforce = self._enforcement.require
        self.enforce_optional: EnforceOptional = self._enforcement.optional
        self.look: Callable[[Mapping[str, Any], AuthContext], None] = self._lookup.look
        self.ask: Callable[[AuthContext], Awaitable[Outcome]] = self._lookup.ask
        self.stats: TellStats = self._lookup.stats
        self._logout = Logout(
            self._lookup,
            self._enforcement,
            csrf,
            app_url=settings.app_url,
            client=lambda: self.client,
            invalidate=self.invalidate,
        )
        self._client: FrontendClient | None = None

    def __repr__(self) -> str:
        return f"<OryGuard {self.settings.kratos_public_url} {self._lookup.cache!r}>"

    async def authenticate(self, connection: Annotated[Any, FROM_APPLICATION]) -> Outcome:
        """Return the outcome of the session check of a request; never refuse the request.

        Args:
            connection: A Starlette or FastAPI `Request` or `WebSocket`, or an ASGI scope. A copy of the scope with
                other credential headers gets the outcome of its own headers, and leaves the request as it is.
        """
        return await self._enforcement.current_outcome(self._explicit.get_scope(connection))

    async def authenticate_token(self, token: Annotated[str, FROM_APPLICATION], *, kind: TokenKind) -> Outcome:
        """Return the outcome for a token that did not come in a header; never raise because of the token.

        For a websocket's first message or subprotocol. Pass the outcome to `require` and `watch` as `outcome=`.

        Args:
            token: The token, without a scheme such as `Bearer `. A value that no header can carry is malformed.
            kind: `x_session_token` for a session token of Kratos, `bearer` for a session token or a JWT.

        Raises:
            ConfigurationError: If the kind is another one, or not among the `credentials` of the settings.
        """
        return await self._explicit.authenticate_token(token, kind)

    async def require(
        self,
        connection: Annotated[Any, FROM_APPLICATION],
        *,
        outcome: Outcome | None = None,
        aal: AssuranceLevel | None = None,
        max_age: float | None = None,
        authentication_methods: Collection[str] | None = None,
        verified: bool | str = False,
        organization: str | None = None,
        when: Condition | None = None,
        revalidate: bool = False,
    ) -> Session[Any]:
        """Return the session if it meets every condition; for GraphQL resolvers and plain ASGI applications.

        The conditions are those of `Requirement`. An `outcome` of `authenticate_token` takes the place of the
        connection's own credential.

        Raises:
            Refusal: If the session does not meet a condition, or there is no session.
            ConfigurationError: If a condition has no meaning, or the outcome did not come from this guard.
        """
        requirement = Requirement(aal, max_age, authentication_methods, verified, organization, when, revalidate)
        return await self.enforce(self._explicit.get_scope(connection, outcome), requirement)

    def watch(self, connection: Any, *, every: float = 30.0, outcome: Outcome | None = None) -> Watch:
        """Return a context manager that ends its block, and closes the websocket, when the session ends.

        `async with guard.watch(websocket, every=10): …` for websockets, and
        `StreamingResponse(guard.watch(request, every=10).stream(events()))` for event streams. What the route's
        gates required must still be met. Connections of one session share one call to Kratos in `every` seconds;
        `invalidate` ends them at once. While Kratos is unavailable a connection stays open for at most `cache_ttl`.

        Args:
            connection: The websocket or request.
            every: Seconds between two session checks.
            outcome: An outcome of `authenticate_token`, in place of the connection's own credential.

        Raises:
            ConfigurationError: If `every` is not above 0, or the outcome did not come from this guard.
        """
        scope = self._explicit.get_scope(connection, outcome)
        return self._watches.open(connection, scope, every)

    def login_url(
        self,
        connection: Any,
        *,
        return_to: str | None = None,
        aal: AssuranceLevel | None = None,
        refresh: bool = False,
    ) -> str:
        """Return where a link on a page leads to sign in, to step up (`aal`) or to sign in again (`refresh`).

        Args:
            connection: The request; a GET returns to itself.
            return_to: Where else to return to; only addresses of the application are taken.
            aal: `aal2` for the second factor.
            refresh: Ask even who is signed in already.
        """
        if return_to is not None and self.settings.app_url is not None:
            target: str | None = safe_return_to(return_to, self.settings)
        else:
            target = current_url(self.settings, get_scope(connection))
        return login_url(self.settings, aal=aal, refresh=refresh, return_to=target)

    async def logout_url(self, connection: Any, *, return_to: str | None = None) -> str | None:
        """Return Kratos' one-time logout URL for this browser, or None without a session cookie that Kratos knows.

        Args:
            connection: The request.
            return_to: The page to return to; Kratos must allow it.

        Raises:
            KratosUnavailable: If Kratos can't be reached, or gives an unexpected answer.
        """
        return await self._logout.url(get_scope(connection), return_to)

    async def logout(self, connection: Any) -> tuple[str, ...]:
        """End the session of this request at Kratos, and invalidate what is cached about it.

        Two session cookies that differ are both ended; without a credential there is nothing to end.

        Returns:
            The `Set-Cookie` values for the browser: Kratos' own, and those that expire the cookie.

        Raises:
            CsrfViolation: If the credential is a cookie and the request is cross-site, with any method.
            SessionRequired: If the credential is malformed or ambiguous, or a JWT that is not accepted.
            RequirementNotMet: If the credential is a JWT.
            KratosUnavailable: If a session may not have ended. If one of two has ended, the middleware adds its
                `Set-Cookie` values to the response.
        """
        return await self._logout.log_out(self._explicit.get_scope(connection))

    async def invalidate(self, *, session_id: _Id | None = None, identity_id: _Id | None = None) -> None:
        """Invalidate everything cached about a session, or about all sessions of an identity.

        After it returns, no request is answered from an earlier check. With a store, other processes learn of it
        within a second. Kratos is not called: end the session there first. An id is a `uuid.UUID` or a string; a
        UUID may have any spelling.

        Raises:
            ConfigurationError: If no id is given, or a value is not an id (empty, blanks, `bytes`).
        """
        session, identity = id_spellings("session_id", session_id), id_spellings("identity_id", identity_id)
        if not (ids := (*session, *identity)):
            raise ConfigurationError("invalidate() needs an id: pass session_id or identity_id")
        self._lookup.invalidate(*ids)
        self._notify_watches()
        if self.listeners:
            notify(self.listeners, SessionsInvalidated(*(one[0] if one else None for one in (session, identity))))
        if self._lookup.second is not None:
            await self._lookup.second.revoke(*ids)

    def _notify_watches(self) -> None:
        self._watches.wake()

    def override(self, session: Session[Any] | Outcome | None) -> AbstractContextManager[None]:
        """Return a context manager for tests: in its block each request has this session or outcome.

        The middleware publishes it, so every gate, `request.state` and `@requires` see it. Kratos is not asked.
        """
        return self._lookup.overriding(session)

    @property
    def client(self) -> "FrontendClient":
        """A client for Kratos' 32 self-service operations, on the same server; imported on first use."""
        if self._client is None:
            from ory_guard.client import FrontendClient  # noqa: PLC0415 - its models are many; most never need them

            url, timeout = self.settings.kratos_public_url, self.settings.timeout
            self._client = FrontendClient(url, transport=self._transport, timeout=timeout)
        return self._client

    async def aclose(self) -> None:
        """End running checks and close the connections; the next use opens anew."""
        if self._client is not None:
            await self._client.aclose()
        await self._lookup.checks.aclose()


def get_guard(scope: Mapping[str, Any]) -> OryGuard:
    """Return the guard whose middleware handles this request.

    Raises:
        ConfigurationError: There is none.
    """
    check = get_auth_context(scope)
    if check is None:
        raise ConfigurationError(
            "a session is asked for, but OrySessionMiddleware did not see this request: add it with "
            "app.add_middleware(OrySessionMiddleware, guard=guard), or install(app, guard) for FastAPI"
        )
    guard: OryGuard = check.guard
    return guard
