"""What the guard keeps in an ASGI scope: the check of this request, and what applications read of it.

Nothing kept here refers back to the scope: such a cycle would make every request garbage for the collector.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from math import inf
from typing import Any, Final

from ory_guard.credentials import Credential, Header
from ory_guard.exceptions import ConfigurationError
from ory_guard.looks import Look
from ory_guard.outcomes import Outcome
from ory_guard.policy import Requirement
from ory_guard.redirects import request_url
from ory_guard.settings import GuardSettings
from ory_guard.view import SessionView

__all__ = ["CHECK", "Check", "check_in", "page_url", "publish", "scope_of"]

CHECK: Final = "ory_guard"
"""Where in the scope the check is."""


class Check:
    """One request's session check.

    Attributes:
        guard: The guard that made it.
        path: `scope["path"]` as first seen: routers and mounts change it.
        root_path: `scope["root_path"]` likewise.
        outcome: Who is there; None until Kratos was asked.
        view: What applications see of it, where that was kept with the session.
        carriers: The headers that can carry a credential, as they came.
        credential: The credential, where there is one.
        key: Its cache key, where it can be sent.
        asked_at: When Kratos was asked, on the monotonic clock.
        looked_at: When the answer was looked up here, on the monotonic clock; where Kratos was asked, when it was.
        waited: Whether this very request waited for Kratos' answer.
        exempt: Whether the path is exempt, so that nothing was asked yet.
        passed: Whether a gate let it pass.
        refused: Whether a gate refused it.
        private: Whether the answer is the caller's alone: a gate asked for the session, or a cookie goes with it.
        requirements: What gates asked for, and got.
        set_cookies: Kratos' `Set-Cookie` values for this request's answer.
        look: What the open connections with this credential know together, where it is watched.
        accepted: Whether the websocket was accepted.
        started: Whether the answer was begun.
    """

    # Most requests never change these, so they are not written for each.
    outcome: Outcome | None = None
    view: SessionView | None = None
    carriers: Sequence[Header] = ()
    credential: Credential | None = None
    key: bytes | None = None
    asked_at: float = 0.0
    looked_at: float = inf
    waited = False
    exempt = False
    passed = False
    refused = False
    private = False
    requirements: tuple[Requirement, ...] = ()
    set_cookies: tuple[bytes, ...] = ()
    look: Look | None = None
    accepted = False
    started = False

    def __init__(self, guard: Any, scope: Mapping[str, Any]) -> None:
        self.guard = guard
        self.path: str = scope["path"]
        self.root_path: str = scope.get("root_path", "")


def scope_of(connection: Any) -> MutableMapping[str, Any]:
    """Return the ASGI scope of a connection that may be the scope itself."""
    scope: MutableMapping[str, Any] = getattr(connection, "scope", connection)
    return scope


def check_in(scope: Mapping[str, Any]) -> Check | None:
    """Return the check that the innermost middleware made of this request, if there is one."""
    check: Check | None = scope.get(CHECK)
    return check


def page_url(settings: GuardSettings, scope: Mapping[str, Any]) -> str | None:
    """Return the request's own URL as browsers know it, or None where the application's is not set."""
    if settings.app_url is None:
        return None
    check = check_in(scope)
    if check is None:
        return request_url(settings, scope, scope["path"], scope.get("root_path", ""))
    return request_url(settings, scope, check.path, check.root_path)


def publish(scope: MutableMapping[str, Any], check: Check, outcome: Outcome) -> None:
    """Put the outcome where applications read it: `request.state`, `request.user`, `request.auth`.

    Raises:
        ConfigurationError: Something else stands at `request.state.session`.
    """
    view = SessionView(outcome) if check.view is None else check.view
    check.outcome = outcome
    if CHECK in scope:
        scope.setdefault("state", {}).update(session=view.user.session, auth=outcome)
    else:
        state = scope.get("state") or {}
        if "session" in state:
            raise ConfigurationError(
                "request.state.session holds something else (lifespan state?): ory_guard keeps the session there, "
                "so the application must use another name"
            )
        # Not every server makes a new dict for each request, and nobody may find another one's session in his.
        scope["state"] = {**state, "session": view.user.session, "auth": outcome}
    scope["user"] = view.user
    scope["auth"] = view
    scope[CHECK] = check
