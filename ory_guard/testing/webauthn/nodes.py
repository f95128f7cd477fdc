"""The nodes of passkeys and security keys."""

import json
from collections.abc import Iterable
from typing import Any, Final

from ory_guard.testing.clock import SECOND, timestamp
from ory_guard.testing.flows.fake_flow import FakeFlow
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import Node, input_node, node
from ory_guard.testing.settings import FakeKratosSettings
from ory_guard.testing.store.records import new_id
from ory_guard.testing.store.webauthn_credentials import WebAuthnCredential
from ory_guard.testing.webauthn.script import SCRIPT_INTEGRITY, SCRIPT_PATH

__all__ = ["call", "data_node", "key_trigger", "passkey_trigger", "remove_nodes", "script_node", "to_json"]

_UNNAMED: Final = "unnamed"


def to_json(options: dict[str, Any]) -> str:
    """Return options for the browser as JSON, as nodes contain them."""
    return json.dumps(options, separators=(",", ":"), ensure_ascii=False)


def script_node(settings: FakeKratosSettings) -> Node:
    """Build the node that loads the script."""
    attributes = {
        "src": f"{settings.public_url}{SCRIPT_PATH}",
        "async": True,
        "referrerpolicy": "no-referrer",
        "crossorigin": "anonymous",
        "integrity": SCRIPT_INTEGRITY,
        "type": "text/javascript",
        "id": "webauthn_script",
        "nonce": new_id(),
    }
    return node("script", "webauthn", attributes)


def data_node(name: str, **attributes: Any) -> Node:
    """Build the hidden field of a passkey form: data for the script, or the result of the script."""
    return input_node("passkey", name, "hidden", **attributes)


def passkey_trigger(flow: FakeFlow, name: str, function: str, label: int, **attributes: Any) -> Node:
    """Build the button of a passkey form; `label` is a message id."""
    attributes |= call(flow, "onclick", function)
    return input_node("passkey", name, "button", label=message(label), **attributes)


def call(flow: FakeFlow, event: str, function: str) -> dict[str, Any]:
    """Return the attributes that call a function of the script; apps get only the name of the function."""
    code = None if flow.native else f"window.{function}()"
    return {event: code, f"{event}Trigger": function}


def key_trigger(name: str, function: str, label: int, options: dict[str, Any]) -> Node:
    """Build the button of a form for security keys; `label` is a message id."""
    value = to_json(options)
    code = f"window.{function}({value})"
    return input_node("webauthn", name, "button", value, message(label), onclick=code, onclickTrigger=function)


def remove_nodes(
    group: str, label: int, keys: Iterable[WebAuthnCredential], *, required_key: WebAuthnCredential | None
) -> list[Node]:
    """Build a button for each credential that removes it; the one that is required to log in is disabled."""
    nodes = []
    for key in sorted(keys, key=lambda key: key.id):  # as in Kratos, which sorts nodes by their values
        context = {
            "display_name": key.display_name or _UNNAMED,
            "added_at": timestamp(key.added_at),
            "added_at_unix": key.added_at // SECOND,
        }
        button = input_node(group, f"{group}_remove", "submit", key.id.hex(), message(label, context))
        button["attributes"]["disabled"] = key is required_key
        nodes.append(button)
    return nodes
