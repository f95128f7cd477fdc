"""Account recovery by code."""

from typing import Any, ClassVar, Literal

from ory_guard.testing.flows.code_flow import CodeFlowEndpoints
from ory_guard.testing.flows.flow import FakeFlow
from ory_guard.testing.flows.settings import SettingsEndpoints
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import input_node, submit_node
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import Identity
from ory_guard.testing.store.sessions import Sessions, device_from

__all__ = ["RecoveryEndpoints"]


class RecoveryEndpoints(CodeFlowEndpoints):
    """The operations of recovery flows."""

    name: ClassVar[str] = "recovery"
    expired_message: ClassVar[int] = 4060005
    code_sent_message: ClassVar[int] = 1060003
    code_wrong_message: ClassVar[int] = 4060006
    no_method_message: ClassVar[int] = 4010005
    code_label: ClassVar[int] = 1070010

    def __init__(self, server: Server, sessions: Sessions, settings: SettingsEndpoints) -> None:
        super().__init__(server, sessions)
        self._settings = settings

    def create(self, request: FakeRequest, kind: Literal["api", "browser"]) -> FakeFlow:
        """Create a recovery flow; the request must not have a session."""
        if self.sessions.find(request) is not None:
            raise ApiError(
                400,
                "session_already_available",
                "A valid session exists. Log out before recovering an account.",
                location=self.server.return_to(request) or self.server.settings.default_return_url,
                redirect_status=302,
            )
        return super().create(request, kind)

    def send_code(self, flow: FakeFlow, email: str) -> None:
        """Send a code if the address belongs to an identity. The response does not reveal whether it does."""
        identity = self._find_identity(email)
        if identity is not None:
            code = self.server.send_code(email, "recovery_code_valid", "Recover your account")
            self.store_code(flow, code, identity.id)
            flow.internal["email"] = email

    def extra_after_sending(self) -> dict[str, Any]:
        """Return the payload that Kratos shows directly after sending a code."""
        return {"transient_payload": {}}

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
        for address in identity.verifiable_addresses:
            if address.value == flow.internal["email"] and not address.verified:
                address.mark_verified(self.server.now())
        session = self.sessions.start(
            identity, [self.sessions.completed_method("code_recovery")], device_from(request)
        )
        if not flow.native:
            request.renew_csrf()
            self.sessions.issue_cookie(request, session)
        settings = self._settings.create_after_recovery(request, flow, session)
        page = self._settings.ui_url(settings)
        if not flow.native and not request.prefers_json:
            return FakeResponse.redirect(request.method, page)
        continue_with = [{"action": "show_settings_ui", "flow": {"id": settings.id, "url": page}}]
        if flow.native:
            continue_with.insert(0, {"action": "set_ory_session_token", "ory_session_token": session.token})
        return self.render(request, flow, continue_with=continue_with, transient_payload={})

    def _find_identity(self, email: str) -> Identity | None:
        for identity in self.server.store.identities.values():
            if any(address.value == email for address in identity.recovery_addresses):
                return identity
        return None
