"""The UI of a flow: nodes to render and messages to show.

Field names are from the OpenAPI document (v26.2.0: `uiContainer`, `uiNode`, `uiText` and their parts). Groups,
types and triggers are plain strings, because new releases of Kratos add values.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, Tag

from ory_guard.client.models.fields import FrontendModel, FrozenMapping, FrozenValue, ListOrNull, discriminate_by
from ory_guard.models.session import EnumText

__all__ = [
    "UiContainer",
    "UiNode",
    "UiNodeAnchorAttributes",
    "UiNodeAttributes",
    "UiNodeDivisionAttributes",
    "UiNodeImageAttributes",
    "UiNodeInputAttributes",
    "UiNodeMeta",
    "UiNodeScriptAttributes",
    "UiNodeTextAttributes",
    "UiNodeUnknownAttributes",
    "UiText",
]


class UiText(FrontendModel):
    """A text for the user, with an ID for translations.

    Attributes:
        id: The ID of the text, stable across releases of Kratos.
        text: The message in English.
        type: `info`, `error` or `success`.
        context: The values in the text; may contain secrets, such as new lookup codes.
    """

    id: int
    text: str = Field(repr=False)
    type: EnumText = None
    context: FrozenMapping | None = Field(default=None, repr=False)


class UiNodeInputAttributes(FrontendModel):
    """An `<input>`, or a `<button>` if `type` is `submit` or `button`.

    Attributes:
        name: The name of the field; dots separate nested keys (`traits.name.first`).
        type: The HTML type of the input.
        value: The current value, or the value that a button submits: text, a number or a boolean.
        onclick: Deprecated by Kratos: a script to evaluate; use `onclick_trigger`.
        onclick_trigger: The function of `webauthn.js` to call on a click.
        onload: Deprecated by Kratos: a script to evaluate; use `onload_trigger`.
        onload_trigger: The function of `webauthn.js` to call when the page is loaded.
    """

    node_type: Literal["input"] = "input"
    name: str
    type: str
    value: FrozenValue = Field(default=None, repr=False)
    required: bool | None = None
    disabled: bool | None = None
    label: UiText | None = None
    autocomplete: EnumText = None
    pattern: str | None = None
    maxlength: int | None = None
    onclick: str | None = Field(default=None, repr=False)
    onclick_trigger: EnumText = Field(default=None, alias="onclickTrigger")
    onload: str | None = Field(default=None, repr=False)
    onload_trigger: EnumText = Field(default=None, alias="onloadTrigger")


class UiNodeTextAttributes(FrontendModel):
    """A text, such as a TOTP secret or new lookup codes."""

    node_type: Literal["text"] = "text"
    id: str
    text: UiText


class UiNodeImageAttributes(FrontendModel):
    """An `<img>`, such as the QR code of a TOTP secret; `width` and `height` are in pixels."""

    node_type: Literal["img"] = "img"
    id: str
    src: str = Field(repr=False)
    width: int | None = None
    height: int | None = None


class UiNodeAnchorAttributes(FrontendModel):
    """An `<a>`."""

    node_type: Literal["a"] = "a"
    id: str
    href: str = Field(repr=False)
    title: UiText | None = None


class UiNodeScriptAttributes(FrontendModel):
    """A `<script>`, such as the WebAuthn script; `async_` is Kratos' `async`."""

    node_type: Literal["script"] = "script"
    id: str
    src: str
    type: str | None = None
    async_: bool | None = Field(default=None, alias="async")
    crossorigin: str | None = None
    integrity: str | None = None
    nonce: str | None = None
    referrerpolicy: str | None = None


class UiNodeDivisionAttributes(FrontendModel):
    """A `<div>` that a script fills, such as a captcha; `class_` is Kratos' `class`."""

    node_type: Literal["div"] = "div"
    id: str
    class_: str | None = Field(default=None, alias="class")
    data: FrozenMapping | None = Field(default=None, repr=False)


class UiNodeUnknownAttributes(FrontendModel):
    """Attributes with an unknown `node_type`; all fields are kept unchanged."""

    node_type: EnumText = None


UiNodeAttributes = Annotated[
    Annotated[UiNodeInputAttributes, Tag("input")]
    | Annotated[UiNodeTextAttributes, Tag("text")]
    | Annotated[UiNodeImageAttributes, Tag("img")]
    | Annotated[UiNodeAnchorAttributes, Tag("a")]
    | Annotated[UiNodeScriptAttributes, Tag("script")]
    | Annotated[UiNodeDivisionAttributes, Tag("div")]
    | Annotated[UiNodeUnknownAttributes, Tag("")],
    discriminate_by("node_type", "input", "text", "img", "a", "script", "div"),
]
"""The attributes of a node, discriminated by `node_type`."""


class UiNodeMeta(FrontendModel):
    """The metadata of a node."""

    label: UiText | None = None


class UiNode(FrontendModel):
    """One element of the form.

    Attributes:
        type: The HTML element: `input`, `text`, `img`, `a`, `script`, `div`.
        group: `default`, or a method such as `password`.
        attributes: The attributes of the HTML element, discriminated by `node_type`.
        messages: The messages about this node.
        meta: The metadata, with the label.
    """

    type: EnumText = None
    group: EnumText = None
    attributes: UiNodeAttributes
    messages: ListOrNull[UiText] = ()
    meta: Annotated[UiNodeMeta, BeforeValidator(lambda value: {} if value is None else value)] = Field(
        default_factory=UiNodeMeta
    )


class UiContainer(FrontendModel):
    """The form of a flow.

    Attributes:
        action: The URL that a browser submits the form to.
        method: The HTTP method of the form.
        nodes: The nodes to render, in Kratos' order.
        messages: The messages about the whole form.
    """

    action: str
    method: str
    nodes: ListOrNull[UiNode] = ()
    messages: ListOrNull[UiText] = ()
