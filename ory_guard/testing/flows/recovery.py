"""Recovery of an account by code."""

from typing import Any, ClassVar, Literal

from ory_guard.testing.flows.code_flow import CodeFlowEndpoints
from ory_guard.testing.flows.flow import Flow
from ory_guard.testing.flows.settings import SettingsEndpoints
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import input_node, submit_node
from ory_guard.testing.server.request import Exchange
from ory_guard.testing.server.response import Answer, ApiError
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import Identity
from ory_guard.testing.store.sessions import Sessions, device_of

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

    def begin(self, exchange: Exchange, kind: Literal["api", "browser"]) -> Flow:
        """Make a recovery flow for somebody who is not signed in."""
        if self.sessions.find(exchange) is not None:
            raise ApiError(
                400,
                "session_already_available",
                "There is a valid session already: a signed-in user can't recover an account.",
                location=self.server.return_to(exchange) or self.server.settings.default_return_url,
            )
        return super().begin(exchange, kind)

    def deliver(self, flow: Flow, email: str) -> None:
        """Send a code to an address that belongs to an identity; nobody else gets to know that none does."""
        identity = self._find(email)
        if identity is not None:
            code = self.server.send_code(email, "recovery_code_valid", "Recover your account")
            self.keep_code(flow, code, identity.id)
            flow.internal["email"] = email

    def sent_extra(self) -> dict[str, Any]:
        """Return the payload that Kratos shows right after a code was sent."""
        return {"transient_payload": {}}

    def ask_for_code(self, flow: Flow, email: str) -> None:
        """Ask for the code, or for it to be sent again."""
        ui = flow.ui
        ui.nodes = ui.nodes[:1]
        ui.put(
            input_node(
                "code",
                "code",
                "text",
                label=message(self.code_label),
                required=True,
                autocomplete="one-time-code",
                pattern="[0-9]+",
                maxlength=6,
            )
        )
        ui.nodes.append(input_node("code", "method", "hidden", "code"))
        ui.nodes.append(submit_node("code", "code", 1070009))
        ui.nodes.append(submit_node("code", email, 1070008, "email"))

    def passed(self, exchange: Exchange, flow: Flow, identity: Identity) -> Answer:
        """Sign the owner in and send them to their settings; who got the code has verified the address, too."""
        for address in identity.verifiable_addresses:
            if address.value == flow.internal["email"] and not address.verified:
                address.verified, address.verified_at = True, self.server.now()
        session = self.sessions.start(identity, [self.sessions.completed("code_recovery")], device_of(exchange))
        if not flow.native:
            exchange.renew_csrf()
            self.sessions.issue_cookie(exchange, session)
        settings = self._settings.after_recovery(exchange, flow, session)
        page = self._settings.ui_url(settings)
        if not flow.native and not exchange.wants_json:
            return Answer.redirect(exchange.method, page)
        onward = [{"action": "show_settings_ui", "flow": {"id": settings.id, "url": page}}]
        if flow.native:
            onward.insert(0, {"action": "set_ory_session_token", "ory_session_token": session.token})
        return self.show(exchange, flow, continue_with=onward, transient_payload={})

    def _find(self, email: str) -> Identity | None:
        for identity in self.server.store.identities.values():
            if any(address.value == email for address in identity.recovery_addresses):
                return identity
        return None
