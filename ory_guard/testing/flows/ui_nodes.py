"""The `ui` of flows: nodes in Kratos' JSON format."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ory_guard.testing.flows.ui_messages import Message, message

__all__ = ["Node", "Ui", "code_node", "csrf_node", "input_node", "node", "password_node", "submit_node"]

Node = dict[str, Any]
_ABSENT: Final = object()


def node(kind: str, group: str, attributes: dict[str, Any], label: Message | None = None) -> Node:
    """Build a node of any type (`input`, `img`, `text`, `a`, `script`)."""
    return {
        "type": kind,
        "group": group,
        "attributes": {**attributes, "node_type": kind},
        "messages": [],
        "meta": {"label": label} if label else {},
    }


def input_node(
    group: str,
    name: str,
    kind: str,
    value: Any = _ABSENT,
    label: Message | None = None,
    **attributes: Any,
) -> Node:
    """Build an input node. Attributes that are None are omitted, as in Kratos."""
    values = {"name": name, "type": kind}
    if value is not _ABSENT:
        values["value"] = value
    values |= {name: attribute for name, attribute in attributes.items() if attribute is not None}
    return node("input", group, {**values, "disabled": False}, label)


def csrf_node(token: str) -> Node:
    """Build the hidden anti-CSRF field; its value is empty in native flows."""
    return input_node("default", "csrf_token", "hidden", token, required=True)


def submit_node(group: str, value: str, label: int, name: str = "method", **context: Any) -> Node:
    """Build a submit button; `label` is a message id."""
    return input_node(group, name, "submit", value, message(label, context or None))


def code_node(label: int, **attributes: Any) -> Node:
    """Build the field for a code that was sent; `label` is a message id."""
    return input_node("code", "code", "text", label=message(label), required=True, **attributes)


def password_node(autocomplete: str) -> Node:
    """Build the password field."""
    return input_node(
        "password",
        "password",
        "password",
        label=message(1070001),
        required=True,
        autocomplete=autocomplete,
    )


@dataclass(slots=True)
class Ui:
    """The form of a flow: its action, its nodes, and the messages above it."""

    action: str
    nodes: list[Node] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    method: str = "POST"

    def document(self) -> dict[str, Any]:
        """Return the JSON document; `messages` is omitted if empty."""
        document: dict[str, Any] = {"action": self.action, "method": self.method, "nodes": self.nodes or None}
        if self.messages:
            document["messages"] = self.messages
        return document

    def iter_named(self, name: str) -> Iterator[Node]:
        """Yield the nodes with this name, in order."""
        return (node for node in self.nodes if node["attributes"].get("name") == name)

    def find(self, name: str) -> Node | None:
        """Return the first node with this name, or None."""
        return next(self.iter_named(name), None)

    def set_node(self, new: Node, *, after: str | None = None) -> Node:
        """Replace the node with the same name and group, or add the node (after the node named `after`)."""
        for index, old in enumerate(self.nodes):
            if _identity_key(old) == _identity_key(new):
                self.nodes[index] = new
                return new
        names = [node["attributes"].get("name") for node in self.nodes]
        position = names.index(after) + 1 if after is not None and after in names else len(self.nodes)
        self.nodes.insert(position, new)
        return new

    def upsert(self, new: Node) -> None:
        """Replace the first node with the same name, whatever its group, or add the node."""
        for index, old in enumerate(self.nodes):
            if _name(old) == _name(new):
                self.nodes[index] = new
                return
        self.nodes.append(new)

    def set_value(self, name: str, value: Any) -> None:
        """Set the value of the first node with this name, if there is one."""
        if node := self.find(name):
            node["attributes"]["value"] = value

    def remove(self, *, group: str | None = None, name: str | None = None) -> None:
        """Remove the nodes with this group, this name, or both."""
        self.nodes = [
            node
            for node in self.nodes
            if (group and node["group"] != group) or (name and node["attributes"].get("name") != name)
        ]

    def reset(self) -> None:
        """Remove all messages, both above the form and at the nodes."""
        self.messages = []
        for node in self.nodes:
            node["messages"] = []

    def add_error(self, message_id: int, context: dict[str, Any] | None = None, *, at: str | None = None) -> None:
        """Add an error above the form, or at the node named `at`, which is created if it does not exist."""
        self.add_message(message(message_id, context), at=at)

    def add_message(self, text: Message, *, at: str | None = None) -> None:
        """Add a message above the form, or at the node named `at`, which is created if it does not exist."""
        if at is None:
            self.messages.append(text)
            return
        target = self.find(at)
        if target is None:
            target = input_node("default", at, "text")
            groups = [node["group"] for node in self.nodes]
            position = len(groups) - groups[::-1].index("default") if "default" in groups else len(groups)
            self.nodes.insert(position, target)
        target["messages"].append(text)


def _name(node: Node) -> Any:
    return node["attributes"].get("name", node["attributes"].get("id"))


def _identity_key(node: Node) -> tuple[str, Any, Any]:
    attributes = node["attributes"]
    value = attributes.get("value") if attributes.get("type") == "submit" else None
    return node["group"], _name(node), value
