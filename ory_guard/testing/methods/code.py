"""The method `code`: login and registration with a code that is sent to an address, and codes as second factor."""

from typing import Any, ClassVar, Final

from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.submission import Submission
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import csrf_node, input_node, submit_node
from ory_guard.testing.methods.code_form import ADDRESS_FIELDS, show_login_code_form
from ory_guard.testing.methods.code_registration import fill_code_registration, register_with_code
from ory_guard.testing.methods.method import LoginMethod, RegistrationMethod
from ory_guard.testing.methods.one_time_code import check_code, store_code
from ory_guard.testing.server.csrf import mask
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.store.records import Identity

__all__ = ["CodeMethod"]

_LOGIN_TEMPLATE: Final = "login_code_valid"


class CodeMethod(LoginMethod, RegistrationMethod):
    """Codes by email: either as first factor (passwordless), or as second factor."""

    name: ClassVar[str] = "code"

    def selects_login(self, fields: dict[str, Any], name: str) -> bool:
        """Return whether a submission names the method, or is that of a button with an address."""
        return name == self.name or (not name and bool(fields.get("address")))

    @property
    def login_aal(self) -> str | None:
        """The level for which the configuration enables codes."""
        settings = self.server.settings
        if settings.code_passwordless_enabled:
            return "aal1"
        return "aal2" if settings.code_mfa_enabled else None

    def fill_login(self, flow: FakeFlow) -> None:
        """Add the field for the identifier, and the button that sends a code."""
        if self.login_aal == "aal1":
            flow.ui.upsert(self.server.schema.identifier_node("default"))
            flow.ui.nodes.append(submit_node("code", "code", 1010015))

    def fill_credentials_step(self, flow: FakeFlow, identity: Identity | None) -> bool:
        """Add the button that sends a code."""
        if identity is None or self.login_aal != "aal1":
            return False
        flow.ui.nodes.append(submit_node("code", "code", 1010015))
        return True

    def fill_refresh(self, flow: FakeFlow, identity: Identity) -> None:
        """Add the form of the first factor."""
        self.fill_login(flow)

    def fill_second_factor(self, request: FakeRequest, flow: FakeFlow, identity: Identity) -> None:
        """Add a button for each address that a code can be sent to.

        Raises:
            ApiError: If the parameter `via` does not name a trait with such an address.
        """
        if self.login_aal == "aal2":
            flow.ui.nodes += [
                input_node("code", "address", "submit", value, message(1010023, {"address": value, "channel": via}))
                for value, via in self._second_factor_addresses(request, identity)
            ]

    def fill_registration(self, flow: FakeFlow) -> None:
        """Add the button that sends a code."""
        if self.login_aal == "aal1":
            fill_code_registration(flow)

    def register(self, submission: Submission) -> Identity | FakeResponse:
        """Send a code to the address in the submitted traits, or create the identity after the correct code."""
        return register_with_code(self.server, submission)

    def send_login_code_at_once(
        self, submission: Submission, identifier: str, identity: Identity
    ) -> FakeResponse | None:
        """Send a code without being asked, if the identity has no other first factor."""
        if identity.credentials.first_factors:
            return None
        return self.send_login_code(submission, identifier, identity)

    def send_second_factor_at_once(self, request: FakeRequest, flow: FakeFlow, identity: Identity) -> None:
        """Send a code if that is the only second factor and there is only one address."""
        if self.login_aal != "aal2" or identity.credentials.second_factors:
            return
        addresses = self._second_factor_addresses(request, identity)
        if len(addresses) == 1:
            self._send(flow, addresses[0][0], identity)

    def _second_factor_addresses(self, request: FakeRequest, identity: Identity) -> list[tuple[str, str]]:
        schema = self.server.schema_of(identity)
        addresses = schema.code_addresses(identity.traits)
        via = request.query.get("via")
        if not via:
            return addresses
        value = schema.trait_value(identity.traits, via)
        if not value:
            raise ApiError(400, reason=f"No value found for trait {via} in the current identity.")
        chosen = [address for address in addresses if address[0] == str(value).strip().lower()]
        if addresses and not chosen:
            raise ApiError(400, reason="The parameter via must name a trait with an address that receives codes.")
        return chosen

    def log_in(self, submission: Submission) -> Identity | FakeResponse:
        """Send a code to the submitted address, or verify the submitted code."""
        submission.require_csrf()
        flow, fields = submission.flow, submission.fields
        if str(fields.get("resend", "")).lower() == "code":
            flow.state = "choose_method"
        if flow.state == "choose_method":
            identifier = _identifier(submission)
            identity = self._find(submission, identifier, hides_identifier=False)
            return self.send_login_code(submission, identifier, identity)
        if flow.state == "sent_email":
            return self._verify(submission)
        raise self._rejected(submission, 4010002, hides_identifier=False)

    def send_login_code(self, submission: Submission, identifier: str, identity: Identity) -> FakeResponse:
        """Send a code and show the form for it."""
        self._send(submission.flow, identifier, identity)
        payload = submission.fields.get("transient_payload", {})
        return submission.endpoints.render(
            submission.request, submission.flow, status=400, transient_payload=payload
        )

    def _send(self, flow: FakeFlow, identifier: str, identity: Identity) -> None:
        schema = self.server.schema_of(identity)
        addresses = [value for value, _ in schema.code_addresses(identity.traits)]
        recipients = [identifier.strip().lower()] if identifier.strip().lower() in addresses else addresses
        code = self.server.send_code(recipients, _LOGIN_TEMPLATE, "Sign in with a code")
        store_code(self.server, flow, code, {"identity_id": identity.id, "addresses": recipients})
        flow.state, flow.active = "sent_email", self.name
        show_login_code_form(flow)
        flow.ui.set_value("identifier", identifier)
        if flow.csrf_secret:
            flow.ui.nodes.append(csrf_node(mask(flow.csrf_secret)))

    def _verify(self, submission: Submission) -> Identity:
        flow, fields = submission.flow, submission.fields
        if not fields.get("code"):
            raise self._rejected(submission, 4000002, {"property": "code"}, at="code")
        if flow.fields["requested_aal"] == "aal2":
            identity = submission.current_session.identity
        else:
            identity = self._find(submission, _identifier(submission), hides_identifier=True)
        try:
            check_code(submission, 4010008, identity_id=identity.id)
        except InvalidFlowError:
            self._keep_identifier(submission, hides_identifier=True)
            raise
        flow.state, flow.active = "passed_challenge", self.name
        for address in identity.verifiable_addresses:
            if address.value in flow.internal["addresses"] and not address.verified:
                address.mark_verified(self.server.now())
                address.status = "completed"
        return identity

    def _find(self, submission: Submission, identifier: str, *, hides_identifier: bool) -> Identity:
        if not identifier:
            context = {"property": "identifier"}
            raise self._rejected(submission, 4000002, context, at="identifier", hides_identifier=hides_identifier)
        for identity in self.server.store.identities.values():
            addresses = self.server.schema_of(identity).code_addresses(identity.traits)
            if identifier.strip().lower() in (value for value, _ in addresses):
                return identity
        raise self._rejected(submission, 4000035, hides_identifier=hides_identifier)

    def _rejected(
        self,
        submission: Submission,
        message_id: int,
        context: dict[str, str] | None = None,
        *,
        at: str | None = None,
        hides_identifier: bool = True,
    ) -> InvalidFlowError:
        self._keep_identifier(submission, hides_identifier=hides_identifier)
        return submission.rejected(message_id, context, at=at)

    def _keep_identifier(self, submission: Submission, *, hides_identifier: bool) -> None:
        """Fill the submitted identifier into the form, whose field is hidden once a code has been sent."""
        ui, identifier = submission.flow.ui, _identifier(submission)
        ui.upsert(csrf_node(""))
        if hides_identifier:
            ui.upsert(input_node("default", "identifier", "hidden", identifier))
        ui.set_value("identifier", identifier)


def _identifier(submission: Submission) -> str:
    values = (submission.fields.get(name) for name in ADDRESS_FIELDS)
    identifier = str(next((value for value in values if value), ""))
    return identifier.lower() if "@" in identifier else identifier
