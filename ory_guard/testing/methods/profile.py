"""The method `profile`: the traits in settings."""

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.submission import Submission
from ory_guard.testing.flows.ui_nodes import Node, Ui, input_node, submit_node
from ory_guard.testing.methods.method import Change, SettingsMethod
from ory_guard.testing.store.identities import is_identifier_taken, set_traits
from ory_guard.testing.store.identity_schema import IdentitySchema
from ory_guard.testing.store.records import Identity

__all__ = ["ProfileMethod"]

_KINDS: Final = {bool: "checkbox", int: "number", float: "number"}


class ProfileMethod(SettingsMethod):
    """The traits of an identity."""

    name: ClassVar[str] = "profile"
    is_privileged: ClassVar[bool] = False

    def fill_settings(self, flow: FakeFlow, identity: Identity) -> None:
        """Add a field for each trait."""
        schema = self.server.schema_of(identity)
        flow.ui.nodes += [trait.node("profile", identity.traits) for trait in schema.fields]
        flow.ui.nodes.append(submit_node("profile", "profile", 1070003))

    def check_fields(self, submission: Submission) -> None:
        """Fill the submitted traits into the form, and validate them."""
        flow = submission.flow
        traits = submission.fields["traits"]
        _show_traits(flow.ui, traits)
        if not self.server.schema_of(submission.current_session.identity).validate(traits, flow.ui):
            raise InvalidFlowError(flow)

    def change(self, submission: Submission) -> Change:
        """Change the traits; those that identify the user require a recent login."""
        session = submission.current_session
        identity = session.identity
        schema = self.server.schema_of(identity)
        traits = submission.fields["traits"]
        if is_identifier_taken(self.server, identity, traits):
            raise submission.rejected(4000007)
        if _changes_protected_traits(schema, identity.traits, traits) and not self.sessions.is_privileged(session):
            return Change.REAUTHENTICATION_REQUIRED
        set_traits(self.server, identity, traits)
        if self.server.settings.is_release:
            identity.state_changed_at = None
        return Change.SAVED


def _changes_protected_traits(schema: IdentitySchema, before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Return whether the change affects login identifiers or addresses."""
    return any(
        schema.identifiers(before) != schema.identifiers(after)
        or schema.code_addresses(before) != schema.code_addresses(after)
        or schema.addresses(before, purpose) != schema.addresses(after, purpose)
        for purpose in ("recovery", "verification")
    )


def _show_traits(ui: Ui, traits: Any) -> None:
    """Fill submitted traits into the form. As in Kratos, traits that the schema does not have get fields, too."""
    for entry in ui.nodes:
        if _is_trait(entry):
            entry["attributes"].pop("value", None)
            entry["messages"] = []
    for name, value in _flatten(traits, "traits") if isinstance(traits, dict) else ():
        field = ui.find(name)
        if field is None:
            position = _position(ui, name)
            field = input_node("profile", name, _KINDS.get(type(value), "text"))
            ui.nodes.insert(position, field)
        if value is not None:
            field["attributes"]["value"] = value


def _position(ui: Ui, name: str) -> int:
    """Return the place of a new field: after the trait whose name it extends, or else after all traits."""
    traits = [(index, entry) for index, entry in enumerate(ui.nodes) if _is_trait(entry) and entry["meta"]]
    extended = [index for index, entry in traits if name.startswith(entry["attributes"]["name"])]
    return 1 + max(extended or [index for index, _ in traits])


def _is_trait(entry: Node) -> bool:
    return str(entry["attributes"].get("name", "")).startswith("traits.")


def _flatten(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in members:
            yield from _flatten(inner, f"{path}.{name}")
    else:
        yield path, value
