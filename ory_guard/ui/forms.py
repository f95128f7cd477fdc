"""The HTML forms of a flow: which of Kratos' nodes are submitted together, and by which button.

Enter presses the first submit button of a form. So the button that belongs to the fields of a form comes first, and
a button that removes something is never in a form with a field.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ory_guard.client.models.ui_nodes import UiNode, UiNodeInputAttributes, UiText
from ory_guard.client.ui import HasUi

__all__ = ["Form", "forms_of", "has_error", "hidden_value", "is_field", "offers_method", "sections_of"]

PROVIDERS: Final = ("oidc", "saml")
"""The groups whose buttons lead to a sign-in provider."""

_BUTTONS: Final = ("submit", "button")
_REMOVING: Final = ("unlink", "_disable", "_remove")
_BACK: Final = "screen"


@dataclass(frozen=True)
class Form:
    """Nodes that are submitted together.

    Attributes:
        group: The method of the form, such as `password` or `totp`.
        nodes: The nodes in the order of the page, including hidden inputs.
        is_removal: Whether the form only removes something, such as a security key.
    """

    group: str
    nodes: tuple[UiNode, ...]
    is_removal: bool = False

    @property
    def primary(self) -> UiNode | None:
        """The main button: that of the method, or the only one of a provider."""
        buttons = [
            node for node in self.nodes if _is_submit(node) and not _is_back(node) and not _is_removing(node)
        ]
        main = [node for node in buttons if node.group not in PROVIDERS]
        methods = [node for node in main if _name(node) == "method"]
        if main:
            return (methods or main)[0]
        triggers = [node for node in self.nodes if _input_type(node) == "button"]
        return triggers[0] if triggers else buttons[0] if len(buttons) == 1 else None

    @property
    def first_field(self) -> UiNode | None:
        """The field to focus: the first one with an error, or else the first one."""
        fields = [node for node in self.nodes if is_field(node)]
        return next((node for node in fields if has_error(node.messages)), fields[0] if fields else None)

    @property
    def is_back_button(self) -> bool:
        """Whether the form only returns to the previous step."""
        names = [_name(node) for node in self.nodes if _is_submit(node)]
        return names == [_BACK]

    @property
    def is_visible(self) -> bool:
        """Whether the form has anything but hidden inputs and scripts."""
        return any(not _is_hidden(node) and node.attributes.node_type != "script" for node in self.nodes)

    def field_id(self, name: str) -> str:
        """Return the HTML id of a field."""
        return re.sub(r"[^A-Za-z0-9_-]+", "-", f"{self.group}-{name}")

    def button_style(self, node: UiNode, primary: UiNode | None) -> str:
        """Return the style of a button: `primary`, `danger` if it removes something, or `plain`.

        Args:
            node: The button.
            primary: The main button of the page, or of the section.
        """
        if _is_removing(node):
            return "danger"
        return "primary" if node is primary else "plain"


def forms_of(flow: HasUi) -> tuple[Form, ...]:
    """Divide the nodes of a flow into forms, so that the empty fields of one method do not block another.

    If the flow has visible fields that all methods share (the identifier of a login, the traits of a registration),
    they form one form with the methods, and providers another, unless a provider is the only method: it then lacks
    the traits in these fields. Otherwise each method has its own form. Each form has the hidden fields of the
    groups that have nothing to see or press, such as the identifier of a login with two steps.
    """
    visible = {node.group for node in flow.ui.nodes if not _is_hidden(node)}
    shared = [node for node in flow.ui.nodes if _is_shared(node, visible)]
    methods = [node for node in flow.ui.nodes if not _is_shared(node, visible)]
    hidden = [node for node in shared if _is_hidden(node)]
    if not any(is_field(node) for node in shared):
        return _separate_forms(shared, hidden, methods)
    providers = [node for node in methods if node.group in PROVIDERS]
    others = [node for node in methods if node.group not in PROVIDERS]
    if not any(_input_type(node) in _BUTTONS for node in others):
        others, providers = [*others, *providers], []
    return (_combined_form(shared, others), *_separate_forms([], hidden, providers))


def sections_of(forms: Iterable[Form]) -> list[tuple[str, list[Form]]]:
    """Return the forms of each group, for a page with headings."""
    sections: dict[str, list[Form]] = {}
    for form in forms:
        sections.setdefault(form.group, []).append(form)
    return list(sections.items())


def offers_method(flow: HasUi) -> bool:
    """Return whether a flow has a visible node; an aal2 login without an enrolled second factor does not."""
    return any(not _is_hidden(node) for node in flow.ui.nodes)


def hidden_value(flow: HasUi, name: str) -> str | None:
    """Return the value of a hidden input, or None without one."""
    for node in flow.ui.nodes:
        if _is_hidden(node) and isinstance(node.attributes, UiNodeInputAttributes) and _name(node) == name:
            return str(node.attributes.value) if node.attributes.value else None
    return None


def has_error(messages: Iterable[UiText]) -> bool:
    """Return whether one of the messages is an error."""
    return any(message.type == "error" for message in messages)


def is_field(node: UiNode) -> bool:
    """Return whether a node is a visible input that is not a button."""
    kind = _input_type(node)
    return kind is not None and kind not in ("hidden", *_BUTTONS)


def _is_shared(node: UiNode, visible: set[str | None]) -> bool:
    """Return whether all methods need a node."""
    if not node.group or node.group == "default":
        return True
    # The group `identifier_first` is only a first step; its hidden fields in the second step belong to all methods.
    return _is_hidden(node) and _name(node) != "method" and node.group not in visible


def _input_type(node: UiNode) -> str | None:
    return node.attributes.type if isinstance(node.attributes, UiNodeInputAttributes) else None


def _name(node: UiNode) -> str:
    return node.attributes.name if isinstance(node.attributes, UiNodeInputAttributes) else ""


def _is_hidden(node: UiNode) -> bool:
    return _input_type(node) == "hidden"


def _is_submit(node: UiNode) -> bool:
    return _input_type(node) == "submit"


def _is_back(node: UiNode) -> bool:
    return _name(node) == _BACK


def _is_removing(node: UiNode) -> bool:
    return _is_submit(node) and _name(node).endswith(_REMOVING)


def _separate_forms(shared: list[UiNode], hidden: list[UiNode], methods: list[UiNode]) -> tuple[Form, ...]:
    """Return a form for each method, after the shared nodes that are neither fields nor buttons."""
    # Kratos lists providers first, but a method with fields is the more common choice.
    groups = sorted(dict.fromkeys(node.group or "default" for node in methods), key=PROVIDERS.__contains__)
    forms = [form for group in groups for form in _forms_of_group(methods, hidden, group)]
    rest = [node for node in shared if not _is_hidden(node)]
    if rest or not forms:
        has_button = any(_input_type(node) in _BUTTONS for node in rest)
        form = Form("default", (*hidden, *sorted(rest, key=_position)))
        forms = [*forms, form] if has_button else [form, *forms]
    return tuple(form for form in forms if any(not _is_hidden(node) for node in form.nodes))


def _forms_of_group(methods: list[UiNode], hidden: list[UiNode], group: str) -> list[Form]:
    nodes = _buttons_last(methods, group)
    removing = [node for node in nodes if _is_removing(node)]
    if not removing or not any(is_field(node) for node in nodes):
        return [Form(group, (*hidden, *nodes))]
    rest = [node for node in nodes if not _is_removing(node)]
    return [Form(group, (*hidden, *rest)), Form(group, (*hidden, *removing), is_removal=True)]


def _combined_form(shared: list[UiNode], methods: list[UiNode]) -> Form:
    groups = _groups_by_priority(methods)
    ordered = [node for group in groups for node in _buttons_last(methods, group)]
    fields = [node for node in shared if not _position(node)]
    buttons = [node for node in shared if _position(node)]
    return Form(groups[0] if groups else "default", (*fields, *ordered, *buttons))


def _groups_by_priority(nodes: list[UiNode]) -> list[str]:
    """Return the groups with a visible field, then the others, each in Kratos' order."""
    with_field = {node.group for node in nodes if is_field(node)}
    groups = dict.fromkeys(node.group or "default" for node in nodes)
    return sorted(groups, key=lambda group: group not in with_field)


def _buttons_last(nodes: list[UiNode], group: str) -> list[UiNode]:
    """Return the nodes of a group: the fields, the button of the method, and the other submit buttons."""
    return sorted((node for node in nodes if node.group == group), key=_position)


def _position(node: UiNode) -> int:
    if not _is_submit(node):
        return 0
    if _name(node) == "method":
        return 1
    return 3 if _is_removing(node) else 2
