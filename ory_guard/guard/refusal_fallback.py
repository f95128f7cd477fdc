"""Records the refusal of a request, so that it becomes the response if the application does not handle it."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ory_guard.exceptions import Refusal
from ory_guard.guard.context import OUTER_KEY, AuthContext
from ory_guard.guard.responses.refusals import find_redirect, refusal_response, register_refusal_handler
from ory_guard.guard.send_wrapper import ResponseContext

if TYPE_CHECKING:
    from ory_guard.guard.guard import OryGuard

__all__ = ["record_refusal"]


def record_refusal(
    guard: "OryGuard", scope: Mapping[str, Any], context: AuthContext | None, refusal: Refusal
) -> None:
    """Record a refusal in the auth context of the request, and register Starlette exception handlers for it.

    Args:
        guard: The guard that refuses the request.
        scope: The request.
        context: The auth context with the refused credential; None without the middleware.
        refusal: The refusal, before it is raised.
    """
    refusal.guard = guard
    refusal._find_redirect = partial(find_redirect, scope, guard.settings)  # noqa: SLF001 - not for applications
    recorded: AuthContext | None = scope.get(OUTER_KEY, context)
    if recorded is None:  # the application authenticates without the middleware
        return
    recorded.denied, recorded.granted, recorded.refusal = True, False, _without_request(refusal)
    if isinstance(recorded, ResponseContext) and scope["type"] == "websocket":
        recorded.denial = refusal_response(refusal, scope, recorded).messages(scope)
    register_refusal_handler(scope)


def _without_request(refusal: Refusal) -> Refusal:
    """Return a copy without the traceback, whose frames refer to the scope."""
    copy = type(refusal).__new__(type(refusal), *refusal.args)
    copy.__dict__.update(refusal.__dict__, _find_redirect=None)
    return copy
