"""Verification of an address by code."""

from typing import ClassVar, Literal

from ory_guard.testing.flows.code_flow import CodeFlowEndpoints
from ory_guard.testing.flows.flow import Flow
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import csrf_node, input_node, node, submit_node
from ory_guard.testing.server.request import Exchange
from ory_guard.testing.server.response import Answer
from ory_guard.testing.store.records import Address, Identity

__all__ = ["VerificationEndpoints"]


class VerificationEndpoints(CodeFlowEndpoints):
    """The operations of verification flows."""

    name: ClassVar[str] = "verification"
    expired_message: ClassVar[int] = 4070005
    code_sent_message: ClassVar[int] = 1080003
    code_wrong_message: ClassVar[int] = 4070006
    no_method_message: ClassVar[int] = 4010006
    code_label: ClassVar[int] = 1070011

    def begin(self, exchange: Exchange, kind: Literal["api", "browser"]) -> Flow:
        """Make a verification flow; its anti-CSRF token stands last, and native ones have none."""
        flow = super().begin(exchange, kind)
        token = flow.ui.nodes.pop(0)
        if kind == "browser":
            flow.ui.nodes.append(token)
        return flow

    def sent_for(self, exchange: Exchange, after: Flow, address: Address) -> Flow:
        """Begin a flow whose code is on its way already, as registration does."""
        flow = self.begin(exchange, after.type)
        flow.request_url, flow.return_to = after.request_url, after.return_to
        self.send(flow, address.value)
        return flow

    def deliver(self, flow: Flow, email: str) -> None:
        """Send a code to an address that some identity wants verified."""
        found = self._find(email)
        if found is None:
            return
        identity, address = found
        code = self.server.send_code(address.value, "verification_code_valid", "Verify your address")
        address.status = "sent"
        self.keep_code(flow, code, identity.id)
        flow.internal["address"] = address

    def ask_for_code(self, flow: Flow, email: str) -> None:
        """Ask for the code, or for it to be sent again."""
        ui = flow.ui
        ui.nodes = [
            input_node("code", "method", "hidden", "code"),
            input_node(
                "code",
                "code",
                "text",
                label=message(self.code_label),
                required=True,
                autocomplete="one-time-code",
            ),
            submit_node("code", "code", 1070009),
        ]
        if not flow.native:
            ui.nodes.append(csrf_node(self.csrf_token(flow)))
        ui.nodes.append(submit_node("code", email, 1070008, "email"))

    def passed(self, exchange: Exchange, flow: Flow, identity: Identity) -> Answer:  # noqa: ARG002 - recovery needs the identity
        """Mark the address verified and show the way on."""
        address = flow.internal["address"]
        address.verified, address.verified_at = True, self.server.now()
        location = flow.return_to or self.server.settings.verification_return_url
        title = message(1070009)
        flow.ui.action, flow.ui.method = location, "GET"
        flow.ui.nodes = [
            csrf_node(self.csrf_token(flow)),
            node("a", "code", {"href": location, "title": title, "id": "continue"}, title),
        ]
        flow.ui.messages = [message(1080002)]
        return self.show(exchange, flow)

    def _find(self, email: str) -> tuple[Identity, Address] | None:
        for identity in self.server.store.identities.values():
            for address in identity.verifiable_addresses:
                if address.value == email:
                    return identity, address
        return None
