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
"""What a form is called where several stand on one page; another group goes by its own name."""

_PROVIDERS: Final = ("oidc", "saml")
_BUTTONS: Final = ("submit", "button")
_AUTOCOMPLETE: Final = {"identifier": "username", "totp_code": "one-time-code", "lookup_secret": "off"}
_REMOVING: Final = ("unlink", "_disable", "_remove")
_NUMERIC: Final = ("totp_code", "code")
_IMAGE: Final = re.compile(r"data:image/", re.IGNORECASE)
_WEB: Final = re.compile(r"https?://[!-~]+", re.IGNORECASE)


@dataclass(frozen=True)
class Form:
    """Nodes that are sent together.

    Attributes:
        group: The method they belong to, such as `password` or `totp`.
        nodes: What to render, hidden inputs included.
    """

    group: str
    nodes: tuple[UiNode, ...]

    @property
    def title(self) -> str:
        """What to call it."""
        return TITLES.get(self.group, self.group.replace("_", " ").capitalize())

    @property
    def first_field(self) -> UiNode | None:
        """Where to start typing: the first field with an error, or else the first field."""
        fields = [node for node in self.nodes if _is_field(node)]
        return next((node for node in fields if has_error(node.messages)), fields[0] if fields else None)

    def identifier(self, name: str) -> str:
        """Return the HTML id of a field."""
        return re.sub(r"[^A-Za-z0-9_-]+", "-", f"{self.group}-{name}")

    @property
    def leads_back(self) -> bool:
        """Whether all it does is to go back to the step before."""
        names = [node.attributes.name for node in self.nodes if isinstance(node.attributes, UiNodeInputAttributes)]
        return names[-1:] == ["screen"]

    def kind_of(self, node: UiNode) -> str:
        """Return what a button is: `primary`, `danger` where it removes something, or `plain`."""
        field = node.attributes
        if not isinstance(field, UiNodeInputAttributes) or field.type != "submit" or field.name == "screen":
            return "plain"
        if field.name.endswith(_REMOVING):
            return "danger"
        if not any(_is_field(other) for other in self.nodes):
            return "plain" if field.name == "provider" else "primary"
        return "primary" if field.name == "method" and node.group == self.group else "plain"


def forms_of(flow: HasUi) -> tuple[Form, ...]:
    """Return how a flow is cut into forms, so that one method's empty fields never keep another from being sent.

    Where the flow has visible fields that every method shares (the identifier of a login, the traits of a
    registration), these and the methods are one form, and providers another. Otherwise each method has its own,
    with the hidden fields that all of them need.
    """
    shared = [node for node in flow.ui.nodes if node.group in (None, "default")]
    methods = [node for node in flow.ui.nodes if node.group not in (None, "default")]
    hidden = [node for node in shared if _is_hidden(node)]
    forms: list[Form] = []
    if len(shared) > len(hidden):
        name = next((node.group for node in methods if node.group not in _PROVIDERS), None)
        together = [node for node in flow.ui.nodes if node.group not in _PROVIDERS]
        forms.append(Form(name or "default", tuple(together)))
        methods = [node for node in methods if node.group in _PROVIDERS]
    # Providers, which Kratos names first, come after what can be filled in here.
    for group in sorted(dict.fromkeys(node.group for node in methods), key=_PROVIDERS.__contains__):
        own = [node for node in methods if node.group == group]
        forms.append(Form(group or "default", (*hidden, *own)))
    return tuple(forms)


def offers_method(flow: HasUi) -> bool:
    """Tell whether a flow offers anything to do; Kratos' aal2 login of a user without a second factor does not."""
    return any(not _is_hidden(node) for node in flow.ui.nodes)


def has_error(messages: Iterable[UiText]) -> bool:
    """Tell whether one of the messages is an error."""
    return any(message.type == "error" for message in messages)


def web_url(address: str) -> str | None:
    """Return an address with the scheme http or https, or None for any other."""
    return address if _WEB.fullmatch(address) else None


def render_flow(
    flow: HasUi,
    *,
    url: Callable[[str], str | None] = web_url,
    titles: bool = False,
    first: str | None = None,
    nonce: str | None = None,
) -> Markup:
    """Return a flow's forms.

    Args:
        flow: The flow, as read with `get_…_flow`.
        url: Returns an address of a link, form, script or picture as it may be shown, or None to leave it out.
        titles: Whether each form is a section of its own with a heading, as on a settings page.
        first: The group to begin with, where Kratos' order is not the one that helps most.
        nonce: What the page's Content-Security-Policy asks of scripts.
    """
    forms = sorted(forms_of(flow), key=lambda form: form.group != first)
    return Markup(_MACROS.flow(flow, forms, titles, nonce, url))  # noqa: S704 - escaped by the template


def render_messages(messages: Iterable[UiText]) -> Markup:
    """Return messages so that screen readers announce them: errors as alerts, everything else politely."""
    return Markup(_MACROS.messages(tuple(messages)))  # noqa: S704 - escaped by the template


def _is_hidden(node: UiNode) -> bool:
    return isinstance(node.attributes, UiNodeInputAttributes) and node.attributes.type == "hidden"


def _is_field(node: UiNode) -> bool:
    field = node.attributes
    return isinstance(field, UiNodeInputAttributes) and field.type not in ("hidden", *_BUTTONS)


def _text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _codes_in(text: UiText) -> list[str]:
    codes = (text.context or {}).get("secrets", ())
    return [str(code["text"]) for code in codes if isinstance(code, Mapping) and "text" in code]


def _attributes(values: Mapping[str, Any]) -> Markup:
    """Return attributes with a space before each; True stands for a bare name, None and False for none."""
    written = [
        Markup(" {}").format(name) if value is True else Markup(' {}="{}"').format(name, value)
        for name, value in values.items()
        if value is not None and value is not False
    ]
    return Markup().join(written)


_ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters.update(
    attributes=_attributes, codes=_codes_in, has_error=has_error, text_of=_text_of, autocomplete=_AUTOCOMPLETE.get
)
_ENVIRONMENT.tests.update(
    numeric=lambda name: name in _NUMERIC,
    image=_IMAGE.match,
    button=lambda kind: kind in _BUTTONS,
)
_MACROS: Final[Any] = _ENVIRONMENT.get_template("flow_forms.html").module
