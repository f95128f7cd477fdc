"""What recovery and verification share: a one-time code that is sent to an address."""

from abc import abstractmethod
from typing import Any, ClassVar, Literal

from ory_guard.testing.flows.flow import Flow, FlowEndpoints, InvalidFlowError
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import input_node, submit_node
from ory_guard.testing.server.request import Exchange
from ory_guard.testing.server.response import Answer
from ory_guard.testing.store.records import Identity

__all__ = ["CodeFlowEndpoints"]


class CodeFlowEndpoints(FlowEndpoints):
    """Flows that go from an address over a code to their end."""

    code_sent_message: ClassVar[int]
    code_wrong_message: ClassVar[int]
    no_method_message: ClassVar[int]
    code_label: ClassVar[int]

    def begin(self, exchange: Exchange, kind: Literal["api", "browser"]) -> Flow:
        """Make a flow that asks for the address."""
        flow = self.new_flow(exchange, kind)
        flow.active = "code"
        flow.ui.put(input_node("code", "email", "email", label=message(1070007), required=True))
        flow.ui.put(submit_node("code", "code", 1070009))
        return flow

    def proceed(self, exchange: Exchange, flow: Flow) -> Answer:
        """Take an address or a code."""
        self.require_fresh(exchange, flow)
        fields = self.fields(exchange, flow)
        code, email = fields.get("code"), fields.get("email")
        if fields.get("method") != "code" and not code and not email:
            flow.ui.complain(self.no_method_message)
            raise InvalidFlowError(flow)
        self.require_csrf(exchange, flow, fields)
        if code and flow.state == "sent_email":
            return self._take_code(exchange, flow, code)
        if isinstance(email, str) and email:
            self.send(flow, email.strip().lower())
            return self.show(exchange, flow, **self.sent_extra())
        missing = "code" if flow.state == "sent_email" else "email"
        flow.ui.complain(4000002, {"property": missing}, at=missing)
        raise InvalidFlowError(flow)

    def _take_code(self, exchange: Exchange, flow: Flow, code: object) -> Answer:
        expected = flow.internal.get("code")
        expired = self.server.now() >= flow.internal.get("code_expires_at", 0)
        identity = self.server.store.identities.get(flow.internal.get("identity_id", ""))
        if expected is None or expired or code != expected or identity is None:
            flow.ui.complain(self.code_wrong_message)
            return self.show(exchange, flow, transient_payload={})
        del flow.internal["code"]
        flow.state = "passed_challenge"
        return self.passed(exchange, flow, identity)

    def send(self, flow: Flow, email: str) -> None:
        """Send a code if the address is known, and ask for the code in any case."""
        flow.state = "sent_email"
        flow.internal.pop("code", None)
        self.deliver(flow, email)
        self.ask_for_code(flow, email)
        flow.ui.messages.append(message(self.code_sent_message))

    def keep_code(self, flow: Flow, code: str, identity_id: str) -> None:
        """Remember which code the flow waits for, and whose it is."""
        until = self.server.after(self.server.settings.code_lifespan)
        flow.internal |= {"code": code, "code_expires_at": until, "identity_id": identity_id}

    @abstractmethod
    def deliver(self, flow: Flow, email: str) -> None:
        """Send a code to an address that is known."""

    @abstractmethod
    def ask_for_code(self, flow: Flow, email: str) -> None:
        """Replace the form by one that asks for the code."""

    @abstractmethod
    def passed(self, exchange: Exchange, flow: Flow, identity: Identity) -> Answer:
        """Do what a right code is for."""

    def sent_extra(self) -> dict[str, Any]:
        """Return what the answer shows only right after a code was sent."""
        return {}
