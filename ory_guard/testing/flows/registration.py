"""Registration in two steps: first the traits, then a credential."""

from typing import Any, ClassVar, Literal

from ory_guard.testing.flows.flow import Flow, FlowEndpoints, InvalidFlowError
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import input_node, password_node, submit_node
from ory_guard.testing.flows.verification import VerificationEndpoints
from ory_guard.testing.oidc.redirect import OidcRedirects
from ory_guard.testing.server.request import Exchange
from ory_guard.testing.server.response import Answer, ApiError
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.identities import create_identity, identifiers_taken, password_problem
from ory_guard.testing.store.records import AuthenticationMethod, Identity
from ory_guard.testing.store.sessions import Sessions, device_of

__all__ = ["RegistrationEndpoints"]


class RegistrationEndpoints(FlowEndpoints):
    """The operations of registration flows."""

    name: ClassVar[str] = "registration"
    expired_message: ClassVar[int] = 4040001
    invalid_redirect_status: ClassVar[int] = 302

    def __init__(
        self,
        server: Server,
        sessions: Sessions,
        oidc: OidcRedirects,
        verification: VerificationEndpoints,
    ) -> None:
        super().__init__(server, sessions)
        self._oidc = oidc
        self._verifications = verification

    def begin(self, exchange: Exchange, kind: Literal["api", "browser"]) -> Flow:
        """Make a registration flow with its first form."""
        if self.sessions.find(exchange) is not None:
            raise self._already_signed_in(exchange)
        flow = self.new_flow(exchange, kind)
        flow.fields = {"organization_id": None}
        self.keep_exchange_code(exchange, flow)
        self._fill(flow)
        return flow

    def _already_signed_in(self, exchange: Exchange) -> ApiError:
        return ApiError(
            400,
            "session_already_available",
            "There is a valid session already: a signed-in user can't register.",
            message="you are already logged in",
            location=self.server.return_to(exchange) or self.server.settings.default_return_url,
        )

    def _fill(self, flow: Flow) -> None:
        settings, ui = self.server.settings, flow.ui
        for trait in self.server.schema.traits:
            ui.put(trait.node("default", {}))
        if settings.enabled("oidc"):
            ui.nodes[:0] = [
                submit_node("oidc", one.id, 1040002, "provider", provider=one.id, provider_id=one.id)
                for one in settings.oidc_providers
            ]
        if settings.two_steps_registration:
            ui.put(submit_node("profile", "profile", 1040001))
        elif settings.enabled("password"):
            self._ask_for_password(flow)

    def _ask_for_password(self, flow: Flow) -> None:
        flow.ui.remove(name="password")
        trait = self.server.schema.identifier_trait
        flow.ui.put(password_node("new-password"), after=trait.name if trait else None)
        flow.ui.put(submit_node("password", "password", 1040001))

    def proceed(self, exchange: Exchange, flow: Flow) -> Answer:
        """`update_registration_flow`."""
        if self.sessions.find(exchange) is not None:
            error = self._already_signed_in(exchange)
            error.location = self.server.settings.default_return_url
            raise error
        self.require_fresh(exchange, flow)
        fields = self.fields(exchange, flow)
        # A provider's button says which provider, and nothing else.
        method = fields.get("method") or ("oidc" if fields.get("provider") else None)
        if self.server.settings.two_steps_registration:
            if fields.get("screen") == "previous":
                self.require_csrf(exchange, flow, fields)
                return self._first_step_again(exchange, flow, fields)
            if method == "profile":
                self.require_csrf(exchange, flow, fields)
                return self._second_step(exchange, flow, fields)
        if method == "oidc" and self.server.settings.enabled("oidc"):
            self.require_csrf(exchange, flow, fields)
            return self._oidc.start(exchange, flow, fields.get("provider"))
        if method == "password" and self.server.settings.enabled("password"):
            self.require_csrf(exchange, flow, fields)
            traits = self._checked_traits(flow, fields)
            self._check_password(flow, fields.get("password"), traits)
            identity = create_identity(self.server, traits, password=fields["password"])
            return self.finish(exchange, flow, identity, self.sessions.completed("password"))
        flow.ui.complain(4010003)
        raise InvalidFlowError(flow)

    def _second_step(self, exchange: Exchange, flow: Flow, fields: dict[str, Any]) -> Answer:
        traits = self._checked_traits(flow, fields)
        self._show_traits(flow, traits, hidden=True)
        flow.ui.remove(group="profile", name="method")
        self._ask_for_password(flow)
        # Kratos adds the button anew each time, so that it shows twice after a second submit.
        flow.ui.nodes.append(submit_node("profile", "previous", 1040008, "screen"))
        flow.ui.messages.append(message(1040009))
        payload = fields.get("transient_payload") or {}
        return self.show(exchange, flow, status=400, transient_payload=payload)

    def _first_step_again(self, exchange: Exchange, flow: Flow, fields: dict[str, Any]) -> Answer:
        flow.ui.remove(group="password")
        flow.ui.remove(name="screen")
        self._show_traits(flow, self._traits(fields), hidden=False)
        flow.ui.nodes.append(submit_node("profile", "profile", 1040001))
        return self.show(exchange, flow, status=400)

    def _traits(self, fields: dict[str, Any]) -> dict[str, Any]:
        traits = fields.get("traits")
        return self.server.schema.converted(traits) if isinstance(traits, dict) else {}

    def _checked_traits(self, flow: Flow, fields: dict[str, Any]) -> dict[str, Any]:
        traits = self._traits(fields)
        self._show_traits(flow, traits, hidden=None)
        if not self.server.schema.check(traits, flow.ui):
            raise InvalidFlowError(flow)
        return traits

    def _show_traits(self, flow: Flow, traits: dict[str, Any], *, hidden: bool | None) -> None:
        """Write what was sent into the form; None leaves the fields as visible as they are."""
        for trait in self.server.schema.traits:
            for old in list(flow.ui.named(trait.name)):
                shown = old["attributes"]["type"] == "hidden" if hidden is None else hidden
                new = trait.node("default", traits, hidden=shown)
                if "value" not in new["attributes"] and "value" in old["attributes"]:
                    new["attributes"]["value"] = old["attributes"]["value"]
                flow.ui.put(new)

    def _check_password(self, flow: Flow, password: object, traits: dict[str, Any]) -> None:
        settings, ui = self.server.settings, flow.ui
        identifiers = self.server.schema.identifiers(traits)
        had_field = ui.find("password") is not None
        if not had_field:
            trait = self.server.schema.identifier_trait
            ui.put(input_node("default", "password", "text"), after=trait.name if trait else None)
        if password_problem(settings, password, identifiers, ui):
            raise InvalidFlowError(flow)
        if not had_field:
            ui.remove(name="password")
        if identifiers_taken(self.server, None, traits):
            ui.complain(4000007)
            raise InvalidFlowError(flow)

    def finish(
        self,
        exchange: Exchange,
        flow: Flow,
        identity: Identity,
        method: AuthenticationMethod,
    ) -> Answer:
        """Run the hooks after registration and send the newcomer on."""
        settings = self.server.settings
        if not flow.native:
            exchange.renew_csrf()
        onward, page = self.begin_verification(exchange, flow, identity)
        body: dict[str, Any] = {"identity": self.server.identity_document(identity)}
        if settings.session_after_registration:
            session = self.sessions.start(identity, [method], device_of(exchange))
            body = {"session": self.sessions.document(session), **body}
            if flow.native:
                token = {"action": "set_ory_session_token", "ory_session_token": session.token}
                return Answer.json({"session_token": session.token, **body, "continue_with": [*onward, token]})
            self.sessions.issue_cookie(exchange, session)
        location = flow.return_to or settings.default_return_url
        if not flow.native and not exchange.wants_json:
            return Answer.redirect(exchange.method, page or location)
        if not flow.native:
            onward.insert(0, {"action": "redirect_browser_to", "redirect_browser_to": location})
        return Answer.json({**body, "continue_with": onward})

    def begin_verification(
        self,
        exchange: Exchange,
        flow: Flow,
        identity: Identity,
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Begin a verification for each address; return what JSON says of it, and the page of the first."""
        onward: list[dict[str, Any]] = []
        pages: list[str] = []
        if not self.server.settings.verification_after_registration:
            return onward, None
        for address in identity.verifiable_addresses:
            new = self._verifications.sent_for(exchange, flow, address)
            shown = {"id": new.id, "verifiable_address": address.value}
            if not flow.native:
                pages.append(self._verifications.ui_url(new))
                shown["url"] = pages[-1]
            onward.append({"action": "show_verification_ui", "flow": shown})
        return onward, next(iter(pages), None)
