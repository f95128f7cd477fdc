"""The forms for a code that was sent during login or registration."""

from typing import Final

from ory_guard.testing.flows.fake_flow import FakeFlow
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import Node, code_node, input_node, submit_node

__all__ = ["ADDRESS_FIELDS", "show_login_code_form", "show_registration_code_form"]

ADDRESS_FIELDS: Final = ("address", "identifier")


def show_login_code_form(flow: FakeFlow) -> None:
    """Replace the form of a login with one that asks for the code, and keep the identifier as a hidden field."""
    identifiers = [node for node in flow.ui.nodes if node["attributes"].get("name") in ADDRESS_FIELDS]
    for node in identifiers:
        node["attributes"] |= {"name": "identifier", "type": "hidden"}
    _show(flow, identifiers, label=1070013, sent_message=1010014)


def show_registration_code_form(flow: FakeFlow, *, has_back_button: bool) -> None:
    """Replace the form of a registration with one that asks for the code, and keep the traits as hidden fields."""
    kept = [
        node
        for node in flow.ui.nodes
        if node["group"] == "default" and node["attributes"].get("type") not in {None, "submit"}
    ]
    for node in kept:
        node["attributes"]["type"] = "hidden"
    _show(flow, kept, label=1070012, sent_message=1040005)
    if has_back_button:
        flow.ui.nodes.append(submit_node("profile", "credential-selection", 1040008, "screen"))


def _show(flow: FakeFlow, kept: list[Node], *, label: int, sent_message: int) -> None:
    ui = flow.ui
    ui.nodes = kept
    ui.upsert(input_node("code", "method", "hidden", "code"))
    ui.upsert(code_node(label))
    ui.nodes.append(submit_node("code", "code", 1070009))
    ui.nodes.append(submit_node("code", "code", 1070008, "resend"))
    ui.messages = [message(sent_message)]
