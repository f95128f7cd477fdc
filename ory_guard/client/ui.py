"""What a page that renders a flow itself needs: nodes, CSRF value, messages, and the body to submit."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

from ory_guard.client.models.ui_nodes import UiContainer, UiNode, UiNodeInputAttributes, UiText

__all__ = ["HasUi", "csrf_token", "find_nodes", "messages_of", "submit_body"]

_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_UNTICKED: Final = frozenset({"", "false", "off", "0"})


class HasUi(Protocol):
    """Any flow, for instance a `LoginFlow` or the one in `FlowInvalid.flow`."""

    @property
    def ui(self) -> UiContainer:
        """The flow's form."""


def find_nodes(flow: HasUi, *, group: str | None = None, name: str | None = None) -> tuple[UiNode, ...]:
    """Return the nodes of one group, of one name, or of both, in Kratos' order.

    Args:
        flow: The flow.
        group: `default`, `password`, `totp`, …; None for every group.
        name: The `name` of an input or the `id` of any other node; None for every name.
    """
    return tuple(node for node in flow.ui.nodes if group in (None, node.group) and name in (None, *_names(node)))


def csrf_token(flow: HasUi) -> str | None:
    """Return the value that a browser flow wants back as `csrf_token`, or None for a native flow."""
    for node in find_nodes(flow, name="csrf_token"):
        if isinstance(node.attributes, UiNodeInputAttributes) and node.attributes.value:
            return str(node.attributes.value)
    return None


def messages_of(flow: HasUi, name: str) -> tuple[UiText, ...]:
    """Return the messages beside the nodes of a name; those of the whole form are `flow.ui.messages`."""
    return tuple(message for node in find_nodes(flow, name=name) for message in node.messages)


def submit_body(form_data: Mapping[str, object] | Iterable[tuple[str, object]], flow: HasUi) -> dict[str, Any]:
    """Return the `body` of an update from what a browser posted, typed and nested as Kratos' JSON has it.

    * Only fields that the flow has are taken over; files and whatever else the page posts are left out. Add
      what the application itself has to say, such as `transient_payload`, to the result.
    * Names with dots nest: `traits.name.first` becomes `{"traits": {"name": {"first": …}}}`.
    * A checkbox becomes a boolean, and a number input a number; a text that is no number stays as it is, so
      that Kratos says what is wrong with it. A checkbox that is missing is `False` where the form has another
      field of its group, since browsers post only ticked ones.
    * An empty text is left out unless the input is visible and required.
    * Of several fields with one name the last counts, which is the button pressed. Where that button is not
      named `method` (`provider`, `screen`, `totp_unlink`, …), `method` is its group.

    Args:
        form_data: The posted fields: a mapping such as Starlette's `FormData`, or pairs.
        flow: The flow that was rendered, as read anew with `get_…_flow`.
    """
    posted = {name: text for name, text in dict(form_data).items() if isinstance(text, str)}
    inputs = _inputs_by_name(flow)
    chosen = {name: _node_of(inputs[name], text) for name, text in posted.items() if name in inputs}
    fields: dict[str, Any] = dict.fromkeys(_unticked(inputs, chosen), False)
    for name, (_, attributes) in chosen.items():
        if posted[name] or (attributes.required and attributes.type != "hidden"):
            fields[name] = _typed(posted[name], attributes)
    for group, attributes in chosen.values():
        if attributes.type == "submit" and group not in (None, "default"):
            fields.setdefault("method", group)
    return _nested(fields)


_Input = tuple[str | None, UiNodeInputAttributes]
"""A node's group, and the input it is."""


def _inputs_by_name(flow: HasUi) -> dict[str, list[_Input]]:
    inputs: dict[str, list[_Input]] = {}
    for node in flow.ui.nodes:
        if isinstance(node.attributes, UiNodeInputAttributes):
            inputs.setdefault(node.attributes.name, []).append((node.group, node.attributes))
    return inputs


def _node_of(inputs: list[_Input], text: str) -> _Input:
    """Return the button of that value where several inputs share a name, and the first input otherwise."""
    return next((item for item in inputs if item[1].value == text), inputs[0])


def _unticked(inputs: Mapping[str, list[_Input]], chosen: Mapping[str, _Input]) -> Iterator[str]:
    groups = {group for name, (group, _) in chosen.items() if name != "csrf_token"}
    for name, ((group, attributes), *_) in inputs.items():
        if attributes.type == "checkbox" and not attributes.disabled and group in groups:
            yield name


def _typed(text: str, attributes: UiNodeInputAttributes) -> str | bool | int | float:
    if attributes.type == "checkbox":
        return text.lower() not in _UNTICKED
    if isinstance(attributes.value, bool) or (attributes.type == "submit" and text in ("true", "false")):
        return text.lower() == "true"
    if attributes.type == "number" or isinstance(attributes.value, int | float):
        return _number(text)
    return text


def _number(text: str) -> str | int | float:
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


def _nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for name, value in fields.items():
        *parents, last = name.split(".")
        place = body
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return body


def _names(node: UiNode) -> Iterator[str]:
    for key in ("name", "id"):
        found = getattr(node.attributes, key, None)
        if isinstance(found, str):
            yield found
