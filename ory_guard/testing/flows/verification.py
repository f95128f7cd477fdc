"""Address verification by code."""

from typing import ClassVar, Literal

from ory_guard.testing.flows.code_flow import CodeFlowEndpoints
from ory_guard.testing.flows.flow import FakeFlow
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import csrf_node, input_node, node, submit_node
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
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

    def create(self, request: FakeRequest, kind: Literal["api", "browser"]) -> FakeFlow:
        """Create a verification flow. The anti-CSRF token comes last; native flows have none."""
        flow = super().create(request, kind)
        token = flow.ui.nodes.pop(0)
        if kind == "browser":
            flow.ui.nodes.append(token)
        return flow

    def create_for_address(self, request: FakeRequest, source: FakeFlow, address: Address) -> FakeFlow:
        """Create a flow and send its code, as registration does."""
        flow = self.create(request, source.type)
        flow.request_url, flow.return_to = source.request_url, source.return_to
        self.start_challenge(flow, address.value)
        return flow

    def send_code(self, flow: FakeFlow, email: str) -> None:
        """Send a code if an identity has this verifiable address."""
        match = self._find_address(email)
        if match is None:
            return
        identity, address = match
        code = self.server.send_code(address.value, "verification_code_valid", "Verify your address")
        address.status = "sent"
        self.store_code(flow, code, identity.id)
        flow.internal["address"] = address

    def show_code_form(self, flow: FakeFlow, email: str) -> None:
        """Show the form for the code, with a button to send it again."""
        ui = flow.ui
        ui.nodes = [
            input_node("code", "method", "hidden", "code"),
            input_node(
                "code",
                "code",
                "text",
                label=message(self.code_label),
                required=True,
                **self.code_attributes(),
            ),
            submit_node("code", "code", 1070009),
        ]
        if not flow.native:
            ui.nodes.append(csrf_node(self.csrf_token(flow)))
        ui.nodes.append(submit_node("code", email, 1070008, "email"))

    def create_browser(self, request: FakeRequest) -> FakeResponse:
        """`create_browser_verification_flow`: unlike other flows, errors are JSON for browsers, too."""
        try:
            return super().create_browser(request)
        except ApiError:
            request.json_only = True
            raise

    def complete(self, request: FakeRequest, flow: FakeFlow, identity: Identity) -> FakeResponse:  # noqa: ARG002 - used by recovery
        """Mark the address as verified and show a link to continue."""
        address = flow.internal["address"]
        address.mark_verified(self.server.now())
        location = flow.return_to or self.server.settings.verification_return_url
        title = message(1070009)
        flow.ui.action, flow.ui.method = location, "GET"
        flow.ui.nodes = [
            csrf_node(self.csrf_token(flow)),
            node("a", "code", {"href": location, "title": title, "id": "continue"}, title),
        ]
        flow.ui.messages = [message(1080002)]
        return self.render(request, flow)

    def _find_address(self, email: str) -> tuple[Identity, Address] | None:
        for identity in self.server.store.identities.values():
            for address in identity.verifiable_addresses:
                if address.value == email:
                    return identity, address
        return None
