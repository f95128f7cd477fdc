"""The method `password`."""

from typing import Any, ClassVar

from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.submission import Submission
from ory_guard.testing.flows.ui_nodes import Ui, input_node, password_node, submit_node
from ory_guard.testing.methods.method import Change, LoginMethod, RegistrationMethod, SettingsMethod
from ory_guard.testing.methods.traits import require_new_identifier, submitted_traits
from ory_guard.testing.store.identities import add_password_error, create_identity, touch
from ory_guard.testing.store.records import Identity

__all__ = ["PasswordMethod"]


class PasswordMethod(LoginMethod, RegistrationMethod, SettingsMethod):
    """Login, registration and settings with a password."""

    name: ClassVar[str] = "password"

    @property
    def login_aal(self) -> str:
        """The level of a first factor."""
        return "aal1"

    def fill_login(self, flow: FakeFlow) -> None:
        """Add the fields for identifier and password."""
        flow.ui.set_node(self.server.schema.identifier_node("default"))
        self._fill_password(flow, 1010022)

    def fill_credentials_step(self, flow: FakeFlow, identity: Identity | None) -> bool:
        """Add the field for the password if the identity has one."""
        if identity is None or identity.credentials.password is None:
            return False
        self._fill_password(flow, 1010022)
        return True

    def fill_refresh(self, flow: FakeFlow, identity: Identity) -> None:
        """Add the field for the identity's password, if it has one."""
        if identity.credentials.password is None:
            return
        identifiers = self.server.schema_of(identity).identifiers(identity.traits)
        flow.ui.set_node(input_node("default", "identifier", "hidden", next(iter(identifiers), "")))
        self._fill_password(flow, 1010001)

    def log_in(self, submission: Submission) -> Identity:
        """Return the identity with the submitted identifier and password."""
        fields = submission.fields
        identifier = fields.get("identifier") or fields.get("password_identifier")
        password = fields.get("password")
        missing = [name for name, value in (("identifier", identifier), ("password", password)) if not value]
        for name in missing:
            submission.flow.ui.add_error(4000002, {"property": name}, at=name)
        if missing:
            _keep_identifier(submission.flow, identifier)
            raise InvalidFlowError(submission.flow)
        submission.require_csrf()
        identity = self.server.find_identity(str(identifier))
        if identity is None or identity.credentials.password != password:
            _keep_identifier(submission.flow, identifier)
            raise submission.rejected(4000006)
        submission.flow.active = self.name
        return identity

    def fill_registration(self, flow: FakeFlow) -> None:
        """Add the field for a new password."""
        flow.ui.remove(name="password")
        flow.ui.set_node(password_node("new-password"))
        flow.ui.set_node(submit_node("password", "password", 1040001))

    def register(self, submission: Submission) -> Identity:
        """Create an identity with the submitted traits and password."""
        password = submission.fields.get("password")
        if not password:
            self._add_field(submission.flow.ui)
            submission.flow.ui.add_error(4000002, {"property": "password"}, at="password")
        traits = submitted_traits(self.server.schema, submission)
        if not password:
            raise InvalidFlowError(submission.flow)
        submission.require_csrf()
        self._check_new_password(submission, password, traits)
        return create_identity(self.server, traits, password=password)

    def _check_new_password(self, submission: Submission, password: str, traits: dict[str, Any]) -> None:
        ui, schema = submission.flow.ui, self.server.schema
        had_field = self._add_field(ui)
        if add_password_error(self.server.settings, password, schema.identifiers(traits), ui):
            raise InvalidFlowError(submission.flow)
        if not had_field:
            ui.remove(name="password")
        require_new_identifier(self.server, submission, traits)

    def _add_field(self, ui: Ui) -> bool:
        """Add a field for the error of a password in the first step, and return whether the form had one."""
        had_field = ui.find("password") is not None
        if not had_field:
            trait = self.server.schema.identifier_trait
            ui.set_node(input_node("default", "password", "text"), after=trait.name if trait else None)
        return had_field

    def fill_settings(self, flow: FakeFlow, identity: Identity) -> None:
        """Add the field for a new password."""
        flow.ui.nodes += [password_node("new-password"), submit_node("password", "password", 1070003)]

    def check_fields(self, submission: Submission) -> None:
        """Check that there is a password."""
        if not submission.fields.get("password"):
            raise submission.rejected(4000002, {"property": "password"}, at="password")

    def change(self, submission: Submission) -> Change:
        """Change the password."""
        identity = submission.current_session.identity
        identifiers = self.server.schema_of(identity).identifiers(identity.traits)
        password = submission.fields["password"]
        if add_password_error(self.server.settings, password, identifiers, submission.flow.ui):
            raise InvalidFlowError(submission.flow)
        if password == identity.credentials.password:
            raise submission.rejected(4000039, at="password")
        identity.credentials.password = password
        touch(self.server, identity)
        return Change.SAVED

    def _fill_password(self, flow: FakeFlow, label: int) -> None:
        flow.ui.set_node(password_node("current-password"))
        flow.ui.nodes.append(submit_node("password", "password", label))


def _keep_identifier(flow: FakeFlow, identifier: str | None) -> None:
    if identifier:
        flow.ui.set_value("identifier", identifier)
