"""What the guard keeps in an ASGI scope: the check of this request, and what applications read of it.

Nothing kept here refers back to the scope: such a cycle would make every request garbage for the collector.
"""

import logging
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from math import inf
from typing import Any, Final

from ory_guard.exceptions import (
    ConfigurationError,
    Refusal,
)
from ory_guard.guard.requirements import Requirement
from ory_guard.guard.responses.redirects import request_url
from ory_guard.guard.settings import GuardSettings
from ory_guard.models.credential import Credential, Header
from ory_guard.models.outcomes import (
    Outcome,
    SessionAuth,
    SessionUser,
)
from ory_guard.models.session import Session

__all__ = [
    "OUTER",
    "SCOPE_KEY",
    "AuthContext",
    "attach",
    "current_url",
    "detached",
    "get_auth_context",
    "get_scope",
    "header",
    "publish",
    "refuse_foreign",
    "report_replaced",
]

_log = logging.getLogger("ory_guard")

SCOPE_KEY: Final = "ory_guard"
"""Where in the scope the check is."""

OUTER: Final = "ory_guard.outer"
"""Where in a detached scope the check of the request itself is."""

_STATE: Final[Mapping[str, Any]] = {"ory_session": Session, "session": Session, "auth": Outcome}
_STATE_NAMES: Final = frozenset(_STATE)
_reported: Final[set[tuple[str, str]]] = set()


class AuthContext:
    """What is known about the authentication of one request.

    Attributes:
        guard: The guard that authenticated the request.
        scope_id: The `id` of the request's scope, which identifies it among its copies; 0 after the request.
        path: `scope["path"]` at the middleware; routers and mounts change it.
        root_path: `scope["root_path"]` at the middleware.
        outcome: The outcome; None until the session check has ended.
        view: The `request.auth` of the outcome if it was cached.
        credential_headers: The request's headers that can carry a credential.
        credential: The credential, or None.
        key: The cache key of a valid credential.
        request_time: When Kratos was asked, on the monotonic clock.
        resolved_at: When the outcome was found, on the monotonic clock.
        from_upstream: Whether this request itself waited for Kratos.
        is_exempt: Whether the path is exempt, so that no credential was read.
        granted: Whether a requirement was met.
        denied: Whether a requirement was not met.
        refusal: The latest refusal, until the application returns.
        held: The held messages of a 500 response that may have been made of the refusal.
        is_private: Whether the response may depend on the credential (`Cache-Control: private`).
        requirements: The requirements that were met.
        set_cookies: Kratos' `Set-Cookie` values for the response.
        websocket_accepted: Whether the websocket was accepted.
        response_started: Whether the response has started.
    """

    # Most requests never change these, so they are not written for each.
    outcome: Outcome | None = None
    view: SessionAuth | None = None
    credential_headers: Sequence[Header] = ()
    credential: Credential | None = None
    key: bytes | None = None
    request_time: float = 0.0
    resolved_at: float = inf
    from_upstream = False
    is_exempt = False
    granted = False
    denied = False
    refusal: Refusal | None = None
    held: tuple[Any, ...] = ()
    is_private = False
    requirements: tuple[Requirement, ...] = ()
    set_cookies: tuple[bytes, ...] = ()
    websocket_accepted = False
    response_started = False

    def __init__(self, guard: Any, scope: Mapping[str, Any]) -> None:
        self.guard = guard
        self.scope_id = id(scope)
        self.path: str = scope["path"]
        self.root_path: str = scope.get("root_path", "")


def get_scope(connection: Any) -> MutableMapping[str, Any]:
    """Return the ASGI scope of a connection that may be the scope itself."""
    scope: MutableMapping[str, Any] = getattr(connection, "scope", connection)
    return scope


def get_auth_context(scope: Mapping[str, Any]) -> AuthContext | None:
    """Return the check that the innermost middleware made of this request, if there is one."""
    check: AuthContext | None = scope.get(SCOPE_KEY)
    return check


def detached(scope: MutableMapping[str, Any], check: AuthContext | None = None) -> MutableMapping[str, Any]:
    """Return a copy of the scope in which another credential than the request's can be checked.

    Nothing that is published in the copy reaches `request.state`, `request.user` or `request.auth`.

    Args:
        scope: The request.
        check: The check of the other credential, or None to check the headers of the copy.
    """
    outer = get_auth_context(scope)
    if outer is not None:
        outer.is_private = True
    copy = {**scope, "state": {}, OUTER: outer}
    if check is None:
        copy.pop(SCOPE_KEY, None)
    else:
        copy[SCOPE_KEY] = check
    return copy


def current_url(settings: GuardSettings, scope: Mapping[str, Any]) -> str | None:
    """Return the request's own URL as browsers know it, or None where the application's is not set."""
    if settings.app_url is None:
        return None
    check = get_auth_context(scope)
    if check is None:
        return request_url(settings, scope, scope["path"], scope.get("root_path", ""))
    return request_url(settings, scope, check.path, check.root_path)


def attach(scope: MutableMapping[str, Any], check: AuthContext, outcome: Outcome) -> None:
    """Put the outcome of a request that no guard has seen where applications read it.

    `request.state.ory_session` and its alias `request.state.session` are the session or None, `request.state.auth`
    is the outcome, `request.user` and `request.auth` are Starlette's.

    Raises:
        ConfigurationError: If another object is already at one of these places.
    """
    view = SessionAuth(outcome) if check.view is None else check.view
    session = view.session
    check.outcome = outcome
    state = scope.get("state")
    if "user" in scope or "auth" in scope or (state and not _STATE_NAMES.isdisjoint(state)):
        refuse_foreign(scope)
    # Always a new dict: some servers share one between requests.
    ours = {"ory_session": session, "session": session, "auth": outcome}
    scope["state"] = {**state, **ours} if state else ours
    scope["user"] = SessionUser(session)
    scope["auth"] = view
    scope[SCOPE_KEY] = check


def publish(scope: MutableMapping[str, Any], check: AuthContext, outcome: Outcome) -> None:
    """Replace the published outcome by a newer one; objects of others at the same places stay.

    A request that no middleware has seen gets its first outcome here.
    """
    view = SessionAuth(outcome) if check.view is None else check.view
    check.outcome = outcome
    state = scope.get("state") or {}
    if SCOPE_KEY not in scope:
        state = {**state}  # see attach
    scope["state"] = state
    ours = {"ory_session": view.session, "session": view.session, "auth": outcome}
    state.update({name: value for name, value in ours.items() if not _is_foreign(state.get(name), _STATE[name])})
    if not _is_foreign(scope.get("user"), SessionUser):
        scope["user"] = SessionUser(view.session)
    if not _is_foreign(scope.get("auth"), SessionAuth):
        scope["auth"] = view
    scope[SCOPE_KEY] = check


def _is_foreign(value: object, own: Any) -> bool:
    return value is not None and not isinstance(value, own)


def _foreign_objects(scope: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    state = scope.get("state") or {}
    places = [(f"request.state.{name}", state.get(name), own) for name, own in _STATE.items()]
    places += [("request.user", scope.get("user"), SessionUser), ("request.auth", scope.get("auth"), SessionAuth)]
    for place, value, own in places:
        if _is_foreign(value, own):
            kind = type(value)
            yield (
                place,
                kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}",
            )


def refuse_foreign(scope: Mapping[str, Any]) -> None:
    """Refuse a scope in which an object of another library is at a place where `attach` writes.

    Raises:
        ConfigurationError: If there is one.
    """
    for place, kind in _foreign_objects(scope):
        if place.startswith("request.state."):
            fix = (
                "store it in the lifespan state or in request.state under another name than session, ory_session "
                "and auth, or add the middleware that sets it before OrySessionMiddleware, so that it runs inside"
            )
        else:
            fix = (
                "add the middleware that sets it before OrySessionMiddleware, so that it runs inside, or remove it"
            )
        raise ConfigurationError(f"{place} holds an object of {kind} before OrySessionMiddleware sets it: {fix}")


def report_replaced(scope: Mapping[str, Any]) -> None:
    """Log each place of `attach` that another library has overwritten, once for each type."""
    for place, kind in _foreign_objects(scope):
        if (place, kind) not in _reported:
            _reported.add((place, kind))
            _log.warning(
                "scope.replaced place=%s type=%s: it is not the session; gates and guard.require() don't read it",
                place,
                kind,
            )


def header(scope: Mapping[str, Any], name: bytes) -> bytes | None:
    """Return a request header; values of a repeated one are joined, so that they match nothing single."""
    found = [value for key, value in scope["headers"] if key == name]
    return b", ".join(found) if found else None
