"""Common behavior of recovery and verification: a one-time code is sent to an address."""

from abc import abstractmethod
from typing import Any, ClassVar, Final, Literal

from ory_guard.testing.flows.flow import FakeFlow, FlowEndpoints, InvalidFlowError
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import input_node, submit_node
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.store.email_format import is_email
from ory_guard.testing.store.records import Identity
from ory_guard.testing.store.schema_errors import email_error

__all__ = ["CodeFlowEndpoints"]

MAX_SUBMISSIONS: Final = 5


class CodeFlowEndpoints(FlowEndpoints):
    """Flows that ask for an address and then for the code sent to it."""

    code_sent_message: ClassVar[int]
    code_wrong_message: ClassVar[int]
    no_method_message: ClassVar[int]
    code_label: ClassVar[int]

    def create(self, request: FakeRequest, kind: Literal["api", "browser"]) -> FakeFlow:
        """Create a flow that asks for the address."""
        return self.create_flow(request, kind)

    def create_flow(self, request: FakeRequest, kind: Literal["api", "browser"]) -> FakeFlow:
        """Create a flow that asks for the address, whether or not the request has a session."""
        flow = self.new_flow(request, kind)
        flow.active = "code"
        flow.ui.set_node(input_node("code", "email", "email", label=message(1070007), required=True))
        flow.ui.set_node(submit_node("code", "code", 1070009))
        return flow

    def fields(self, request: FakeRequest, flow: FakeFlow) -> dict[str, Any]:
        """Return the fields of the body and of the query. An invalid address shows the form again."""
        fields = {**self.read_fields(request, flow), **request.query}
        email = fields.get("email")
        if email and not is_email(email):
            flow.ui.reset()
            flow.active = "code"
            message_id, context = email_error(email)
            flow.ui.add_error(message_id, context, at="email")
            raise InvalidFlowError(flow)
        return fields

    def restart(self, request: FakeRequest, flow: FakeFlow) -> FakeFlow:
        """Create a flow that replaces an expired one."""
        return self.create_flow(request, flow.type)

    def expired_response(self, request: FakeRequest, flow: FakeFlow) -> FakeResponse | None:
        """Return the response to a submission of an expired flow, or None if the flow has not expired.

        Raises:
            ApiError: If browsers are redirected to the page, or apps get the error.
        """
        try:
            self.require_not_expired(request, flow)
        except ApiError as error:
            if not request.prefers_json or not self.redirects_expired(flow, error):
                raise
            location = self.server.url(f"{self.path}/flows", id=error.extra["use_flow_id"])
            return FakeResponse.redirect(request.method, location)
        return None

    def redirects_expired(self, flow: FakeFlow, error: ApiError) -> bool:  # noqa: ARG002 - used by recovery
        """Return whether scripts and apps are redirected to the flow that replaces an expired one."""
        return True

    def reject_method(self, flow: FakeFlow) -> InvalidFlowError:
        """Return the error for a submission that no method is responsible for."""
        flow.active = "default"
        flow.ui.add_error(self.no_method_message)
        return InvalidFlowError(flow)

    def submit_code(self, request: FakeRequest, flow: FakeFlow, fields: dict[str, Any]) -> FakeResponse:
        """Check a code. A flow accepts five codes, and each code once."""
        flow.internal["submissions"] = flow.internal.get("submissions", 0) + 1
        if flow.internal["submissions"] > MAX_SUBMISSIONS:
            return self.replace(request, flow, "The request was submitted too often. Please request another code.")
        expected = flow.internal.get("code")
        code = fields.get("code")
        if code is not None and code == flow.internal.get("used_code"):
            return self.replace(request, flow, "The code was already used. Please request another code.")
        expired = self.server.now() >= flow.internal.get("code_expires_at", 0)
        identity = self.server.store.identities.get(flow.internal.get("identity_id", ""))
        if expected is None or expired or code != expected or identity is None:
            flow.ui.add_error(self.code_wrong_message)
            return self.render(request, flow, transient_payload=fields.get("transient_payload", {}))
        flow.internal["used_code"] = flow.internal.pop("code")
        flow.state = "passed_challenge"
        return self.complete(request, flow, identity)

    def submit_email(self, request: FakeRequest, flow: FakeFlow, fields: dict[str, Any]) -> FakeResponse:
        """Send a code to an address."""
        email = fields.get("email")
        if not email:
            flow.ui.add_error(4000002, {"property": "email"}, at="email")
            raise InvalidFlowError(flow)
        self.require_csrf(request, flow, fields)
        self.start_challenge(flow, email)
        return self.render(request, flow, **self.extra_after_sending(fields))

    def new_replacement(self, request: FakeRequest, flow: FakeFlow) -> FakeFlow:
        """Return a new flow with a new anti-CSRF token."""
        request.renew_csrf()
        return self.create_flow(request, flow.type)

    def start_challenge(self, flow: FakeFlow, email: str) -> None:
        """Send a code if the address is known, and show the code form in any case."""
        flow.state = "sent_email"
        flow.internal.pop("code", None)
        self.send_code(flow, email.strip().lower())
        self.show_code_form(flow, email)
        flow.ui.messages.append(message(self.code_sent_message))

    def store_code(self, flow: FakeFlow, code: str, identity_id: str) -> None:
        """Store the expected code and the identity it was sent to."""
        until = self.server.after(self.server.settings.code_lifespan)
        flow.internal |= {"code": code, "code_expires_at": until, "identity_id": identity_id}

    @abstractmethod
    def send_code(self, flow: FakeFlow, email: str) -> None:
        """Send a code to the address if it is known."""

    @abstractmethod
    def show_code_form(self, flow: FakeFlow, email: str) -> None:
        """Replace the form with one that asks for the code."""

    @abstractmethod
    def complete(self, request: FakeRequest, flow: FakeFlow, identity: Identity) -> FakeResponse:
        """Complete the flow after a correct code."""

    def code_attributes(self) -> dict[str, Any]:
        """Return the attributes of the code field that releases omit."""
        return {} if self.server.settings.is_release else {"autocomplete": "one-time-code"}

    @abstractmethod
    def replace(self, request: FakeRequest, flow: FakeFlow, reason: str) -> FakeResponse:
        """Respond with a new flow, because this one accepts no more codes."""

    def extra_after_sending(self, fields: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - used by recovery
        """Return fields that are shown only directly after sending a code."""
        return {}
