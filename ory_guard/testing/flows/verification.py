"""Address verification by code."""

from http import HTTPStatus
from typing import Any, ClassVar, Literal

from ory_guard.testing.flows.email_flow import EmailFlowEndpoints
from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import csrf_node, input_node, node, submit_node
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.store.records import Address, Identity
from ory_guard.testing.web_hooks.responses import HookRejectedError

__all__ = ["VerificationEndpoints"]


class VerificationEndpoints(EmailFlowEndpoints):
    """The operations of verification flows."""

    name: ClassVar[str] = "verification"
    expired_message: ClassVar[int] = 4070005
    code_sent_message: ClassVar[int] = 1080003
    code_wrong_message: ClassVar[int] = 4070006
    no_method_message: ClassVar[int] = 4010006
    code_label: ClassVar[int] = 1070011
    link_sent_message: ClassVar[int] = 1080001
    link_wrong_message: ClassVar[int] = 4070001
    link_template: ClassVar[tuple[str, str]] = ("verification_valid", "Verify your address")

    def create_flow(
        self, request: FakeRequest, kind: Literal["api", "browser"], use: str | None = None
    ) -> FakeFlow:
        """Create a verification flow. Before a code, the anti-CSRF token comes last, and native flows have none."""
        flow = super().create_flow(request, kind, use)
        if flow.active == "link":
            return flow
        token = flow.ui.nodes.pop(0)
        if kind == "browser":
            flow.ui.nodes.append(token)
        return flow

    def submit(self, request: FakeRequest, flow: FakeFlow) -> FakeResponse:
        """`update_verification_flow`."""
        if expired := self.expired_response(request, flow):
            return expired
        if flow.active == "link":
            return self._submit_for_link(request, flow)
        if flow.active != "code":
            raise self.reject_method(flow)
        fields = request.query if request.method == "GET" else self.fields(request, flow)
        method = fields.get("method") or ("code" if fields.get("code") else "")
        if method not in {"", "code", "link"}:
            flow.ui.add_error(4000001, {"reason": f'There is no method "{method}".'}, at="method")
            raise InvalidFlowError(flow)
        if method != "code":
            self._show_email(flow, fields)
            raise self.reject_method(flow)
        if flow.state == "passed_challenge":
            return self.replace(request, flow, "The address was already verified.")
        if fields.get("code"):
            if request.method == "GET":
                return self._open_link(request, flow, fields["code"])
            flow.ui.messages = []
            return self.submit_code(request, flow, fields)
        if fields.get("email"):
            flow.ui.reset()
        else:
            self._show_email(flow, fields)
        return self.submit_email(request, flow, fields)

    def _submit_for_link(self, request: FakeRequest, flow: FakeFlow) -> FakeResponse:
        if request.query.get("token"):
            return self.use_link(request, flow)
        fields = self.fields(request, flow)
        flow.ui.reset()
        if fields.get("method") != "link":
            self.show_address(flow, fields.get("email", ""))
            raise self.reject_method(flow)
        if flow.state == "passed_challenge":
            return self.retry_with_link(request, flow, 4070002)
        return self.submit_email_for_link(request, flow, fields)

    def require_csrf(self, request: FakeRequest, flow: FakeFlow, fields: dict[str, Any]) -> None:
        """Check the anti-CSRF token; the form for a browser that submitted a native flow keeps the address."""
        try:
            super().require_csrf(request, flow, fields)
        except InvalidFlowError:
            self._show_email(flow, fields)
            raise

    def prepare_email_error(self, flow: FakeFlow) -> None:
        """Keep the earlier errors: as in Kratos, each invalid address adds one."""

    def restart(self, request: FakeRequest, flow: FakeFlow) -> FakeFlow:
        """Create a flow that replaces an expired one, with a new anti-CSRF token."""
        return self.new_replacement(request, flow)

    def expired_error_id(self, flow: FakeFlow) -> str:
        """Return the id of the error for reading an expired flow, which is empty."""
        return ""

    def _show_email(self, flow: FakeFlow, fields: dict[str, Any]) -> None:
        """Show the field for the address in place of the button to send the code again."""
        email = fields.get("email", "")
        node = input_node("code", "email", "email", email, message(1070007), required=True)
        names = [entry["attributes"]["name"] for entry in flow.ui.nodes]
        flow.ui.nodes[names.index("email")] = node
        flow.ui.set_node(csrf_node(self.csrf_token(flow)))

    def _open_link(self, request: FakeRequest, flow: FakeFlow, code: str) -> FakeResponse:
        """Fill the code of an emailed link into the form, and show the form to the browser that opened the link."""
        if node := flow.ui.find("code"):
            node["attributes"]["value"] = code
        secret = request.renew_csrf()
        if not flow.native:
            flow.csrf_secret = secret
        flow.ui.set_node(csrf_node(self.csrf_token(flow)))
        return FakeResponse.redirect(request.method, self.ui_url(flow))

    def replace(self, request: FakeRequest, flow: FakeFlow, reason: str) -> FakeResponse:
        """Respond with a new flow: scripts and apps get an error that names it."""
        request.json_only = False
        replacement = self.new_replacement(request, flow)
        replacement.ui.add_error(4000001, {"reason": reason})
        raise ApiError(
            410,
            "self_service_flow_replaced",
            "Continue with the new flow.",
            message="the flow was replaced",
            extra={"use_flow_id": replacement.id},
            location=self.ui_url(replacement),
        )

    def create_for_address(self, request: FakeRequest, source: FakeFlow, address: Address) -> FakeFlow:
        """Create a flow and send its code, as registration does."""
        flow = self.create_flow(request, source.type)
        flow.request_url, flow.return_to = source.request_url, source.return_to
        if self.use == "link":
            flow.state = "sent_email"
            self.send_link(flow, address.value)
            flow.ui.nodes.append(submit_node("code", address.value, 1070008, "email"))
        else:
            self.start_challenge(flow, address.value)
        return flow

    def send_link(self, flow: FakeFlow, email: str) -> None:
        """Send a link if an identity has this verifiable address."""
        super().send_link(flow, email)
        if match := self._find_address(email):
            match[1].status = "sent"
            flow.internal["address"] = match[1]

    def find_owner(self, email: str) -> Identity | None:
        """Return the identity with a verifiable address, or None."""
        match = self._find_address(email)
        return match[0] if match else None

    def send_code(self, flow: FakeFlow, email: str) -> None:
        """Send a code if an identity has this verifiable address."""
        match = self._find_address(email)
        if match is None:
            return
        identity, address = match
        code = self.server.send_code(
            [address.value],
            "verification_code_valid",
            "Verify your address",
            lambda code: self.server.url(self.path, code=code, flow=flow.id),
        )
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

    def responds_with_json(self, request: FakeRequest, status: int) -> bool:
        """Return whether a submission is answered with JSON: without errors, only by the Accept header."""
        return request.accepts_json if status == HTTPStatus.OK else super().responds_with_json(request, status)

    def create_browser(self, request: FakeRequest) -> FakeResponse:
        """`create_browser_verification_flow`: unlike other flows, most errors are JSON for browsers, too."""
        self.require_flow_enabled()
        try:
            return super().create_browser(request)
        except ApiError:
            request.json_only = True
            raise

    def complete(self, request: FakeRequest, flow: FakeFlow, identity: Identity) -> FakeResponse:
        """Mark the address as verified and show a link to continue."""
        return self._complete(request, flow, identity, "code")

    def complete_by_link(self, request: FakeRequest, flow: FakeFlow, identity: Identity) -> FakeResponse:
        """Mark the address as verified and show a link to continue to the browser that opened the link."""
        request.json_only = False  # the browser may have opened the link of a native flow
        return self._complete(request, flow, identity, "link")

    def _complete(self, request: FakeRequest, flow: FakeFlow, identity: Identity, group: str) -> FakeResponse:
        address = flow.internal["address"]
        address.mark_verified(self.server.now())
        address.status = "completed"
        location = flow.return_to or self.server.settings.verification_return_url
        title = message(1070009)
        flow.ui.action, flow.ui.method = location, "GET"
        flow.ui.nodes = [
            csrf_node(self.csrf_token(flow)),
            node("a", group, {"href": location, "title": title, "id": "continue"}, title),
        ]
        flow.ui.messages = [message(1080002)]
        try:
            self.run_hooks(request, flow, identity, {})
        except HookRejectedError as error:
            return self.replace(request, flow, str(error))
        return self.render(request, flow)

    def _find_address(self, email: str) -> tuple[Identity, Address] | None:
        for identity in self.server.store.identities.values():
            for address in identity.verifiable_addresses:
                if address.value == email:
                    return identity, address
        return None
