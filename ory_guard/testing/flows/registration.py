"""Registration in two steps: traits, then a credential."""

from typing import Any, ClassVar, Final, Literal

from ory_guard.testing.flows.flow import FakeFlow, FlowEndpoints, InvalidFlowError
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import input_node, password_node, submit_node
from ory_guard.testing.flows.verification import VerificationEndpoints
from ory_guard.testing.oidc.redirect import OidcRedirects
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.identities import add_password_error, create_identity, is_identifier_taken
from ory_guard.testing.store.records import FakeAuthenticationMethod, Identity
from ory_guard.testing.store.sessions import Sessions, device_from

__all__ = ["RegistrationEndpoints"]

SCREENS: Final = ("credential-selection", "previous")
REGISTRATION_METHODS: Final = frozenset({"password", "oidc", "passkey"})


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
        return flow

    def _session_already_available(self, request: FakeRequest) -> ApiError:
        return ApiError(
            400,
            "session_already_available",
            "A valid session exists. Log out before registering an account.",
            message="you are already logged in",
            location=self.server.return_to(request) or self.server.settings.default_return_url,
        )

    def _fill(self, flow: FakeFlow) -> None:
        settings, ui = self.server.settings, flow.ui
        for trait in self.server.schema.traits:
            ui.set_node(trait.node("default", {}))
        if settings.enabled("oidc"):
            ui.nodes[:0] = [
                submit_node("oidc", provider.id, 1040002, "provider", provider=provider.id, provider_id=provider.id)
                for provider in settings.oidc_providers
            ]
        if settings.two_steps_registration:
            ui.set_node(submit_node("profile", "profile", 1040001))
        elif settings.enabled("password"):
            self._show_password_fields(flow)

    def _show_password_fields(self, flow: FakeFlow) -> None:
        flow.ui.remove(name="password")
        trait = self.server.schema.identifier_trait
        flow.ui.set_node(password_node("new-password"), after=trait.name if trait else None)
        flow.ui.set_node(submit_node("password", "password", 1040001))

    def submit(self, request: FakeRequest, flow: FakeFlow) -> FakeResponse:
        """`update_registration_flow`."""
        if self.sessions.find(request) is not None:
            error = self._session_already_available(request)
            error.location = self.server.settings.default_return_url
            raise error
        self.require_not_expired(request, flow)
        fields = self.fields(request, flow)
        # The submit button of a provider sends `provider` without `method`.
        method = fields.get("method") or ("oidc" if fields.get("provider") else None)
        if self.server.settings.two_steps_registration:
            screen = fields.get("screen", "")
            if screen not in {"", *SCREENS}:
                self._show_traits(flow, fields["traits"], hidden=None)
                flow.ui.add_error(4000001, {"reason": f"The screen must be one of {SCREENS}."}, at="screen")
                raise InvalidFlowError(flow)
            if screen == "previous":
                self.require_csrf(request, flow, fields)
                return self._return_to_first_step(request, flow, fields)
            if method == "profile" or screen:
                self.require_csrf(request, flow, fields)
                return self._show_second_step(request, flow, fields)
        if method == "oidc" and self.server.settings.enabled("oidc"):
            self.require_csrf(request, flow, fields)
            return self._oidc.start(request, flow, fields.get("provider"))
        if method == "password" and self.server.settings.enabled("password"):
            self.require_csrf(request, flow, fields)
            traits = self._validated_traits(flow, fields)
            self._check_password(flow, fields.get("password"), traits)
            identity = create_identity(self.server, traits, password=fields["password"])
            return self.finish(request, flow, identity, self.sessions.completed_method("password"))
        self.require_enabled(method or "", REGISTRATION_METHODS)
        # Without passwordless login, codes have no identifiers.
        flow.ui.add_error(4000009 if method == "code" else 4010003)
        raise InvalidFlowError(flow)

    def _show_second_step(self, request: FakeRequest, flow: FakeFlow, fields: dict[str, Any]) -> FakeResponse:
        traits = self._validated_traits(flow, fields)
        self._show_traits(flow, traits, hidden=True)
        flow.ui.remove(group="profile", name="method")
        self._show_password_fields(flow)
        # As in Kratos, each submission adds another button.
        flow.ui.nodes.append(submit_node("profile", "previous", 1040008, "screen"))
        flow.ui.messages.append(message(1040009))
        payload = fields.get("transient_payload") or {}
        return self.render(request, flow, status=400, transient_payload=payload)

    def _return_to_first_step(self, request: FakeRequest, flow: FakeFlow, fields: dict[str, Any]) -> FakeResponse:
        flow.ui.remove(group="password")
        flow.ui.remove(name="screen")
        self._show_traits(flow, fields["traits"], hidden=False)
        flow.ui.nodes.append(submit_node("profile", "profile", 1040001))
        return self.render(request, flow, status=400)

    def _validated_traits(self, flow: FakeFlow, fields: dict[str, Any]) -> dict[str, Any]:
        traits: dict[str, Any] = fields["traits"]
        self._show_traits(flow, traits, hidden=None)
        if not self.server.schema.validate(traits, flow.ui):
            raise InvalidFlowError(flow)
        return traits

    def _show_traits(self, flow: FakeFlow, traits: dict[str, Any], *, hidden: bool | None) -> None:
        """Fill the submitted traits into the form; with `hidden=None`, fields keep their visibility."""
        for trait in self.server.schema.traits:
            for old in list(flow.ui.iter_named(trait.name)):
                is_hidden = old["attributes"]["type"] == "hidden" if hidden is None else hidden
                new = trait.node("default", traits, hidden=is_hidden)
                if "value" not in new["attributes"] and "value" in old["attributes"]:
                    new["attributes"]["value"] = old["attributes"]["value"]
                flow.ui.set_node(new)

    def _check_password(self, flow: FakeFlow, password: object, traits: dict[str, Any]) -> None:
        settings, ui = self.server.settings, flow.ui
        identifiers = self.server.schema.identifiers(traits)
        had_field = ui.find("password") is not None
        if not had_field:
            trait = self.server.schema.identifier_trait
            ui.set_node(input_node("default", "password", "text"), after=trait.name if trait else None)
        if add_password_error(settings, password, identifiers, ui):
            raise InvalidFlowError(flow)
        if not had_field:
            ui.remove(name="password")
        if is_identifier_taken(self.server, None, traits):
            trait = self.server.schema.identifier_trait
            if trait and settings.is_release and (node := ui.find(trait.name)):
                node["attributes"].pop("value", None)
            ui.add_error(4000007)
            raise InvalidFlowError(flow)

    def finish(
        self,
        request: FakeRequest,
        flow: FakeFlow,
        identity: Identity,
        method: FakeAuthenticationMethod,
    ) -> FakeResponse:
        """Run the hooks after registration and respond with the next step."""
        settings = self.server.settings
        if not flow.native:
            request.renew_csrf()
        continue_with, page = self.start_verification(request, flow, identity)
        body: dict[str, Any] = {"identity": self.server.identity_document(identity)}
        if settings.session_after_registration:
            session = self.sessions.start(identity, [method], device_from(request))
            body = {"session": self.sessions.document(session), **body}
            if flow.native:
                token = {"action": "set_ory_session_token", "ory_session_token": session.token}
                return FakeResponse.json(
                    {"session_token": session.token, **body, "continue_with": [*continue_with, token]}
                )
            self.sessions.issue_cookie(request, session)
        location = flow.return_to or settings.default_return_url
        if not flow.native and not request.prefers_json:
            return FakeResponse.redirect(request.method, page or location)
        if not flow.native:
            continue_with.insert(0, {"action": "redirect_browser_to", "redirect_browser_to": location})
        return FakeResponse.json({**body, "continue_with": continue_with})

    def start_verification(
        self,
        request: FakeRequest,
        flow: FakeFlow,
        identity: Identity,
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Start a verification of each address; return the `continue_with` items and the page of the first one."""
        continue_with: list[dict[str, Any]] = []
        pages: list[str] = []
        if not self.server.settings.verification_after_registration:
            return continue_with, None
        for address in identity.verifiable_addresses:
            verification = self._verification.create_for_address(request, flow, address)
            item = {"id": verification.id, "verifiable_address": address.value}
            if not flow.native:
                pages.append(self._verification.ui_url(verification))
                item["url"] = pages[-1]
            continue_with.append({"action": "show_verification_ui", "flow": item})
        return continue_with, next(iter(pages), None)
