"""HTML forms from the `ui.nodes` of a Kratos flow: plain, labeled forms that work without JavaScript.

Copy this file, `templates/flow_forms.html` and `static/flow_forms.js` into your own application. They need Jinja2
and the flow models of `ory_guard.client`. `render_flow(flow)` returns the forms of a page. Each form is submitted
directly to Kratos (`ui.action`), so passwords do not pass through the application.

Nothing in a flow is executed: `onclick` is ignored, and `onclickTrigger`, the name of a function in Kratos'
`webauthn.js`, is rendered as `data-trigger` for the script of the page.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ory_guard.client.models.ui_nodes import UiNode, UiNodeInputAttributes, UiText
from ory_guard.client.ui import HasUi

__all__ = ["Form", "forms_of", "has_error", "offers_method", "render_flow", "render_messages", "web_url"]

TITLES: Final[Mapping[str, str]] = {
    "profile": "Profile",
    "password": "Password",
    "totp": "Authenticator app",
    "lookup_secret": "Backup codes",
    "oidc": "Linked accounts",
    "saml": "Company sign-in",
    "webauthn": "Security keys",
    "passkey": "Passkeys",
    "code": "Code by email",
    "link": "Link by email",
}
"""The heading of each form on a page with several; the default is the name of the group."""

_PROVIDERS: Final = ("oidc", "saml")
_BUTTONS: Final = ("submit", "button")
_AUTOCOMPLETE: Final = {"identifier": "username", "totp_code": "one-time-code", "lookup_secret": "off"}
_REMOVING: Final = ("unlink", "_disable", "_remove")
_NUMERIC: Final = ("totp_code", "code")
_IMAGE: Final = re.compile(r"data:image/", re.IGNORECASE)
_WEB_URL: Final = re.compile(r"https?://[!-~]+", re.IGNORECASE)


@dataclass(frozen=True)
class Form:
    """Nodes that are submitted together.

    Attributes:
        group: The method of the form, such as `password` or `totp`.
        nodes: The nodes in the order of the page, including hidden inputs.
    """

    group: str
    nodes: tuple[UiNode, ...]

    @property
    def title(self) -> str:
        """The heading of the form."""
        return TITLES.get(self.group, self.group.replace("_", " ").capitalize())

    @property
    def first_field(self) -> UiNode | None:
        """The field to focus: the first one with an error, or else the first one."""
        fields = [node for node in self.nodes if _is_field(node)]
        return next((node for node in fields if has_error(node.messages)), fields[0] if fields else None)

    def field_id(self, name: str) -> str:
        """Return the HTML id of a field."""
        return re.sub(r"[^A-Za-z0-9_-]+", "-", f"{self.group}-{name}")

    @property
    def is_back_button(self) -> bool:
        """Whether the form only returns to the previous step."""
        names = [node.attributes.name for node in self.nodes if isinstance(node.attributes, UiNodeInputAttributes)]
        return names[-1:] == ["screen"]

    def button_style(self, node: UiNode) -> str:
        """Return the style of a button: `primary`, `danger` if it removes something, or `plain`."""
        button = node.attributes
        if not isinstance(button, UiNodeInputAttributes) or button.type != "submit" or button.name == "screen":
            return "plain"
        if _is_removing(button.name):
            return "danger"
        if not any(_is_field(other) for other in self.nodes):
            return "plain" if button.name == "provider" else "primary"
        return "primary" if button.name == "method" and node.group == self.group else "plain"


def forms_of(flow: HasUi) -> tuple[Form, ...]:
    """Divide the nodes of a flow into forms, so that the empty fields of one method do not block another.

    If the flow has visible fields that all methods share (the identifier of a login, the traits of a registration),
    they form one form with the methods, and providers another. Otherwise each method has its own form, with the
    hidden fields that all methods share.

    Enter submits the first submit button of a form. So the method with a field of its own comes first, and within a
    method the button that submits it precedes the others, such as "Resend code".
    """
    shared = [node for node in flow.ui.nodes if _is_shared(node)]
    methods = [node for node in flow.ui.nodes if not _is_shared(node)]
    hidden = [node for node in shared if _is_hidden(node)]
    if len(shared) == len(hidden):
        return _separate_forms(hidden, methods)
    providers = [node for node in methods if node.group in _PROVIDERS]
    combined = _combined_form(shared, [node for node in methods if node.group not in _PROVIDERS])
    return (combined, *_separate_forms(hidden, providers))


def offers_method(flow: HasUi) -> bool:
    """Return whether a flow has a visible node; an aal2 login without an enrolled second factor does not."""
    return any(not _is_hidden(node) for node in flow.ui.nodes)


def has_error(messages: Iterable[UiText]) -> bool:
    """Return whether one of the messages is an error."""
    return any(message.type == "error" for message in messages)


def web_url(url: str) -> str | None:
    """Return a URL with the scheme http or https, or None for any other."""
    return url if _WEB_URL.fullmatch(url) else None


def render_flow(
    flow: HasUi,
    *,
    url: Callable[[str], str | None] = web_url,
    titles: bool = False,
    first: str | None = None,
    nonce: str | None = None,
) -> Markup:
    """Return the forms of a flow.

    Args:
        flow: The flow, as returned by `get_…_flow`.
        url: Returns the URL of a link, form, script or image if it is safe, or None to omit the element.
        titles: Whether each form is a section with a heading, as on a settings page.
        first: The group of the form that comes first; the default is Kratos' order.
        nonce: The nonce of the page's Content-Security-Policy for scripts.
    """
    forms = sorted(forms_of(flow), key=lambda form: form.group != first)
    return Markup(_MACROS.flow(flow, forms, titles, nonce, url))  # noqa: S704 - escaped by the template


def render_messages(messages: Iterable[UiText]) -> Markup:
    """Return messages for screen readers: errors as alerts, all others as status messages."""
    return Markup(_MACROS.messages(tuple(messages)))  # noqa: S704 - escaped by the template


def _is_shared(node: UiNode) -> bool:
    """Return whether all methods need a node, such as the identifier of the first step of a login."""
    return node.group in (None, "default") or (node.group == "identifier_first" and _is_hidden(node))


def _is_hidden(node: UiNode) -> bool:
    return isinstance(node.attributes, UiNodeInputAttributes) and node.attributes.type == "hidden"


def _is_field(node: UiNode) -> bool:
    field = node.attributes
    return isinstance(field, UiNodeInputAttributes) and field.type not in ("hidden", *_BUTTONS)


def _is_removing(name: str) -> bool:
    return name.endswith(_REMOVING)


def _separate_forms(hidden: list[UiNode], methods: list[UiNode]) -> tuple[Form, ...]:
    # Kratos lists providers first, but a method with fields is the more common choice.
    groups = sorted(_groups(methods), key=_PROVIDERS.__contains__)
    return tuple(Form(group, (*hidden, *_buttons_last(methods, group))) for group in groups)


def _combined_form(shared: list[UiNode], methods: list[UiNode]) -> Form:
    groups = _groups_by_priority(methods)
    ordered = [node for group in groups for node in _buttons_last(methods, group)]
    fields = [node for node in shared if not _position(node)]
    buttons = [node for node in shared if _position(node)]
    return Form(groups[0] if groups else "default", (*fields, *ordered, *buttons))


def _groups(nodes: Iterable[UiNode]) -> list[str]:
    return list(dict.fromkeys(node.group or "default" for node in nodes))


def _groups_by_priority(nodes: list[UiNode]) -> list[str]:
    """Return the groups with a visible field, then the others, each in Kratos' order."""
    with_field = {node.group for node in nodes if _is_field(node)}
    return sorted(_groups(nodes), key=lambda group: group not in with_field)


def _buttons_last(nodes: list[UiNode], group: str) -> list[UiNode]:
    """Return the nodes of a group: the fields, the button of the method, and the other submit buttons."""
    return sorted((node for node in nodes if node.group == group), key=_position)


def _position(node: UiNode) -> int:
    button = node.attributes
    if not isinstance(button, UiNodeInputAttributes) or button.type != "submit":
        return 0
    if button.name == "method":
        return 1
    return 3 if _is_removing(button.name) else 2


def _value_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _backup_codes(text: UiText) -> list[str]:
    codes = (text.context or {}).get("secrets", ())
    return [str(code["text"]) for code in codes if isinstance(code, Mapping) and "text" in code]


def _attributes(values: Mapping[str, Any]) -> Markup:
    """Return HTML attributes, each with a leading space; True is a bare name, None and False are omitted."""
    attributes = [
        Markup(" {}").format(name) if value is True else Markup(' {}="{}"').format(name, value)
        for name, value in values.items()
        if value is not None and value is not False
    ]
    return Markup().join(attributes)


_ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters.update(
    attributes=_attributes,
    backup_codes=_backup_codes,
    has_error=has_error,
    value_text=_value_text,
    autocomplete=_AUTOCOMPLETE.get,
)
_ENVIRONMENT.tests.update(
    numeric=lambda name: name in _NUMERIC,
    image=_IMAGE.match,
    button=lambda kind: kind in _BUTTONS,
)
_MACROS: Final[Any] = _ENVIRONMENT.get_template("flow_forms.html").module
