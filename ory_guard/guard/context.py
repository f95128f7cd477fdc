"""The auth context of one request, and the names in the ASGI scope at which applications find its outcome.

The context has no reference to the scope: with a reference cycle, only the garbage collector could free a request.
"""

import logging
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self

from ory_guard.exceptions import ConfigurationError, Refusal
from ory_guard.guard.requirements import Requirement
from ory_guard.guard.responses.redirects import request_url
from ory_guard.guard.settings import GuardSettings
from ory_guard.models.credential import Credential, Header, TwoSessionCookies
from ory_guard.models.outcomes import Outcome, SessionAuth, SessionUser
from ory_guard.models.session import Session

if TYPE_CHECKING:
    from ory_guard.guard.guard import OryGuard

__all__ = [
    "OUTER_KEY",
    "SCOPE_KEY",
    "AuthContext",
    "current_url",
    "detach_scope",
    "get_auth_context",
    "get_scope",
    "header_value",
    "log_replaced_objects",
    "missing_middleware_error",
    "reject_foreign_objects",
    "require_auth_context",
]

_log = logging.getLogger("ory_guard")

SCOPE_KEY: Final = "ory_guard"
"""The key of the auth context in the scope."""

OUTER_KEY: Final = "ory_guard.outer"
"""The key of the request's own auth context in a detached scope."""

_STATE: Final[Mapping[str, Any]] = {"ory_session": Session, "session": Session, "auth": Outcome}
_STATE_NAMES: Final = frozenset(_STATE)
_NO_OTHER_GUARDS: Final[Mapping[Any, Any]] = MappingProxyType({})
_new: Final = object.__new__
_reported: Final[set[tuple[str, str]]] = set()


class AuthContext:
    """The state of the authentication of one request.

    Attributes:
        guard: The guard that authenticated the request.
        scope_id: The `id` of the request's scope, which identifies it among its copies; 0 after the request.
        path: `scope["path"]` at the middleware; routers and mounts change it.
        root_path: `scope["root_path"]` at the middleware.
        outcome: The outcome; None until the session check has ended.
        auth: The `request.auth` of the outcome if it was cached.
        credential_headers: The request's headers that can carry a credential.
        credential: The credential, the two session cookies, or None.
        client: The `client` of the scope; set only if the cache has no fresh entry.
        key: The cache key of a valid credential; for two cookies, a key of both without a cache entry.
        deciding_key: The cache key of the one of two cookies that counts.
        request_time: When Kratos was asked, on the monotonic clock.
        resolved_at: When the outcome was found, on the monotonic clock.
        from_upstream: Whether this request itself waited for Kratos.
        is_exempt: Whether the path is exempt, so that no credential was read.
        granted: Whether a requirement was met, and none was refused afterwards.
        denied: Whether a requirement was not met.
        refusal: The latest refusal without its traceback, which would refer to the scope.
        held: The held messages of a 500 response that may have been made of the refusal.
        is_private: Whether the response may depend on the credential (`Cache-Control: private`).
        requirements: The requirements that were met.
        met_early: The requirements that were met before the request body was read, each with the outcome.
        set_cookies: Kratos' `Set-Cookie` values for the response.
        websocket_accepted: Whether the websocket was accepted.
        response_started: Whether the response has started.
        other_guards: The auth contexts of other guards that the application has called for this request.
    """

    __slots__ = (
        *("guard", "scope_id", "path", "root_path", "outcome", "auth", "credential_headers", "credential"),
        *("key", "deciding_key", "request_time", "resolved_at", "from_upstream", "is_exempt", "is_private"),
        *("granted", "denied", "refusal", "held", "requirements", "met_early", "set_cookies"),
        *("websocket_accepted", "response_started", "other_guards", "client"),
    )

    client: object
    from_upstream: bool
    is_exempt: bool
    is_private: bool
    granted: bool
    denied: bool
    websocket_accepted: bool
    response_started: bool

    def start(self, guard: "OryGuard", scope: Mapping[str, Any]) -> Self:
        """Set every attribute for a new request, and return the context.

        A method and not a constructor: Python 3.11 takes twice the time to call a constructor.
        """
        self.guard: OryGuard = guard
        self.scope_id: int = id(scope)
        self.path: str = scope["path"]
        self.root_path: str = scope["root_path"] if "root_path" in scope else ""  # noqa: SIM401 - faster
        self.outcome: Outcome | None = None
        self.auth: SessionAuth | None = None
        self.credential_headers: Sequence[Header] = ()
        self.credential: Credential | TwoSessionCookies | None = None
        self.key: bytes | None = None
        self.deciding_key: bytes | None = None
        self.request_time: float = 0.0
        self.resolved_at: float = inf
        self.from_upstream = self.is_exempt = self.is_private = self.granted = self.denied = False
        self.refusal: Refusal | None = None
        self.held: tuple[Any, ...] = ()
        self.requirements: tuple[Requirement, ...] = ()
        self.met_early: tuple[tuple[Requirement, Outcome | None], ...] = ()
        self.set_cookies: tuple[bytes, ...] = ()
        self.websocket_accepted = self.response_started = False
        self.other_guards: Mapping[OryGuard, AuthContext] = _NO_OTHER_GUARDS
        return self

    def publish(self, scope: MutableMapping[str, Any], outcome: Outcome) -> MutableMapping[str, Any]:
        """Publish the outcome of a request that no guard has authenticated before.

        `request.state.ory_session` and its alias `request.state.session` are the session or None,
        `request.state.auth` is the outcome. `request.user` and `request.auth` have Starlette's interface.

        Returns:
            The state of the request.

        Raises:
            ConfigurationError: If another library has set one of these names.
        """
        auth = self.auth
        if auth is None:
            auth = SessionAuth(outcome)
        session = auth.session
        self.outcome = outcome
        state = scope["state"] if "state" in scope else None  # noqa: SIM401 - faster
        if "user" in scope or "auth" in scope or (state and not _STATE_NAMES.isdisjoint(state)):
            reject_foreign_objects(scope)
        # A new dict, because some servers share the state dict between requests.
        published = {"ory_session": session, "session": session, "auth": outcome}
        scope["state"] = state = {**state, **published} if state else published
        scope["user"] = user = _new(SessionUser)
        user._ory_session = session  # noqa: SLF001 - the constructor would take twice the time
        scope["auth"] = auth
        scope[SCOPE_KEY] = self
        return state

    def republish(self, scope: MutableMapping[str, Any], outcome: Outcome) -> None:
        """Replace the published outcome, but not the objects of other libraries at the same names.

        Without the middleware, this publishes the first outcome, too.
        """
        state = scope.get("state") or {}
        if SCOPE_KEY not in scope:
            if "user" not in scope and "auth" not in scope and _STATE_NAMES.isdisjoint(state):
                self.publish(scope, outcome)
                return
            state = {**state}  # see publish()
        auth = SessionAuth(outcome) if self.auth is None else self.auth
        self.outcome = outcome
        scope["state"] = state
        published = {"ory_session": auth.session, "session": auth.session, "auth": outcome}
        state.update(
            {name: value for name, value in published.items() if not _is_foreign(state.get(name), _STATE[name])}
        )
        if not _is_foreign(scope.get("user"), SessionUser):
            scope["user"] = SessionUser(auth.session)
        if not _is_foreign(scope.get("auth"), SessionAuth):
            scope["auth"] = auth
        scope[SCOPE_KEY] = self


def get_scope(connection: Any) -> MutableMapping[str, Any]:
    """Return the ASGI scope of a connection, which may be a scope itself."""
    scope: MutableMapping[str, Any] = getattr(connection, "scope", connection)
    return scope


def get_auth_context(scope: Mapping[str, Any]) -> AuthContext | None:
    """Return the auth context of the innermost middleware, or None without a middleware."""
    context: AuthContext | None = scope.get(SCOPE_KEY)
    return context


def require_auth_context(scope: Mapping[str, Any]) -> AuthContext:
    """Return the auth context of the innermost middleware.

    Raises:
        ConfigurationError: If the middleware is not installed.
    """
    context: AuthContext | None = scope.get(SCOPE_KEY)
    if context is None:
        raise missing_middleware_error()
    return context


def missing_middleware_error() -> ConfigurationError:
    """Return the error for a request without an auth context."""
    return ConfigurationError(
        "OrySessionMiddleware is not installed for this route: add it with "
        "app.add_middleware(OrySessionMiddleware, guard=guard), or install(app, guard) for FastAPI"
    )


def detach_scope(scope: MutableMapping[str, Any], context: AuthContext | None = None) -> MutableMapping[str, Any]:
    """Return a copy of the scope for another credential than the request's.

    Objects that are published in the copy do not change `request.state`, `request.user` or `request.auth`.

    Args:
        scope: The scope of the request.
        context: The auth context of the other credential, or None to authenticate the headers of the copy.
    """
    outer = get_auth_context(scope)
    if outer is not None:
        outer.is_private = True
    copy = {**scope, "state": {}, OUTER_KEY: outer}
    if context is None:
        copy.pop(SCOPE_KEY, None)
    else:
        copy[SCOPE_KEY] = context
    return copy


def current_url(settings: GuardSettings, scope: Mapping[str, Any]) -> str | None:
    """Return the public URL of the request, or None without `app_url`."""
    if settings.app_url is None:
        return None
    context = get_auth_context(scope)
    if context is None:
        return request_url(settings, scope, scope["path"], scope.get("root_path", ""))
    return request_url(settings, scope, context.path, context.root_path)


def _is_foreign(value: object, own: Any) -> bool:
    return value is not None and not isinstance(value, own)


def _foreign_objects(scope: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name and the type of each object of another library at a published name."""
    state = scope.get("state") or {}
    names = [(f"request.state.{name}", state.get(name), own) for name, own in _STATE.items()]
    names += [("request.user", scope.get("user"), SessionUser), ("request.auth", scope.get("auth"), SessionAuth)]
    for name, value, own in names:
        if _is_foreign(value, own):
            kind = type(value)
            is_builtin = kind.__module__ == "builtins"
            yield name, kind.__name__ if is_builtin else f"{kind.__module__}.{kind.__qualname__}"


def reject_foreign_objects(scope: Mapping[str, Any]) -> None:
    """Reject a scope that has an object of another library at a name that `publish()` sets.

    Raises:
        ConfigurationError: If there is such an object.
    """
    for name, kind in _foreign_objects(scope):
        if name.startswith("request.state."):
            fix = (
                "store it in the lifespan state or in request.state under another name than session, ory_session "
                "and auth, or add the middleware that sets it before OrySessionMiddleware, so that it runs inside"
            )
        else:
            fix = (
                "add the middleware that sets it before OrySessionMiddleware, so that it runs inside, or remove it"
            )
        raise ConfigurationError(f"{name} holds an object of {kind} before OrySessionMiddleware sets it: {fix}")


def log_replaced_objects(scope: Mapping[str, Any]) -> None:
    """Log each published name that another library has overwritten, once per name and type."""
    for name, kind in _foreign_objects(scope):
        if (name, kind) not in _reported:
            _reported.add((name, kind))
            _log.warning(
                "scope.replaced place=%s type=%s: it is not the session; dependencies and require() don't read it",
                name,
                kind,
            )


def header_value(scope: Mapping[str, Any], name: bytes) -> bytes | None:
    """Return the value of a request header; repeated values are joined, so that the result equals none of them."""
    values = [value for key, value in scope["headers"] if key == name]
    return b", ".join(values) if values else None
