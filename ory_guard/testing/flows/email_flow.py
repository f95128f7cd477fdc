"""Common behavior of recovery and verification: a code or a link is sent to an address."""

from abc import abstractmethod
from typing import Any, ClassVar, Final, Literal

from ory_guard.testing.clock import SECOND, timestamp
from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.flow_endpoints import FlowEndpoints
from ory_guard.testing.flows.flow_hooks import hook_context, hook_error, run_before_hooks
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import csrf_node, input_node, submit_node
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.store.email_format import is_email
from ory_guard.testing.store.records import Identity, random_string
from ory_guard.testing.store.schema_errors import format_error
from ory_guard.testing.web_hooks.responses import HookFailedError
from ory_guard.testing.web_hooks.web_hooks import HookContext, OtherHooks

__all__ = ["EmailFlowEndpoints"]


TOKEN_LENGTH: Final = 32


class EmailFlowEndpoints(FlowEndpoints):
    """Flows that ask for an address, and then for the code that was sent to it, unless a link was sent."""

    code_sent_message: ClassVar[int]
    code_wrong_message: ClassVar[int]
    no_method_message: ClassVar[int]
    code_label: ClassVar[int]
    link_sent_message: ClassVar[int]
    link_wrong_message: ClassVar[int]
    link_template: ClassVar[tuple[str, str]]

    @property
    def use(self) -> str:
        """Whether new flows send a code or a link."""
        return str(getattr(self.server.settings, f"{self.name}_use"))

    def create(self, request: FakeRequest, kind: Literal["api", "browser"]) -> FakeFlow:
        """Create a flow that asks for the address."""
        flow = self.create_flow(request, kind)
        try:
            run_before_hooks(
                self.server, request, flow, lambda: hook_context(self.server, request, self.document(flow))
            )
        except ApiError:
            request.json_only = True  # unlike errors of other flows, for browsers, too
            raise
        return flow

    def run_hooks(
        self,
        request: FakeRequest,
        flow: FakeFlow,
        identity: Identity,
        others: OtherHooks,
    ) -> None:
        """Run the hooks after the flow was completed.

        Raises:
            ApiError: If a web hook fails.
            HookRejectedError: If a receiver stops the flow.
        """

        def context() -> HookContext:
            document = self.document(flow, transient_payload=flow.internal.get("transient_payload", {}))
            return hook_context(self.server, request, document, self.server.identity_document(identity))

        try:
            self.server.web_hooks.after(self.name, "", context, others)
        except HookFailedError as error:
            request.renew_csrf()
            raise hook_error(error, request, flow) from error

    def create_flow(
        self, request: FakeRequest, kind: Literal["api", "browser"], use: str | None = None
    ) -> FakeFlow:
        """Create a flow that asks for the address, whether or not the request has a session."""
        flow = self.new_flow(request, kind)
        flow.active = use or self.use
        flow.ui.set_node(input_node(flow.active, "email", "email", label=message(1070007), required=True))
        flow.ui.set_node(submit_node(flow.active, flow.active, 1070009))
        return flow

    def fields(self, request: FakeRequest, flow: FakeFlow) -> dict[str, Any]:
        """Return the fields of the body and of the query. An invalid address shows the form again."""
        submitted = {} if request.method == "GET" else self.read_fields(request, flow)
        fields = {**submitted, **request.query}
        email = fields.get("email")
        if email and not is_email(email):
            self.prepare_email_error(flow)
            flow.active = self.use
            message_id, context = format_error(email)
            flow.ui.add_error(message_id, context, at="email")
            raise InvalidFlowError(flow)
        return fields

    def prepare_email_error(self, flow: FakeFlow) -> None:
        """Prepare the form for the error of an invalid address."""
        flow.ui.reset()

    def show_rejected(self, flow: FakeFlow, fields: dict[str, Any]) -> None:
        """Add the field for the payload at the end."""
        flow.ui.set_node(input_node("default", "transient_payload", "text"))

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

    def redirects_expired(self, flow: FakeFlow, error: ApiError) -> bool:
        """Return whether scripts and apps are redirected to the flow that replaces an expired one."""
        return True

    def reject_method(self, flow: FakeFlow) -> InvalidFlowError:
        """Return the error for a submission that no method is responsible for."""
        flow.active = "default"
        flow.ui.add_error(self.no_method_message)
        return InvalidFlowError(flow)

    def submit_code(self, request: FakeRequest, flow: FakeFlow, fields: dict[str, Any]) -> FakeResponse:
        """Check a code. A flow accepts a limited number of codes, and each code once."""
        flow.internal["submissions"] = flow.internal.get("submissions", 0) + 1
        if flow.internal["submissions"] > self.server.settings.code_max_submissions:
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
            raise self.rejected(flow, 4000002, {"property": "email"}, at="email")
        self.require_csrf(request, flow, fields)
        self.start_challenge(flow, email)
        return self.render(request, flow, **self.extra_after_sending(fields))

    def submit_email_for_link(self, request: FakeRequest, flow: FakeFlow, fields: dict[str, Any]) -> FakeResponse:
        """Send a link to an address."""
        email = fields.get("email", "")
        self.show_address(flow, email)
        if not email:
            raise self.rejected(flow, 4000002, {"property": "email"}, at="email")
        self.require_csrf(request, flow, fields)
        flow.active, flow.state = "link", "sent_email"
        self.send_link(flow, email.strip().lower())
        flow.ui.messages = [message(self.link_sent_message)]
        return self.render(request, flow, **self.extra_after_sending(fields))

    def show_address(self, flow: FakeFlow, email: str) -> None:
        """Fill the submitted address into the form that sends links."""
        flow.ui.upsert(csrf_node(self.csrf_token(flow)))
        flow.ui.upsert(input_node("link", "email", "email", email, message(1070007), required=True))

    def send_link(self, flow: FakeFlow, email: str) -> None:
        """Send a link if the address is known. The response does not reveal whether it is."""
        identity = self.find_owner(email)
        if identity is not None:
            token = random_string(TOKEN_LENGTH)
            flow.internal |= {"link_token": token, "identity_id": identity.id, "email": email}
            flow.internal["link_expires_at"] = self.server.after(self.server.settings.link_lifespan)
            link = self.server.url(self.path, flow=flow.id, token=token)
            self.server.send_link(email, *self.link_template, link)

    def use_link(self, request: FakeRequest, flow: FakeFlow) -> FakeResponse:
        """Complete the flow for the browser that opened a link; a link can be used once."""
        token = request.query.get("token")
        identity = self.server.store.identities.get(flow.internal.get("identity_id", ""))
        if token != flow.internal.get("link_token") or identity is None:
            return self.retry_with_link(request, flow, self.link_wrong_message)
        del flow.internal["link_token"]
        expired_at = flow.internal.get("link_expires_at", flow.expires_at)
        if self.server.now() >= expired_at:
            context = {"expired_at": timestamp(expired_at), "expired_at_unix": expired_at // SECOND}
            return self.retry_with_link(request, flow, self.expired_message, context)
        flow.state = "passed_challenge"
        return self.complete_by_link(request, flow, identity)

    def retry_with_link(
        self, request: FakeRequest, flow: FakeFlow, message_id: int, context: dict[str, Any] | None = None
    ) -> FakeResponse:
        """Redirect the browser to a new flow that sends links."""
        request.renew_csrf()
        replacement = self.create_flow(request, "browser", "link")
        replacement.return_to = flow.return_to
        replacement.ui.add_error(message_id, context)
        return FakeResponse.redirect(request.method, self.ui_url(replacement))

    @abstractmethod
    def find_owner(self, email: str) -> Identity | None:
        """Return the identity with an address, or None."""

    @abstractmethod
    def complete_by_link(self, request: FakeRequest, flow: FakeFlow, identity: Identity) -> FakeResponse:
        """Complete the flow after a link was opened."""

    def rejected(
        self, flow: FakeFlow, message_id: int, context: dict[str, Any] | None = None, *, at: str | None = None
    ) -> InvalidFlowError:
        """Add an error to the form, and return the exception that shows it."""
        flow.ui.add_error(message_id, context, at=at)
        return InvalidFlowError(flow)

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

    def extra_after_sending(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return fields that are shown only directly after sending a code."""
        return {}
