"""The user interface of a flow as Kratos describes it: nodes to render, and messages to show.

Field names are Kratos' (OpenAPI v26.2.0: `uiContainer`, `uiNode`, `uiText` and what they hold). Groups, types
and triggers are plain strings: Kratos grows new ones.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, Tag

from ory_guard.client.models.fields import FrontendModel, FrozenMapping, FrozenValue, Listed, by_key
from ory_guard.models import EnumText

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
    """A text for a person, with a number to translate it by.

    Attributes:
        id: The message's number, stable over Kratos' releases.
        text: The message in English.
        type: `info`, `error` or `success`.
        context: The values in the text; may hold what is secret, such as new lookup codes.
    """

    id: int
    text: str = Field(repr=False)
    type: EnumText = None
    context: FrozenMapping | None = Field(default=None, repr=False)


class UiNodeInputAttributes(FrontendModel):
    """An `<input>`, or a `<button>` where `type` is `submit` or `button`.

    Attributes:
        name: The name to send its value under; dots nest (`traits.name.first`).
        type: The input's type as HTML has it.
        value: What to fill in or send; text, a number or a boolean.
        onclick: Deprecated by Kratos: a script to evaluate. Use `onclick_trigger`.
        onclick_trigger: The function of `webauthn.js` to call on a click.
        onload: Deprecated by Kratos: a script to evaluate. Use `onload_trigger`.
        onload_trigger: The function of `webauthn.js` to call when the page is there.
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
    """A text to show, such as a TOTP secret or new lookup codes."""

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
    """A `<script>`, which is WebAuthn's; `async_` is Kratos' `async`."""

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
    """A `<div>` for a script to fill, such as a captcha's; `class_` is Kratos' `class`."""

    node_type: Literal["div"] = "div"
    id: str
    class_: str | None = Field(default=None, alias="class")
    data: FrozenMapping | None = Field(default=None, repr=False)


class UiNodeUnknownAttributes(FrontendModel):
    """A kind of node that this version does not know; everything in it is kept as it came."""

    node_type: EnumText = None


UiNodeAttributes = Annotated[
    Annotated[UiNodeInputAttributes, Tag("input")]
    | Annotated[UiNodeTextAttributes, Tag("text")]
    | Annotated[UiNodeImageAttributes, Tag("img")]
    | Annotated[UiNodeAnchorAttributes, Tag("a")]
    | Annotated[UiNodeScriptAttributes, Tag("script")]
    | Annotated[UiNodeDivisionAttributes, Tag("div")]
    | Annotated[UiNodeUnknownAttributes, Tag("")],
    by_key("node_type", "input", "text", "img", "a", "script", "div"),
]
"""What a node is, told apart by `node_type`."""


class UiNodeMeta(FrontendModel):
    """What belongs to a node and not to its HTML."""

    label: UiText | None = None


class UiNode(FrontendModel):
    """One thing to render.

    Attributes:
        type: The HTML element: `input`, `text`, `img`, `a`, `script`, `div`.
        group: What it belongs to: `default`, or a method such as `password`.
        attributes: What it is, told apart by `node_type`.
        messages: What to show beside it.
        meta: Its label.
    """

    type: EnumText = None
    group: EnumText = None
    attributes: UiNodeAttributes
    messages: Listed[UiText] = ()
    meta: Annotated[UiNodeMeta, BeforeValidator(lambda value: {} if value is None else value)] = Field(
        default_factory=UiNodeMeta
    )


class UiContainer(FrontendModel):
    """The form of a flow.

    Attributes:
        action: Where a browser posts the form to.
        method: The HTTP method of that form.
        nodes: What to render, in Kratos' order.
        messages: What to show above it.
    """

    action: str
    method: str
    nodes: Listed[UiNode] = ()
    messages: Listed[UiText] = ()
