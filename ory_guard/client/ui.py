"""Functions for pages that render flows: find nodes, CSRF token and messages, and build the body to submit."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

from ory_guard.client.models.ui_nodes import UiContainer, UiNode, UiNodeInputAttributes, UiText

__all__ = ["HasUi", "csrf_token", "find_nodes", "messages_of", "submit_body"]

_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_UNCHECKED_VALUES: Final = frozenset({"", "false", "off", "0"})


class HasUi(Protocol):
    """Any flow, such as a `LoginFlow` or `FlowInvalid.flow`."""

    @property
    def ui(self) -> UiContainer:
        """The form of the flow."""


def find_nodes(flow: HasUi, *, group: str | None = None, name: str | None = None) -> tuple[UiNode, ...]:
    """Return the nodes with a group, a name, or both, in Kratos' order.

    Args:
        flow: The flow.
        group: `default`, `password`, `totp`, …; None for all groups.
        name: The `name` of an input or the `id` of another node; None for all names.
    """
    return tuple(node for node in flow.ui.nodes if group in (None, node.group) and name in (None, *_names(node)))


def csrf_token(flow: HasUi) -> str | None:
    """Return the CSRF token of a browser flow, or None for a native flow."""
    for node in find_nodes(flow, name="csrf_token"):
        if isinstance(node.attributes, UiNodeInputAttributes) and node.attributes.value:
            return str(node.attributes.value)
    return None


def messages_of(flow: HasUi, name: str) -> tuple[UiText, ...]:
    """Return the messages of the nodes with a name; `flow.ui.messages` contains those of the whole form."""
    return tuple(message for node in find_nodes(flow, name=name) for message in node.messages)


def submit_body(form_data: Mapping[str, object] | Iterable[tuple[str, object]], flow: HasUi) -> dict[str, Any]:
    """Return the `body` of an update from submitted form fields, typed and nested like Kratos' JSON.

    * Only fields of the flow are included; files and other fields are dropped. Add fields of the application, such
      as `transient_payload`, to the result.
    * Names with dots are nested: `traits.name.first` becomes `{"traits": {"name": {"first": …}}}`.
    * A checkbox becomes a boolean and a number input becomes a number. Text that is not a number is unchanged, and
      Kratos returns a message about it. A missing checkbox is `False` if another field of its group was submitted,
      because browsers submit only checked ones.
    * Empty text is omitted unless the input is visible and required.
    * Of several fields with the same name the last one is used, which is the pressed button. If the name of that
      button is not `method` (`provider`, `screen`, `totp_unlink`, …), `method` is its group.

    Args:
        form_data: The submitted fields: a mapping such as Starlette's `FormData`, or pairs.
        flow: The rendered flow, from a new call of `get_…_flow`.
    """
    texts = {name: text for name, text in dict(form_data).items() if isinstance(text, str)}
    inputs = _inputs_by_name(flow)
    selected = {name: _node_of(inputs[name], text) for name, text in texts.items() if name in inputs}
    fields: dict[str, Any] = dict.fromkeys(_unchecked(inputs, selected), False)
    for name, (_, attributes) in selected.items():
        if texts[name] or (attributes.required and attributes.type != "hidden"):
            fields[name] = _convert(texts[name], attributes)
    for group, attributes in selected.values():
        if attributes.type == "submit" and group not in (None, "default"):
            fields.setdefault("method", group)
    return _nest(fields)


_Input = tuple[str | None, UiNodeInputAttributes]
"""The group and the attributes of an input node."""


def _inputs_by_name(flow: HasUi) -> dict[str, list[_Input]]:
    inputs: dict[str, list[_Input]] = {}
    for node in flow.ui.nodes:
        if isinstance(node.attributes, UiNodeInputAttributes):
            inputs.setdefault(node.attributes.name, []).append((node.group, node.attributes))
    return inputs


def _node_of(inputs: list[_Input], text: str) -> _Input:
    """Return the input with this value, which is the pressed button, or the first input."""
    return next((item for item in inputs if item[1].value == text), inputs[0])


def _unchecked(inputs: Mapping[str, list[_Input]], selected: Mapping[str, _Input]) -> Iterator[str]:
    groups = {group for name, (group, _) in selected.items() if name != "csrf_token"}
    for name, ((group, attributes), *_) in inputs.items():
        if attributes.type == "checkbox" and not attributes.disabled and group in groups:
            yield name


def _convert(text: str, attributes: UiNodeInputAttributes) -> str | bool | int | float:
    if attributes.type == "checkbox":
        return text.lower() not in _UNCHECKED_VALUES
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


def _nest(fields: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for name, value in fields.items():
        *parents, last = name.split(".")
        parent_object = body
        for parent in parents:
            parent_object = parent_object.setdefault(parent, {})
        parent_object[last] = value
    return body


def _names(node: UiNode) -> Iterator[str]:
    for key in ("name", "id"):
        name = getattr(node.attributes, key, None)
        if isinstance(name, str):
            yield name
