"""The traits in the forms of registration."""

from typing import Any

from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.submission import Submission
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.identities import is_identifier_taken
from ory_guard.testing.store.identity_schema import IdentitySchema

__all__ = ["require_new_identifier", "show_submitted_traits", "submitted_traits"]


def submitted_traits(schema: IdentitySchema, submission: Submission) -> dict[str, Any]:
    """Return the submitted traits, and fill them into the form.

    Raises:
        InvalidFlowError: If they violate the schema.
    """
    traits: dict[str, Any] = submission.fields["traits"]
    show_submitted_traits(schema, submission.flow, traits)
    if not schema.validate(traits, submission.flow.ui):
        raise InvalidFlowError(submission.flow)
    return traits


def show_submitted_traits(
    schema: IdentitySchema, flow: FakeFlow, traits: dict[str, Any], *, hidden: bool | None = None
) -> None:
    """Fill the submitted traits into the form; with `hidden=None`, fields keep their visibility."""
    for trait in schema.fields:
        for old in list(flow.ui.iter_named(trait.name)):
            is_hidden = old["attributes"]["type"] == "hidden" if hidden is None else hidden
            new = trait.node("default", traits, hidden=is_hidden)
            if "value" not in new["attributes"] and "value" in old["attributes"]:
                new["attributes"]["value"] = old["attributes"]["value"]
            new["messages"] = old["messages"]
            flow.ui.set_node(new)


def require_new_identifier(server: Server, submission: Submission, traits: dict[str, Any]) -> None:
    """Check that no identity has an identifier in these traits.

    Raises:
        InvalidFlowError: If there is one.
    """
    if is_identifier_taken(server, None, traits):
        trait = server.schema.identifier_trait
        if trait and server.settings.is_release and (node := submission.flow.ui.find(trait.name)):
            node["attributes"].pop("value", None)
        raise submission.rejected(4000007)
