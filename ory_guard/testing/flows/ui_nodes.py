"""The `ui` of a flow: nodes that a page can render, in Kratos' wire form."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ory_guard.testing.flows.ui_messages import Message, message

__all__ = ["Node", "Ui", "csrf_node", "input_node", "node", "password_node", "submit_node"]

Node = dict[str, Any]
_ABSENT: Final = object()


def node(kind: str, group: str, attributes: dict[str, Any], label: Message | None = None) -> Node:
    """Build a node of any kind (`input`, `img`, `text`, `a`, `script`)."""
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
    """Build an input; attributes that are None are left out, as Kratos leaves them out."""
    shown = {"name": name, "type": kind}
    if value is not _ABSENT:
        shown["value"] = value
    shown |= {key: given for key, given in attributes.items() if given is not None}
    return node("input", group, {**shown, "disabled": False}, label)


def csrf_node(token: str) -> Node:
    """Build the hidden field that browser flows have to send back; it is empty for native ones."""
    return input_node("default", "csrf_token", "hidden", token, required=True)


def submit_node(group: str, value: str, label: int, name: str = "method", **context: Any) -> Node:
    """Build a button under message id `label`."""
    return input_node(group, name, "submit", value, message(label, context or None))


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
    """Where a form goes, its nodes, and the messages above it."""

    action: str
    nodes: list[Node] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    method: str = "POST"

    def document(self) -> dict[str, Any]:
        """Return the wire form: no `messages` where there are none."""
        shown: dict[str, Any] = {"action": self.action, "method": self.method, "nodes": self.nodes}
        if self.messages:
            shown["messages"] = self.messages
        return shown

    def named(self, name: str) -> Iterator[Node]:
        """Yield the nodes of that name, in order."""
        return (one for one in self.nodes if one["attributes"].get("name") == name)

    def find(self, name: str) -> Node | None:
        """Return the first node of that name."""
        return next(self.named(name), None)

    def put(self, new: Node, *, after: str | None = None) -> Node:
        """Replace the node of the same name and group, or add it (after the node named so)."""
        for index, old in enumerate(self.nodes):
            if _key(old) == _key(new):
                self.nodes[index] = new
                return new
        names = [one["attributes"].get("name") for one in self.nodes]
        place = names.index(after) + 1 if after in names else len(self.nodes)
        self.nodes.insert(place, new)
        return new

    def remove(self, *, group: str | None = None, name: str | None = None) -> None:
        """Drop the nodes of that group, of that name, or of both."""
        self.nodes = [
            one
            for one in self.nodes
            if (group and one["group"] != group) or (name and one["attributes"].get("name") != name)
        ]

    def reset(self) -> None:
        """Drop all messages, above the form and at the nodes."""
        self.messages = []
        for one in self.nodes:
            one["messages"] = []

    def complain(self, number: int, context: dict[str, Any] | None = None, *, at: str | None = None) -> None:
        """Add an error above the form, or at the node named `at`, which is made if it is not there."""
        problem = message(number, context)
        if at is None:
            self.messages.append(problem)
            return
        place = self.find(at) or self.put(input_node("default", at, "text"))
        place["messages"].append(problem)


def _key(one: Node) -> tuple[str, Any, Any]:
    attributes = one["attributes"]
    value = attributes.get("value") if attributes.get("type") == "submit" else None
    return one["group"], attributes.get("name", attributes.get("id")), value
