"""Registration with the method `code`."""

from typing import Any, Final

from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.submission import Submission
from ory_guard.testing.flows.ui_nodes import csrf_node, submit_node
from ory_guard.testing.methods.code_form import show_registration_code_form
from ory_guard.testing.methods.one_time_code import check_code, store_code
from ory_guard.testing.methods.traits import require_new_identifier, show_submitted_traits, submitted_traits
from ory_guard.testing.server.response import FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.identities import create_identity
from ory_guard.testing.store.records import Identity

__all__ = ["fill_code_registration", "register_with_code"]

_TEMPLATE: Final = "registration_code_valid"


def fill_code_registration(flow: FakeFlow) -> None:
    """Add the button that sends a code, in place of the form for a code."""
    flow.ui.remove(group="code")
    flow.ui.nodes = [node for node in flow.ui.nodes if node["attributes"].get("value") != "credential-selection"]
    flow.ui.nodes.append(submit_node("code", "code", 1040006))


def register_with_code(server: Server, submission: Submission) -> Identity | FakeResponse:
    """Send a code to the address in the submitted traits, or verify the code and create the identity."""
    submission.require_csrf()
    flow = submission.flow
    if str(submission.fields.get("resend", "")).lower() == "code":
        flow.state = "choose_method"
    try:
        if flow.state == "choose_method":
            return _send(server, submission)
        if flow.state == "sent_email":
            return _verify(server, submission)
        raise submission.rejected(4010003)
    except InvalidFlowError:
        flow.ui.upsert(csrf_node(""))
        show_submitted_traits(server.schema, flow, submission.fields["traits"])
        raise


def _send(server: Server, submission: Submission) -> FakeResponse:
    flow = submission.flow
    traits = submitted_traits(server.schema, submission)
    addresses = _addresses(server, submission, traits)
    code = server.send_code(addresses, _TEMPLATE, "Complete your registration")
    store_code(server, flow, code, {"addresses": addresses})
    flow.state, flow.active = "sent_email", "code"
    if not server.settings.code_passwordless_enabled:
        # Kratos sends the code, but shows the form of the first step.
        return submission.endpoints.render(
            submission.request, flow, status=400, transient_payload=submission.fields["transient_payload"]
        )
    show_registration_code_form(flow, has_back_button=server.settings.two_steps_registration)
    payload = submission.fields.get("transient_payload", {})
    return submission.endpoints.render(submission.request, flow, status=400, transient_payload=payload)


def _verify(server: Server, submission: Submission) -> Identity:
    flow, traits = submission.flow, submission.fields["traits"]
    if not submission.fields.get("code"):
        raise submission.rejected(4000002, {"property": "code"}, at="code")
    if not server.schema.validate(traits, flow.ui):
        raise InvalidFlowError(flow)
    _addresses(server, submission, traits)
    submitted = {trait.name: trait.value_in(traits) for trait in server.schema.fields}
    if any(value is not None and value != _shown_value(flow, name) for name, value in submitted.items()):
        raise submission.rejected(4000036)
    check_code(submission, 4040003)
    flow.state = "passed_challenge"
    require_new_identifier(server, submission, traits)
    identity = create_identity(server, traits)
    for address in identity.verifiable_addresses:
        if address.value in flow.internal["addresses"]:
            address.mark_verified(server.now())
            address.status = "completed"
    return identity


def _addresses(server: Server, submission: Submission, traits: dict[str, Any]) -> list[str]:
    addresses = [value for value, _ in server.schema.code_addresses(traits)]
    if not addresses:
        raise submission.rejected(4000009)
    return addresses


def _shown_value(flow: FakeFlow, name: str) -> Any:
    node = flow.ui.find(name)
    return node["attributes"].get("value") if node else None
