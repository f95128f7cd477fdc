"""Account recovery by code."""

from typing import Any, ClassVar, Literal

from ory_guard.testing.flows.email_flow import EmailFlowEndpoints
from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.flow_hooks import show_messages
from ory_guard.testing.flows.settings import SettingsEndpoints
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import csrf_node, input_node, submit_node
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse, method_disabled
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import Identity, Session
from ory_guard.testing.store.sessions import REVOKE_HOOK, Sessions, device_from, inactive_error
from ory_guard.testing.web_hooks.responses import HookRejectedError

__all__ = ["RecoveryEndpoints"]


class RecoveryEndpoints(EmailFlowEndpoints):
    """The operations of recovery flows."""

    name: ClassVar[str] = "recovery"
    expired_message: ClassVar[int] = 4060005
    code_sent_message: ClassVar[int] = 1060003
    code_wrong_message: ClassVar[int] = 4060006
    no_method_message: ClassVar[int] = 4010005
    code_label: ClassVar[int] = 1070010
    link_sent_message: ClassVar[int] = 1060002
    link_wrong_message: ClassVar[int] = 4060004
    link_template: ClassVar[tuple[str, str]] = ("recovery_valid", "Recover your account")

    def __init__(self, server: Server, sessions: Sessions, settings: SettingsEndpoints) -> None:
        super().__init__(server, sessions)
        self._settings = settings

    def create(self, request: FakeRequest, kind: Literal["api", "browser"]) -> FakeFlow:
        """Create a recovery flow; the request must not have a session."""
        if self.sessions.find(request) is not None:
            location = self.server.return_to(request) or self.server.settings.default_return_url
            raise self._session_already_available(location)
        return super().create(request, kind)

    def submit(self, request: FakeRequest, flow: FakeFlow) -> FakeResponse:
        """`update_recovery_flow`."""
        if expired := self.expired_response(request, flow):
            return expired
        if flow.active != "code":
            return self._submit_for_link(request, flow)
        if request.method == "GET":
            flow.ui.reset()
            flow.ui.add_error(4000001, {"reason": "Recovery flows are submitted with POST."})
            raise InvalidFlowError(flow)
        fields = self.fields(request, flow)
        flow.ui.reset()
        self._require_csrf(request, flow, fields)
        if flow.state != "choose_method" and not fields.get("email"):
            return self.submit_code(request, flow, fields)
        self._require_no_session(request)
        if fields.get("method") != "code":
            return self._send_link(request, flow, fields)
        if flow.state == "passed_challenge":
            return self.replace(request, flow, "The account was already recovered.")
        return self.submit_email(request, flow, fields)

    def _submit_for_link(self, request: FakeRequest, flow: FakeFlow) -> FakeResponse:
        """Process a submission to a flow that sends links, or a link that was opened."""
        if request.query.get("token"):
            return self.use_link(request, flow)
        self._require_no_session(request)
        fields = self.fields(request, flow)
        flow.ui.reset()
        return self._send_link(request, flow, fields)

    def _send_link(self, request: FakeRequest, flow: FakeFlow, fields: dict[str, Any]) -> FakeResponse:
        if fields.get("method") != "link":
            raise self.reject_method(flow)
        if not self.server.settings.enabled("link"):
            raise method_disabled("link")
        if flow.state == "passed_challenge":
            return self.retry_with_link(request, flow, 4060001)
        return self.submit_email_for_link(request, flow, fields)

    def _require_no_session(self, request: FakeRequest) -> None:
        if self.sessions.find(request) is not None:
            raise self._session_already_available(self.server.settings.default_return_url)

    def expired_error_id(self, flow: FakeFlow) -> str:
        """Return the id of the error for reading an expired flow: browser flows have none."""
        return super().expired_error_id(flow) if flow.native else ""

    def redirects_expired(self, flow: FakeFlow, error: ApiError) -> bool:
        """Return whether the client is redirected: only scripts are, and apps get the new flow in the error."""
        item = {"action": "show_recovery_ui", "flow": {"id": error.extra["use_flow_id"]}}
        error.details = {"continue_with": [item]} if flow.native else None
        return not flow.native

    def _require_csrf(self, request: FakeRequest, flow: FakeFlow, fields: dict[str, Any]) -> None:
        """Check the anti-CSRF token; Kratos replaces the cookie if the token does not match."""
        try:
            self.require_csrf(request, flow, fields)
        except ApiError:
            request.renew_csrf()
            raise
        except InvalidFlowError:
            raise self._replace_for_browser(request, flow) from None

    def _replace_for_browser(self, request: FakeRequest, flow: FakeFlow) -> ApiError:
        """Create a browser flow for a browser that submitted a native one; return the error that names it."""
        request.json_only = False
        reason = "The flow was created for an app, and the request was sent by a browser."
        request.renew_csrf()
        replacement = self.create_flow(request, "browser")
        replacement.return_to = flow.return_to
        replacement.ui.add_error(4000001, {"reason": reason})
        details: dict[str, Any] = {
            "continue_with": [{"action": "show_recovery_ui", "flow": {"id": replacement.id}}],
        }
        if not request.headers.get("origin"):
            details["found cookies"] = [name for name, _ in request.cookies]
        return ApiError(400, reason=reason, details=details, location=self.ui_url(replacement))

    def replace(self, request: FakeRequest, flow: FakeFlow, reason: str) -> FakeResponse:
        """Respond with a new flow: scripts and apps get an error that names it."""
        request.json_only = False
        replacement = self.new_replacement(request, flow)
        replacement.ui.add_error(4000001, {"reason": reason})
        raise ApiError(
            400,
            reason=reason,
            details={"continue_with": [{"action": "show_recovery_ui", "flow": {"id": replacement.id}}]},
            location=self.ui_url(replacement),
        )

    def _session_already_available(self, location: str) -> ApiError:
        reason = "A valid session exists. Log out before recovering an account."
        return ApiError(400, "session_already_available", reason, location=location, redirect_status=302)

    def send_code(self, flow: FakeFlow, email: str) -> None:
        """Send a code if the address belongs to an identity. The response does not reveal whether it does."""
        identity = self.find_owner(email)
        if identity is not None:
            code = self.server.send_code([email], "recovery_code_valid", "Recover your account")
            self.store_code(flow, code, identity.id)
            flow.internal["email"] = email

    def extra_after_sending(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the payload that Kratos shows directly after sending a code."""
        return {"transient_payload": fields.get("transient_payload", {})}

    def show_code_form(self, flow: FakeFlow, email: str) -> None:
        """Show the form for the code, with a button to send it again."""
        ui = flow.ui
        ui.nodes = ui.nodes[:1]
        ui.set_node(
            input_node(
                "code",
                "code",
                "text",
                label=message(self.code_label),
                required=True,
                **self.code_attributes(),
                pattern="[0-9]+",
                maxlength=6,
            )
        )
        ui.nodes.append(input_node("code", "method", "hidden", "code"))
        ui.nodes.append(submit_node("code", "code", 1070009))
        ui.nodes.append(submit_node("code", email, 1070008, "email"))

    def complete(self, request: FakeRequest, flow: FakeFlow, identity: Identity) -> FakeResponse:
        """Create a session and a settings flow. The code also verifies the address."""
        session, settings = self._recover(request, flow, identity, "code_recovery", flow.type)
        page = self._settings.ui_url(settings)
        if not flow.native:
            flow.csrf_secret = request.csrf_secret()
        if not flow.native and not request.prefers_json:
            return FakeResponse.redirect(request.method, page)
        continue_with = [{"action": "show_settings_ui", "flow": {"id": settings.id, "url": page}}]
        if flow.native:
            continue_with.insert(0, {"action": "set_ory_session_token", "ory_session_token": session.token})
        else:
            flow.ui.upsert(csrf_node(""))
        return self.render(request, flow, continue_with=continue_with, transient_payload={})

    def complete_by_link(self, request: FakeRequest, flow: FakeFlow, identity: Identity) -> FakeResponse:
        """Create a session and a settings flow for the browser that opened the link."""
        _, settings = self._recover(request, flow, identity, "link_recovery", "browser")
        return FakeResponse.redirect(request.method, self._settings.ui_url(settings))

    def _recover(
        self, request: FakeRequest, flow: FakeFlow, identity: Identity, method: str, kind: Literal["api", "browser"]
    ) -> tuple[Session, FakeFlow]:
        if kind == "browser":
            request.renew_csrf()
        for address in identity.verifiable_addresses:
            if address.value == flow.internal.get("email") and not address.verified:
                address.mark_verified(self.server.now())
                address.status = "completed" if method == "link_recovery" else address.status
        if identity.state != "active":
            raise inactive_error(identity)
        session = self.sessions.prepare(identity, [self.sessions.completed_method(method)], device_from(request))
        try:
            self.run_hooks(request, flow, identity, {REVOKE_HOOK: lambda: self.sessions.revoke_others(session)})
        except HookRejectedError as error:
            raise self._hook_rejected(request, flow, error) from error
        self.server.store.add_session(session)
        if kind == "browser":
            self.sessions.issue_cookie(request, session)
        flow.ui.messages = []
        return session, self._settings.create_after_recovery(request, flow, session, kind)

    def _hook_rejected(self, request: FakeRequest, flow: FakeFlow, error: HookRejectedError) -> ApiError:
        """Return the error for a receiver that stopped the flow; it names a new flow."""
        replacement = self.new_replacement(request, flow)
        show_messages(replacement, error)
        item = {"action": "show_recovery_ui", "flow": {"id": replacement.id}}
        location = self.ui_url(replacement)
        return ApiError(500, message=str(error), details={"continue_with": [item]}, location=location)

    def find_owner(self, email: str) -> Identity | None:
        """Return the identity with a recovery address, or None."""
        for identity in self.server.store.identities.values():
            if any(address.value == email for address in identity.recovery_addresses):
                return identity
        return None
