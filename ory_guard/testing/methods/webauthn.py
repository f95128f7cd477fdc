"""The method `webauthn`: security keys, as a second factor or without a password."""

import uuid
from typing import Any, ClassVar, Final

from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.submission import Submission
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import Node, csrf_node, input_node, submit_node
from ory_guard.testing.methods.authenticator_method import (
    AuthenticatorMethod,
    last_factor_error,
    log_in_at_page,
)
from ory_guard.testing.methods.method import Change, LoginMethod, RegistrationMethod, SettingsMethod
from ory_guard.testing.methods.traits import show_submitted_traits, submitted_traits
from ory_guard.testing.server.csrf import mask
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import FakeResponse
from ory_guard.testing.store.identities import create_identity, is_identifier_taken, touch
from ory_guard.testing.store.records import Identity
from ory_guard.testing.webauthn.nodes import key_trigger, remove_nodes, script_node
from ory_guard.testing.webauthn.relying_party import RelyingParty

__all__ = ["WebAuthnMethod"]

_SELECTION: Final = {"userVerification": "discouraged"}
_OPTIONS: Final = "webauthn_options"


class WebAuthnMethod(AuthenticatorMethod, LoginMethod, RegistrationMethod, SettingsMethod):
    """Security keys; they require a browser."""

    name: ClassVar[str] = "webauthn"
    settings_buttons: ClassVar[tuple[str, ...]] = ("webauthn_register", "webauthn_remove")
    needs_button: ClassVar[bool] = True
    response_fields: ClassVar[tuple[str, ...]] = ("webauthn_login",)

    @property
    def is_passwordless(self) -> bool:
        """Whether keys are a first factor."""
        return self.server.settings.webauthn_passwordless

    @property
    def login_aal(self) -> str:
        """The level of keys in the configuration."""
        return "aal1" if self.is_passwordless else "aal2"

    @property
    def relying_party(self) -> RelyingParty:
        """The relying party of security keys."""
        settings = self.server.settings
        origins = settings.webauthn_origins
        return RelyingParty(settings.webauthn_id, settings.webauthn_name, origins, 120_000, _SELECTION)

    def require_login_fields(self, submission: Submission) -> None:
        """Check that the submission of a browser has an identifier, and that the method is enabled."""
        if submission.flow.native:
            return
        if not submission.fields.get("identifier"):
            raise submission.rejected(4000002, {"property": "identifier"}, at="identifier")
        self.require_enabled()

    def accepts_login(self, flow: FakeFlow) -> bool:
        """Return whether the flow is that of a browser, for the level of keys or the refresh of a first factor."""
        is_refresh = flow.fields["refresh"] and flow.fields["requested_aal"] == "aal1"
        return not flow.native and (is_refresh or super().accepts_login(flow))

    def fill_login(self, flow: FakeFlow) -> None:
        """Add the field for the identifier, and the button for the next step."""
        if not flow.native and self.is_passwordless:
            flow.ui.set_node(self.server.schema.identifier_node("default", autocomplete="username webauthn"))
            flow.ui.nodes.append(submit_node("webauthn", "webauthn", 1010008))

    def fill_credentials_step(self, flow: FakeFlow, identity: Identity | None) -> bool:
        """Add the button for the next step if the identity has a key."""
        if flow.native or not self.is_passwordless or identity is None:
            return False
        if not identity.credentials.webauthn.usable(is_passwordless=True):
            return False
        flow.ui.nodes.append(submit_node("webauthn", "webauthn", 1010008))
        return True

    def fill_refresh(self, flow: FakeFlow, identity: Identity) -> None:
        """Add the button for the identity's keys that are a first factor."""
        if not flow.native:
            self._fill_keys(flow, identity, 1010008, is_passwordless=True)

    def fill_second_factor(self, request: FakeRequest, flow: FakeFlow, identity: Identity) -> None:
        """Add the button for the identity's keys that are a second factor."""
        if not flow.native and (flow.fields["refresh"] or not self.is_passwordless):
            self._fill_keys(flow, identity, 1010008, is_passwordless=False)

    def _fill_keys(self, flow: FakeFlow, identity: Identity, label: int, *, is_passwordless: bool) -> bool:
        """Add the button for keys of an identity, and return whether it has such keys."""
        credentials = identity.credentials.webauthn
        keys = credentials.usable(is_passwordless=is_passwordless)
        if not keys:
            return False
        ceremony, options = self.relying_party.start_login(credentials.user_handle, keys)
        self.start(flow, ceremony)
        identifier = self.server.schema_of(identity).webauthn_identifier(identity.traits)
        flow.ui.set_node(input_node("default", "identifier", "hidden", identifier))
        if flow.ui.find("csrf_token") is None and flow.csrf_secret:
            flow.ui.nodes.append(csrf_node(mask(flow.csrf_secret)))
        flow.ui.upsert(script_node(self.server.settings))
        flow.ui.set_node(key_trigger("webauthn_login_trigger", "oryWebAuthnLogin", label, options))
        flow.ui.upsert(input_node("webauthn", "webauthn_login", "hidden", ""))
        return True

    def log_in(self, submission: Submission) -> Identity | FakeResponse:
        """Show the button for the keys of an identity, or verify the response of a key."""
        flow, fields = submission.flow, submission.fields
        identifier, submitted = fields.get("identifier", ""), fields.get("webauthn_login", "")
        submission.require_csrf()
        if flow.fields["requested_aal"] == "aal2":
            return self._verify(submission, submission.current_session.identity, submitted)
        identity = self.server.find_identity(identifier)
        if identity is None:
            raise submission.rejected(4000015)
        if submitted:
            return self._verify(submission, identity, submitted)
        nodes, flow.ui.nodes = flow.ui.nodes, []
        if not self._fill_keys(flow, identity, 1010013, is_passwordless=True):
            flow.ui.nodes = nodes
            raise submission.rejected(4000015)
        flow.ui.set_node(input_node("default", "identifier", "hidden", identifier, required=True))
        flow.ui.messages = [message(1010012)]
        return log_in_at_page(submission)

    def _verify(self, submission: Submission, identity: Identity, submitted: str) -> Identity:
        flow = submission.flow
        assertion = self.parsed_assertion(submission, submitted)
        credentials = identity.credentials.webauthn
        keys = credentials.keys
        if not flow.fields["refresh"]:
            keys = credentials.usable(is_passwordless=flow.fields["requested_aal"] == "aal1")
        self.require_assertion(submission, assertion, credentials.user_handle, keys)
        return identity

    def fill_registration(self, flow: FakeFlow) -> None:
        """Add the fields for a new key that is a first factor. A flow keeps its first challenge."""
        if flow.native or not self.is_passwordless:
            return
        options = flow.internal.get(_OPTIONS)
        if options is None:
            ceremony, options = self.relying_party.start_registration(uuid.uuid4().bytes)
            self.start(flow, ceremony)
            flow.internal[_OPTIONS] = options
        for new in self._registration_nodes(1040004, options):
            flow.ui.upsert(new)

    def accepts_registration(self, submission: Submission, name: str) -> bool:
        """Return whether the flow is that of a browser, and keys are a first factor.

        The method is the last one, and as in Kratos, it rejects submissions that no other method accepts.
        """
        return not submission.flow.native and self.is_passwordless

    def register(self, submission: Submission) -> Identity:
        """Create an identity with the submitted traits and key."""
        fields, flow = submission.fields, submission.flow
        nodes = list(flow.ui.nodes)
        show_submitted_traits(self.server.schema, flow, fields["traits"])
        display_name = fields.get("webauthn_register_displayname", "")
        flow.ui.set_value("webauthn_register_displayname", display_name)
        if not fields.get("webauthn_register"):
            raise _without_key(submission)
        submission.require_csrf()
        ceremony = self.ceremony(flow)
        key = self.created_credential(submission, fields["webauthn_register"])
        traits = submitted_traits(self.server.schema, submission)
        self.complete(flow)
        if is_identifier_taken(self.server, None, traits):
            flow.ui.nodes = nodes  # as in Kratos, the form keeps its values
            raise submission.rejected(4000007)
        identity = create_identity(self.server, traits)
        key.display_name = display_name
        identity.credentials.webauthn.add(key, ceremony.user_handle)
        return identity

    def fill_settings(self, flow: FakeFlow, identity: Identity) -> None:
        """Add a button for each key that removes it, and the fields for a new key, to the form of a browser."""
        if flow.native:
            return
        keys = identity.credentials.webauthn.keys
        is_last = self.is_only_first_factor(identity)
        required = next((key for key in keys if key.is_passwordless and is_last), None)
        flow.ui.nodes += remove_nodes(self.name, 1050018, keys, required_key=required)
        ceremony, options = self.relying_party.start_registration(uuid.UUID(identity.id).bytes)
        self.start(flow, ceremony)
        flow.ui.nodes += self._registration_nodes(1050012, options)

    def accepts_settings(self, flow: FakeFlow) -> bool:
        """Return whether the flow is that of a browser."""
        return not flow.native

    def change(self, submission: Submission) -> Change:
        """Add a key, or remove one."""
        session, fields = submission.current_session, submission.fields
        identity = session.identity
        if submitted := fields.get("webauthn_register"):
            name = "webauthn_register_displayname"
            if not fields.get(name):
                raise submission.rejected(4000002, {"property": name}, at=name)
            ceremony = self.ceremony(submission.flow)
            key = self.created_credential(submission, submitted)
            if not self.server.schema_of(identity).webauthn_identifier(identity.traits):
                raise submission.rejected(4000009)
            key.display_name, key.is_passwordless = fields[name], self.is_passwordless
            identity.credentials.webauthn.add(key, ceremony.user_handle)
            self.sessions.add_method(session, self.name)
        else:
            self._remove(submission, identity, fields["webauthn_remove"])
        touch(self.server, identity)
        return Change.SAVED

    def _remove(self, submission: Submission, identity: Identity, key_id: str) -> None:
        credentials = identity.credentials.webauthn
        key = credentials.find(key_id)
        if key is None:
            reason = "The security key does not exist." if credentials.keys else "You have no security key."
            raise submission.rejected(4000001, {"reason": reason})
        if key.is_passwordless and self.is_only_first_factor(identity):
            raise last_factor_error(submission)
        credentials.remove(key)

    def _registration_nodes(self, label: int, options: dict[str, Any]) -> list[Node]:
        return [
            input_node("webauthn", "webauthn_register_displayname", "text", "", message(1050013)),
            input_node("webauthn", "webauthn_register", "hidden", ""),
            key_trigger("webauthn_register_trigger", "oryWebAuthnRegistration", label, options),
            script_node(self.server.settings),
        ]


def _without_key(submission: Submission) -> InvalidFlowError:
    for name in ("identifier", "method", "webauthn_register"):
        if not submission.fields.get(name):
            submission.flow.ui.add_error(4000002, {"property": name}, at=name)
    return InvalidFlowError(submission.flow)
