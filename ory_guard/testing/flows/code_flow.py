"""Common behavior of recovery and verification: a one-time code is sent to an address."""

from abc import abstractmethod
from typing import Any, ClassVar, Literal

from ory_guard.testing.flows.flow import FakeFlow, FlowEndpoints, InvalidFlowError
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import input_node, submit_node
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import FakeResponse
from ory_guard.testing.store.records import Identity

__all__ = ["CodeFlowEndpoints"]


class CodeFlowEndpoints(FlowEndpoints):
    """Flows that ask for an address and then for the code sent to it."""

    code_sent_message: ClassVar[int]
    code_wrong_message: ClassVar[int]
    no_method_message: ClassVar[int]
    code_label: ClassVar[int]

    def create(self, request: FakeRequest, kind: Literal["api", "browser"]) -> FakeFlow:
        """Create a flow that asks for the address."""
        flow = self.new_flow(request, kind)
        flow.active = "code"
        flow.ui.set_node(input_node("code", "email", "email", label=message(1070007), required=True))
        flow.ui.set_node(submit_node("code", "code", 1070009))
        return flow

    def submit(self, request: FakeRequest, flow: FakeFlow) -> FakeResponse:
        """Accept an address or a code."""
        self.require_not_expired(request, flow)
        fields = self.fields(request, flow)
        code, email = fields.get("code"), fields.get("email")
        if fields.get("method") != "code" and not code and not email:
            flow.ui.add_error(self.no_method_message)
            raise InvalidFlowError(flow)
        self.require_csrf(request, flow, fields)
        if code and flow.state == "sent_email":
            return self._submit_code(request, flow, code)
        if isinstance(email, str) and email:
            self.start_challenge(flow, email.strip().lower())
            return self.render(request, flow, **self.extra_after_sending())
        missing = "code" if flow.state == "sent_email" else "email"
        flow.ui.add_error(4000002, {"property": missing}, at=missing)
        raise InvalidFlowError(flow)

    def _submit_code(self, request: FakeRequest, flow: FakeFlow, code: object) -> FakeResponse:
        expected = flow.internal.get("code")
        expired = self.server.now() >= flow.internal.get("code_expires_at", 0)
        identity = self.server.store.identities.get(flow.internal.get("identity_id", ""))
        if expected is None or expired or code != expected or identity is None:
            flow.ui.add_error(self.code_wrong_message)
            return self.render(request, flow, transient_payload={})
        del flow.internal["code"]
        flow.state = "passed_challenge"
        return self.complete(request, flow, identity)

    def start_challenge(self, flow: FakeFlow, email: str) -> None:
        """Send a code if the address is known, and show the code form in any case."""
        flow.state = "sent_email"
        flow.internal.pop("code", None)
        self.send_code(flow, email)
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

    def extra_after_sending(self) -> dict[str, Any]:
        """Return fields that are shown only directly after sending a code."""
        return {}
