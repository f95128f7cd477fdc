"""The web hooks of flows: their data, and the responses if they fail."""

from collections.abc import Callable
from typing import Any, Literal

from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.unexpected_error import unexpected_error
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError
from ory_guard.testing.server.state import Server
from ory_guard.testing.web_hooks.responses import HookFailedError, HookRejectedError
from ory_guard.testing.web_hooks.web_hooks import HookContext

__all__ = ["hook_context", "hook_error", "run_before_hooks", "show_messages"]

Phase = Literal["before", "after"]


def hook_context(
    server: Server,
    request: FakeRequest,
    flow: dict[str, Any],
    identity: dict[str, Any] | None = None,
    session: dict[str, Any] | None = None,
) -> HookContext:
    """Return the data for the hooks of a flow, from the documents of the flow, the identity and the session."""
    query = f"?{request.query_string}" if request.query_string else ""
    return HookContext(request, f"{server.url(request.path)}{query}", flow, identity, session)


def run_before_hooks(
    server: Server, request: FakeRequest, flow: FakeFlow, make_context: Callable[[], HookContext]
) -> None:
    """Send the hooks before a flow.

    Raises:
        ApiError: If one fails.
    """
    try:
        server.web_hooks.before(flow.name, make_context)
    except (HookFailedError, HookRejectedError) as error:
        raise hook_error(error, request, flow, "before") from error


def hook_error(
    error: HookFailedError | HookRejectedError, request: FakeRequest, flow: FakeFlow, phase: Phase = "after"
) -> ApiError:
    """Return the error for a hook that failed."""
    if isinstance(error, HookFailedError) and error.status != 500:
        return ApiError(error.status, reason=error.reason, message=str(error))
    if phase == "before" and not (flow.native and flow.name == "login"):
        return ApiError(500, message=str(error))
    return unexpected_error(request, flow, str(error))


def show_messages(flow: FakeFlow, error: HookRejectedError) -> InvalidFlowError:
    """Add the messages of a receiver to the form, and return the exception that shows it."""
    for name, message in error.messages:
        flow.ui.add_message(message, at=name or None)
    return InvalidFlowError(flow)
