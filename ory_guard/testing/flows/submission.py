"""A submission to a flow, as the methods process it."""

from dataclasses import dataclass
from typing import Any, cast

from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.flow_endpoints import FlowEndpoints
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.store.records import Session

__all__ = ["Submission"]


@dataclass(frozen=True, slots=True)
class Submission:
    """The fields that a client submitted to a flow.

    Attributes:
        endpoints: The operations of the flow.
        request: The request.
        flow: The flow.
        fields: The decoded fields.
        session: The session of the request, or None.
    """

    endpoints: FlowEndpoints
    request: FakeRequest
    flow: FakeFlow
    fields: dict[str, Any]
    session: Session | None = None

    @property
    def current_session(self) -> Session:
        """The session, in flows that require one: settings, and the second factor of a login."""
        return cast("Session", self.session)

    def require_csrf(self) -> None:
        """Check the anti-CSRF token of a browser flow, and that a native flow is not submitted by a browser."""
        self.endpoints.require_csrf(self.request, self.flow, self.fields)

    def rejected(
        self, message_id: int, context: dict[str, Any] | None = None, *, at: str | None = None
    ) -> InvalidFlowError:
        """Add an error to the form, and return the exception that shows it."""
        self.flow.ui.add_error(message_id, context, at=at)
        return InvalidFlowError(self.flow)
