"""The guard: the parts of the request path, composed from the settings, and the public methods on top of them."""

from collections.abc import Coroutine, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Generic, Unpack
from uuid import UUID

from typing_extensions import TypeVar

from ory_guard._event_loop import is_asyncio
from ory_guard.cache.store_protocol import SessionStore
from ory_guard.events import GuardStats, Listener, Listeners, SessionsInvalidated, notify
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.argument_validation import check_arguments, checked_listeners, checked_override
from ory_guard.guard.authentication import Authenticator
from ory_guard.guard.context import current_url, get_scope, require_auth_context
from ory_guard.guard.cookie_sharing import warn_if_cookies_are_not_shared
from ory_guard.guard.csrf import CSRFPolicy
from ory_guard.guard.enforcement import Enforcer
from ory_guard.guard.explicit_credentials import ExplicitCredentials, TokenKind
from ory_guard.guard.fastapi_declarations import FROM_APPLICATION
from ory_guard.guard.http_clients import HTTPClients
from ory_guard.guard.lazy_client import LazyClient
from ory_guard.guard.logout import Logout
from ory_guard.guard.not_awaited import call_to_await, coroutine_function
from ory_guard.guard.requirements import AssuranceLevel, Conditions, requirement_of
from ory_guard.guard.responses.redirects import login_url, safe_return_to
from ory_guard.guard.session_watch import Watch, Watches
from ory_guard.guard.settings import GuardSettings, checked_settings
from ory_guard.guard.statistics import guard_stats
from ory_guard.kratos.http import Transport
from ory_guard.models.clock import Clock, SystemClock
from ory_guard.models.ids import id_spellings
from ory_guard.models.outcomes import Outcome
from ory_guard.models.session import Session

if TYPE_CHECKING:
    from ory_guard.client import FrontendClient
    from ory_guard.guard.jwt import TokenVerifierProtocol

__all__ = ["OryGuard", "get_guard"]

_Id = str | UUID
TraitsT = TypeVar("TraitsT", default=Any)


class OryGuard(Generic[TraitsT]):
    """Authenticates requests with Kratos and enforces requirements.

    One guard serves one application in one thread. It can be created before an event loop runs.

    Args:
        settings: The settings.
        traits: A pydantic model of the identity's traits, frozen at every depth; by default a frozen dict.
        transport: An HTTP transport that replaces the connection pool, such as `httpx2.ASGITransport`. The guard
            does not close it.
        store: A store that processes share, such as `ory_guard.redis.RedisSessionStore`.
        tokens: A verifier of JWTs that are sent as bearer tokens, such as `ory_guard.tokens.TokenVerifier`.
        clock: The clocks; by default those of the system.
        listeners: Callables that receive the guard's events.

    Attributes:
        settings: The settings.
        clock: The clocks.
        listeners: The listeners; `listeners.add(listener)` returns a function that removes the listener.
        authentication: Authenticates requests, for the middleware.
        enforcement: Enforces requirements, for dependencies.
        http_clients: Opens HTTP clients for Kratos, for `ory_guard.proxy`.

    Raises:
        ConfigurationError: If an argument is invalid, or there are `tokens` and `bearer` is not accepted.
    """

    def __init__(
        self,
        settings: GuardSettings,
        *,
        traits: type[TraitsT] | None = None,
        transport: Transport | None = None,
        store: SessionStore | None = None,
        tokens: "TokenVerifierProtocol | None" = None,
        clock: Clock | None = None,
        listeners: Iterable[Listener] = (),
    ) -> None:
        self.settings: GuardSettings = checked_settings(settings)
        check_arguments(settings, transport=transport, store=store, tokens=tokens, clock=clock, listeners=listeners)
        self._client = LazyClient(settings, transport)
        self.clock: Clock = clock or SystemClock()
        csrf = CSRFPolicy(settings)
        self.listeners: Listeners = Listeners(checked_listeners(listeners))
        self.authentication: Authenticator = Authenticator(
            settings=settings,
            csrf=csrf,
            traits=traits,
            transport=transport,
            clock=self.clock,
            listeners=self.listeners,
            store=store,
            tokens=tokens,
            on_revocation=lambda ids: self._watches.wake(ids),  # noqa: PLW0108 - the watches are created below
        )
        self.enforcement: Enforcer = Enforcer(
            self, settings, csrf=csrf, authenticator=self.authentication, clock=self.clock, listeners=self.listeners
        )
        self._watches = Watches(self.enforcement, self.authentication, settings, self.clock)
        self._explicit = ExplicitCredentials(self, settings, self.authentication)
        parts = (self.authentication, self.enforcement, csrf, settings.app_url)
        self._logout = Logout(*parts, load_client=self._client.load, invalidate=self.invalidate)
        self.http_clients: HTTPClients = HTTPClients(settings, transport)
        if transport is None:
            warn_if_cookies_are_not_shared(settings)

    def __repr__(self) -> str:
        return f"<OryGuard {self.settings.kratos_public_url} {self.authentication.cache!r}>"

    @coroutine_function
    def authenticate(self, connection: Annotated[Any, FROM_APPLICATION]) -> Coroutine[Any, Any, Outcome]:
        """Return the outcome of a request without refusing the request.

        Args:
            connection: A Starlette or FastAPI `Request` or `WebSocket`, or an ASGI scope. A copy of the scope with
                other credential headers gets the outcome of its own headers, and leaves the request as it is.
        """
        scope = self._explicit.get_scope(connection)
        call = partial(self.enforcement.current_outcome, scope)
        return call_to_await("OryGuard.authenticate", scope, call, keeps_refusal=True)

    async def authenticate_token(self, token: Annotated[str, FROM_APPLICATION], *, kind: TokenKind) -> Outcome:
        """Return the outcome for a token that did not come in a header; never raise because of the token.

        For a websocket's first message or subprotocol. Pass the outcome to `require` and `watch` as `outcome=`.

        Args:
            token: The token, without a scheme such as `Bearer `. It is malformed if it is not valid in a header.
            kind: `x_session_token` for a session token of Kratos, `bearer` for a session token or a JWT.

        Raises:
            ConfigurationError: If the kind is invalid, or not among the `credentials` of the settings.
        """
        return await self._explicit.authenticate_token(token, kind)

    @coroutine_function
    def require(
        self,
        connection: Annotated[Any, FROM_APPLICATION],
        *,
        outcome: Outcome | None = None,
        **conditions: Unpack[Conditions],
    ) -> "Coroutine[Any, Any, Session[TraitsT]]":
        """Return the session if it meets every condition; for GraphQL resolvers and plain ASGI applications.

        Args:
            connection: A Starlette or FastAPI `Request` or `WebSocket`, or an ASGI scope.
            outcome: An outcome of `authenticate_token`, to use instead of the credential of the connection.
            **conditions: The arguments of `Requirement`. Default: any session.

        Raises:
            Refusal: If the session does not meet a condition, or there is no session.
            ConfigurationError: If a condition is invalid, or the outcome did not come from this guard.
        """
        scope = self._explicit.get_scope(connection, outcome)
        requirement = requirement_of("OryGuard.require", conditions, "outcome")
        call = partial(self.enforcement.require, scope, self.enforcement.get_context(scope), requirement)
        return call_to_await("OryGuard.require", scope, call)

    def watch(self, connection: Any, *, every: float = 30.0, outcome: Outcome | None = None) -> Watch:
        """Return a context manager that ends its block, and closes the websocket, when the session ends.

        `async with guard.watch(websocket, every=10): …` for websockets, and
        `StreamingResponse(guard.watch(request, every=10).stream(events()))` for event streams. The requirements of
        the route's dependencies must still be met. Connections of one session share one call to Kratos in `every`
        seconds; `invalidate` ends them at once. While Kratos is unavailable, a connection stays open for at most
        `cache_ttl`.

        Args:
            connection: The websocket or request, or its ASGI scope.
            every: Seconds between two session checks.
            outcome: An outcome of `authenticate_token`, in place of the connection's own credential.

        Raises:
            ConfigurationError: If `every` is not above 0, or the outcome was not returned by this guard.
        """
        return self._watches.open(connection, self._explicit.get_scope(connection, outcome), every)

    def login_url(
        self,
        connection: Any,
        *,
        return_to: str | None = None,
        aal: AssuranceLevel | None = None,
        refresh: bool = False,
    ) -> str:
        """Return the URL of a link to log in, to step up (`aal`) or to log in again (`refresh`).

        Args:
            connection: The request, to whose URL the user returns.
            return_to: Another URL to return to; it must belong to the application.
            aal: `aal2` for the second factor.
            refresh: Whether a user who is logged in must log in again.
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
            KratosUnavailable: If Kratos can't be reached, or its response is unexpected.
        """
        return await self._logout.url(get_scope(connection), return_to)

    @coroutine_function
    def logout(self, connection: Any) -> Coroutine[Any, Any, tuple[str, ...]]:
        """End the session of this request at Kratos, and invalidate everything cached about it.

        If there are two different session cookies, both sessions end. Without a credential, nothing happens.

        Returns:
            The `Set-Cookie` values for the browser: Kratos' own, and values that expire the cookie.

        Raises:
            CsrfViolation: If the credential is a cookie and the request is cross-site, with any method.
            SessionRequired: If the credential is malformed or ambiguous, or a JWT that is not accepted.
            RequirementNotMet: If the credential is a JWT.
            KratosUnavailable: If a session may not have ended. If one of two has ended, the middleware adds the
                `Set-Cookie` values of that one to the response.
        """
        scope = self._explicit.get_scope(connection)
        return call_to_await("OryGuard.logout", scope, partial(self._logout.log_out, scope), keeps_refusal=True)

    async def invalidate(self, *, session_id: _Id | None = None, identity_id: _Id | None = None) -> None:
        """Invalidate everything cached about a session, or about all sessions of an identity.

        After it returns, no earlier session check is used for a request. With a store, the same holds in other
        processes within a second. Kratos is not called: end the session there first.

        Args:
            session_id: The id of the session, a `uuid.UUID` or a string; a UUID may have any spelling.
            identity_id: The id of the identity, likewise.

        Raises:
            ConfigurationError: If no id is given, or a value is not an id (empty, blanks, `bytes`).
        """
        session, identity = id_spellings("session_id", session_id), id_spellings("identity_id", identity_id)
        if not (ids := (*session, *identity)):
            raise ConfigurationError("invalidate() needs an id: pass session_id or identity_id")
        self.authentication.invalidate(*ids)
        self._watches.wake(ids)
        if self.listeners:
            notify(self.listeners, SessionsInvalidated(*(one[0] if one else None for one in (session, identity))))
        if self.authentication.shared_cache is not None:
            await self.authentication.shared_cache.revoke(*ids)

    def override(self, session: "Session[TraitsT] | Outcome | None") -> AbstractContextManager[None]:
        """Return a context manager for tests: within its block, each request has this session or outcome.

        It applies to dependencies, `request.state` and `@requires`. Kratos is not called.

        Raises:
            ConfigurationError: If it is something else, such as a session of `ory_guard.testing`.
        """
        return self.authentication.overriding(checked_override(session))

    def stats(self) -> GuardStats:
        """Return the counters of this guard."""
        return guard_stats(self.authentication, self.enforcement.reporter)

    @property
    def client(self) -> "FrontendClient":
        """A client for the 32 self-service operations of the same Kratos.

        It is imported on first use, which takes tens of milliseconds. `logout` and `logout_url` import it in a
        thread. An application that calls it in requests can read this property before the server starts.
        """
        return self._client.get()

    async def aclose(self) -> None:
        """Cancel running checks and close the connections; the next use opens new ones."""
        if not is_asyncio():
            return  # nothing can be open: the guard does not work in other event loops
        await self._client.aclose()
        await self.http_clients.aclose()
        await self.authentication.checker.aclose()


def get_guard(scope: Mapping[str, Any]) -> OryGuard:
    """Return the guard whose middleware handles this request.

    Raises:
        ConfigurationError: If the middleware is not installed.
    """
    return require_auth_context(scope).guard
