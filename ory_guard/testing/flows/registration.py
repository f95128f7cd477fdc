"""Registration in two steps: traits, then a credential."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final, Literal

from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.flow_endpoints import FlowEndpoints
from ory_guard.testing.flows.flow_hooks import hook_context, hook_error, run_before_hooks, show_messages
from ory_guard.testing.flows.node_order import REGISTRATION_GROUPS, registration_keys, sort_nodes
from ory_guard.testing.flows.submission import Submission
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import csrf_node, submit_node
from ory_guard.testing.flows.verification import VerificationEndpoints
from ory_guard.testing.methods.method import Method, RegistrationMethod
from ory_guard.testing.methods.traits import show_submitted_traits, submitted_traits
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.identities import apply_changes
from ory_guard.testing.store.identity_schema import IdentitySchema
from ory_guard.testing.store.records import FakeAuthenticationMethod, Identity
from ory_guard.testing.store.serialization import unsaved_identity
from ory_guard.testing.store.sessions import Sessions, device_from, inactive_error
from ory_guard.testing.web_hooks.responses import HookFailedError, HookRejectedError
from ory_guard.testing.web_hooks.web_hooks import HookContext

__all__ = ["RegistrationEndpoints"]

SCREENS: Final = ("credential-selection", "previous")


class RegistrationEndpoints(FlowEndpoints):
    """The operations of registration flows."""

    name: ClassVar[str] = "registration"
    expired_message: ClassVar[int] = 4040001
    invalid_redirect_status: ClassVar[int] = 302
    disabled_error_id: ClassVar[str] = "self_service_flow_disabled"

    def __init__(
        self,
        server: Server,
        sessions: Sessions,
        methods: Sequence[Method],
        verification: VerificationEndpoints,
    ) -> None:
        super().__init__(server, sessions)
        registrations = (method for method in methods if isinstance(method, RegistrationMethod))
        self._methods = {method.name: method for method in registrations}
        self._verification = verification

    def create(self, request: FakeRequest, kind: Literal["api", "browser"]) -> FakeFlow:
        """Create a registration flow with its first form."""
        if self.sessions.find(request) is not None:
            raise self._session_already_available(request)
        flow = self.new_flow(request, kind)
        flow.fields = {"organization_id": request.organization_id} | self.identity_schema(request)
        self.add_exchange_code(request, flow)
        if request.organization_id:
            flow.ui.nodes = []
        else:
            self._fill(flow)
        run_before_hooks(
            self.server, request, flow, lambda: hook_context(self.server, request, self.document(flow))
        )
        return flow

    def ask_for_traits(
        self, request: FakeRequest, source: FakeFlow, provider: str, traits: dict[str, Any]
    ) -> FakeFlow:
        """Return the flow that asks for traits which a provider did not send, or which are invalid."""
        flow = source
        if source.name != self.name:
            flow = self.new_flow(request, source.type)
            flow.request_url, flow.return_to = source.request_url, source.return_to
            flow.requested_return_to = source.requested_return_to
            flow.fields = {"organization_id": None}
        flow.active = "oidc"
        flow.ui.nodes = [
            submit_node("oidc", provider, 1040003, "provider"),
            csrf_node(self.csrf_token(flow)),
            *(trait.node("default", traits) for trait in self.server.schema.fields),
        ]
        self.server.schema.validate(traits, flow.ui)
        return flow

    def _session_already_available(self, request: FakeRequest) -> ApiError:
        return ApiError(
            400,
            "session_already_available",
            "A valid session exists. Log out before registering an account.",
            message="you are already logged in",
            location=self.server.return_to(request) or self.server.settings.default_return_url,
        )

    def arrange(self, flow: FakeFlow) -> None:
        """Sort the nodes of a flow."""
        keys = registration_keys([trait.name for trait in self.server.schema.traits])
        flow.ui.nodes = sort_nodes(flow.ui.nodes, REGISTRATION_GROUPS, keys)

    def _fill(self, flow: FakeFlow) -> None:
        for trait in sorted(self.server.schema.fields, key=lambda trait: trait.name):
            flow.ui.set_node(trait.node("default", {}))
        is_first_step = self.server.settings.two_steps_registration
        for method in self._enabled_methods():
            if method.name == "oidc" or not is_first_step:
                method.fill_registration(flow)
        if is_first_step:
            flow.ui.set_node(submit_node("profile", "profile", 1040001))
        self.arrange(flow)

    def _enabled_methods(self) -> list[RegistrationMethod]:
        return [method for method in self._methods.values() if method.is_enabled]

    def submit(self, request: FakeRequest, flow: FakeFlow) -> FakeResponse:
        """`update_registration_flow`."""
        if self.sessions.find(request) is not None:
            error = self._session_already_available(request)
            error.location = self.server.settings.default_return_url
            raise error
        self.require_not_expired(request, flow)
        submission = Submission(self, request, flow, self.fields(request, flow))
        name = str(submission.fields.get("method", ""))
        if self.server.settings.two_steps_registration and (shown := self._change_step(submission, name)):
            return shown
        method = self._method(submission, name)
        registered = method.register(submission)
        if isinstance(registered, FakeResponse):
            return registered
        return self.finish(request, flow, registered, self.sessions.completed_method(method.name))

    def _method(self, submission: Submission, name: str) -> RegistrationMethod:
        """Return the method of a submission. That of an authenticator's response is submitted without `method`."""
        for method in self._methods.values():
            if method.accepts_registration(submission, name):
                method.require_enabled()
                return method
        nodes = list(submission.flow.ui.nodes)
        submitted_traits(self.server.schema, submission)  # Kratos reports invalid traits first
        submission.flow.ui.nodes = nodes
        raise submission.rejected(4010003)

    def schema_of(self, flow: FakeFlow) -> IdentitySchema:
        """Return the identity schema of new identities."""
        return self.server.schema

    def show_rejected(self, flow: FakeFlow, fields: dict[str, Any]) -> None:
        """Fill the traits into the form, with their errors."""
        show_submitted_traits(self.server.schema, flow, fields["traits"])
        self.server.schema.validate(fields["traits"], flow.ui)

    def _change_step(self, submission: Submission, method: str) -> FakeResponse | None:
        """Show the other step if the submission asks for it."""
        screen = submission.fields.get("screen", "")
        if screen not in {"", *SCREENS}:
            show_submitted_traits(self.server.schema, submission.flow, submission.fields["traits"])
            raise submission.rejected(4000001, {"reason": f"The screen must be one of {SCREENS}."}, at="screen")
        if screen == "previous":
            submission.require_csrf()
            return self._show_first_step(submission)
        if method == "profile" or screen:
            submission.require_csrf()
            return self._show_second_step(submission)
        return None

    def _show_second_step(self, submission: Submission) -> FakeResponse:
        flow = submission.flow
        flow.active, flow.state = None, self.first_state
        traits = submitted_traits(self.server.schema, submission)
        show_submitted_traits(self.server.schema, flow, traits, hidden=True)
        flow.ui.remove(group="profile", name="method")
        for method in self._enabled_methods():
            method.fill_registration(flow)
        # As in Kratos, each submission adds another button.
        flow.ui.nodes.append(submit_node("profile", "previous", 1040008, "screen"))
        flow.ui.messages.append(message(1040009))
        self.arrange(flow)
        payload = submission.fields.get("transient_payload") or {}
        return self.render(submission.request, flow, status=400, transient_payload=payload)

    def _show_first_step(self, submission: Submission) -> FakeResponse:
        flow = submission.flow
        for group in ("password", "code", "passkey", "webauthn"):
            flow.ui.remove(group=group)
        flow.ui.remove(name="screen")
        show_submitted_traits(self.server.schema, flow, submission.fields["traits"], hidden=False)
        flow.ui.nodes.append(submit_node("profile", "profile", 1040001))
        self.arrange(flow)
        return self.render(submission.request, flow, status=400)

    def finish(
        self,
        request: FakeRequest,
        flow: FakeFlow,
        identity: Identity,
        method: FakeAuthenticationMethod,
    ) -> FakeResponse:
        """Run the hooks after registration and respond with the next step."""
        settings = self.server.settings
        self._run_hooks_before_saving(request, flow, identity, method.method)
        if not flow.native:
            request.renew_csrf()
        continue_with, page = self.start_verification(request, flow, identity, method.method)
        self._run_hooks_after_saving(request, flow, identity, method.method)
        body: dict[str, Any] = {"identity": self.server.identity_document(identity)}
        if settings.has_hook_after(self.name, method.method, "session"):
            session = self.sessions.start(identity, [method], device_from(request))
            body = {"session": self.sessions.document(session), **body}
            if flow.native:
                token = {"action": "set_ory_session_token", "ory_session_token": session.token}
                return FakeResponse.json(
                    {"session_token": session.token, **body, "continue_with": [*continue_with, token]}
                )
            self.sessions.issue_cookie(request, session)
        location = flow.return_to or settings.return_url_after(self.name, method.method)
        if not flow.native and not request.prefers_json:
            return FakeResponse.redirect(request.method, page or location)
        if not flow.native:
            continue_with.insert(0, {"action": "redirect_browser_to", "redirect_browser_to": location})
        return FakeResponse.json({**body, "continue_with": continue_with})

    def _run_hooks_before_saving(
        self, request: FakeRequest, flow: FakeFlow, identity: Identity, method: str
    ) -> None:
        """Send the web hooks that can stop the registration or change the identity, which does not exist yet."""
        hooks = self.server.web_hooks
        if not hooks.has_hooks_before_saving(self.name, method):
            return
        document = unsaved_identity(self.server.identity_document(identity))
        del self.server.store.identities[identity.id]
        try:
            changes = hooks.before_saving(self.name, method, lambda: self._hook_context(request, flow, document))
        except HookRejectedError as error:
            raise show_messages(flow, error) from error
        except HookFailedError as error:
            raise hook_error(error, request, flow) from error
        traits = changes.get("traits", identity.traits)
        if not self.server.schema.validate(traits, flow.ui):
            raise InvalidFlowError(flow)
        if self.server.find_owner(traits):
            flow.ui.add_error(4000007)
            raise InvalidFlowError(flow)
        self.server.store.identities[identity.id] = identity
        apply_changes(self.server, identity, changes)
        if identity.state != "active":
            raise inactive_error(identity)

    def _run_hooks_after_saving(
        self, request: FakeRequest, flow: FakeFlow, identity: Identity, method: str
    ) -> None:
        try:
            self.server.web_hooks.after_saving(
                self.name,
                method,
                lambda: self._hook_context(request, flow, self.server.identity_document(identity)),
                {},
            )
        except HookFailedError as error:
            raise hook_error(error, request, flow) from error

    def _hook_context(self, request: FakeRequest, flow: FakeFlow, identity: dict[str, Any]) -> HookContext:
        document = self.document(flow, transient_payload=flow.internal.get("transient_payload", {}))
        return hook_context(self.server, request, document, identity)

    def start_verification(
        self, request: FakeRequest, flow: FakeFlow, identity: Identity, method: str
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Start the verification of the first address that is not verified.

        Returns:
            The items of `continue_with` and the page for browsers, if the hook `show_verification_ui` shows them.
        """
        address = next((address for address in identity.verifiable_addresses if not address.verified), None)
        if address is None or not self.server.settings.verification_enabled:
            return [], None
        verification = self._verification.create_for_address(request, flow, address)
        if not self.server.settings.has_hook_after(self.name, method, "show_verification_ui"):
            return [], None
        item = {"id": verification.id, "verifiable_address": address.value}
        page = None
        if not flow.native:
            page = item["url"] = self._verification.ui_url(verification)
        return [{"action": "show_verification_ui", "flow": item}], page
