"""The method `passkey`: login, registration and settings with discoverable credentials."""

from typing import ClassVar, Final

from ory_guard.testing.flows.fake_flow import FakeFlow
from ory_guard.testing.flows.submission import Submission
from ory_guard.testing.flows.ui_nodes import Node, input_node
from ory_guard.testing.methods.authenticator_method import (
    AuthenticatorMethod,
    last_factor_error,
    log_in_at_page,
)
from ory_guard.testing.methods.method import Change, LoginMethod, RegistrationMethod, SettingsMethod
from ory_guard.testing.methods.traits import submitted_traits
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.store.identities import create_identity, is_identifier_taken, touch
from ory_guard.testing.store.records import Identity, random_string
from ory_guard.testing.webauthn.nodes import call, data_node, passkey_trigger, remove_nodes, script_node, to_json
from ory_guard.testing.webauthn.relying_party import RelyingParty

__all__ = ["PasskeyMethod"]

_HANDLE_LENGTH: Final = 64
_OPTIONS: Final = "passkey_options"
_SELECTION: Final = {
    "authenticatorAttachment": "platform",
    "requireResidentKey": True,
    "residentKey": "required",
    "userVerification": "preferred",
}


class PasskeyMethod(AuthenticatorMethod, LoginMethod, RegistrationMethod, SettingsMethod):
    """Passkeys: credentials that know their user, so that a login needs no identifier."""

    name: ClassVar[str] = "passkey"
    settings_buttons: ClassVar[tuple[str, ...]] = ("passkey_settings_register", "passkey_remove")
    needs_button: ClassVar[bool] = True
    response_fields: ClassVar[tuple[str, ...]] = ("passkey_login",)

    @property
    def login_aal(self) -> str:
        """The level of a first factor."""
        return "aal1"

    @property
    def relying_party(self) -> RelyingParty:
        """The relying party of passkeys."""
        settings = self.server.settings
        origins = settings.passkey_origins
        return RelyingParty(settings.passkey_id, settings.passkey_name, origins, 300_000, _SELECTION)

    def fill_login(self, flow: FakeFlow) -> None:
        """Add the button, and the data for the suggestions of the browser."""
        self.fill_identifier_step(flow)
        flow.ui.nodes.append(self._login_trigger(flow))

    def fill_identifier_step(self, flow: FakeFlow) -> None:
        """Add the data for the suggestions of the browser."""
        ceremony, options = self.relying_party.start_login()
        self.start(flow, ceremony)
        flow.ui.upsert(self.server.schema.identifier_node("default", autocomplete="username webauthn"))
        flow.ui.upsert(data_node("passkey_challenge", value=to_json(options)))
        self._add_script(flow)
        flow.ui.upsert(data_node("passkey_login", **call(flow, "onload", "oryPasskeyLoginAutocompleteInit")))

    def fill_credentials_step(self, flow: FakeFlow, identity: Identity | None) -> bool:
        """Add the button if the identity has a passkey."""
        if identity is None or not identity.credentials.passkey.keys:
            return False
        flow.ui.nodes.append(self._login_trigger(flow))
        return True

    def fill_refresh(self, flow: FakeFlow, identity: Identity) -> None:
        """Add the button for the identity's passkeys."""
        passkeys = identity.credentials.passkey
        if not passkeys.keys:
            return
        ceremony, options = self.relying_party.start_login(passkeys.user_handle, passkeys.keys)
        self.start(flow, ceremony)
        flow.ui.upsert(data_node("passkey_challenge", value=to_json(options)))
        self._add_script(flow)
        flow.ui.upsert(data_node("passkey_login"))
        flow.ui.nodes.append(self._login_trigger(flow))
        name = self.server.schema_of(identity).passkey_name(identity.traits)
        flow.ui.set_node(input_node("default", "identifier", "hidden", name))

    def require_login_fields(self, submission: Submission) -> None:
        """Check that the method is enabled."""
        self.require_enabled()

    def log_in(self, submission: Submission) -> Identity | FakeResponse:
        """Return the identity whose passkey signed the challenge of the flow."""
        submission.require_csrf()
        submitted = submission.fields.get("passkey_login", "")
        if not submitted:
            return log_in_at_page(submission)
        assertion = self.parsed_assertion(submission, submitted)
        identity = self._owner(assertion.user_handle)
        if identity is None:
            raise submission.rejected(4000015)
        credentials = identity.credentials
        passkeys = (
            credentials.passkey if assertion.user_handle in credentials.passkey.handles else credentials.webauthn
        )
        keys = passkeys.usable(is_passwordless=True)
        self.require_assertion(submission, assertion, assertion.user_handle, keys)
        return identity

    def _owner(self, user_handle: bytes) -> Identity | None:
        """Return the identity with a handle; security keys without password have handles, too."""
        identities = self.server.store.identities.values()
        for identity in identities:
            if user_handle in identity.credentials.passkey.handles:
                return identity
        return next(
            (
                identity
                for identity in identities
                if user_handle and user_handle == identity.credentials.webauthn.user_handle
            ),
            None,
        )

    def fill_registration(self, flow: FakeFlow) -> None:
        """Add the button, and the data for the script. A flow keeps its first challenge."""
        flow.ui.upsert(data_node("passkey_create_data", value=self._creation_options(flow)))
        flow.ui.upsert(passkey_trigger(flow, "passkey_register_trigger", "oryPasskeyRegistration", 1040007))
        self._add_script(flow)
        flow.ui.upsert(data_node("passkey_register"))

    def _creation_options(self, flow: FakeFlow) -> str:
        """Return the data for the script of a registration, whose challenge is created once."""
        if _OPTIONS not in flow.internal:
            ceremony, creation = self.relying_party.start_registration(random_string(_HANDLE_LENGTH).encode())
            self.start(flow, ceremony)
            field = self.server.schema.passkey_name_field
            if field is None:
                raise ApiError(
                    500, reason="The identity schema must mark one titled trait with passkey.display_name."
                )
            flow.internal[_OPTIONS] = to_json({"credentialOptions": creation, "displayNameFieldName": field})
        return str(flow.internal[_OPTIONS])

    def accepts_registration(self, submission: Submission, name: str) -> bool:
        """Return whether a passkey was submitted. Some clients submit `true` instead of nothing."""
        return submission.fields.get("passkey_register") not in {None, "true"}

    def register(self, submission: Submission) -> Identity:
        """Create an identity with the submitted traits and passkey."""
        ui = submission.flow.ui
        nodes = list(ui.nodes)
        traits = submitted_traits(self.server.schema, submission)
        submission.require_csrf()
        self._creation_options(submission.flow)
        ceremony = self.ceremony(submission.flow)
        key = self.created_credential(submission, submission.fields["passkey_register"])
        if is_identifier_taken(self.server, None, traits):
            ui.nodes = nodes  # as in Kratos, the form keeps its values
            raise submission.rejected(4000007)
        identity = create_identity(self.server, traits)
        identity.credentials.passkey.add(key, ceremony.user_handle)
        return identity

    def fill_settings(self, flow: FakeFlow, identity: Identity) -> None:
        """Add a button for each passkey that removes it, and one for a new passkey."""
        keys = identity.credentials.passkey.keys
        is_last = self.is_only_first_factor(identity)
        flow.ui.nodes += remove_nodes(self.name, 1050020, keys, required_key=keys[0] if keys and is_last else None)
        name = self.server.schema_of(identity).passkey_name(identity.traits)
        if not name:
            flow.ui.add_error(4000009)
            return
        ceremony, options = self.relying_party.start_registration(random_string(_HANDLE_LENGTH).encode(), name)
        self.start(flow, ceremony)
        self._add_script(flow)
        function = "oryPasskeySettingsRegistration"
        flow.ui.upsert(passkey_trigger(flow, "passkey_register_trigger", function, 1050019, value=""))
        flow.ui.upsert(data_node("passkey_settings_register"))
        flow.ui.upsert(data_node("passkey_create_data", value=to_json(options)))

    def change(self, submission: Submission) -> Change:
        """Remove a passkey, or add one."""
        session, fields = submission.current_session, submission.fields
        passkeys = session.identity.credentials.passkey
        if key_id := fields.get("passkey_remove"):
            key = passkeys.find(key_id)
            if key is None:
                reason = "The passkey does not exist." if passkeys.keys else "You have no passkey."
                raise submission.rejected(4000001, {"reason": reason})
            if self.is_only_first_factor(session.identity):
                raise last_factor_error(submission)
            passkeys.remove(key)
        else:
            ceremony = self.ceremony(submission.flow)
            key = self.created_credential(submission, fields["passkey_settings_register"])
            passkeys.add(key, ceremony.user_handle)
            self.sessions.add_method(session, self.name)
        touch(self.server, session.identity)
        return Change.SAVED

    def _add_script(self, flow: FakeFlow) -> None:
        if not flow.native:
            flow.ui.upsert(script_node(self.server.settings))

    def _login_trigger(self, flow: FakeFlow) -> Node:
        return passkey_trigger(flow, "passkey_login_trigger", "oryPasskeyLogin", 1010021, value="")
