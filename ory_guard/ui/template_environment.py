"""The templates of the pages: the environment, the data of the layout, and the forms of a flow."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any, Final

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from pydantic import ValidationError

from ory_guard.client.models.ui_nodes import UiText
from ory_guard.client.ui import HasUi
from ory_guard.exceptions import ConfigurationError
from ory_guard.ui.forms import PROVIDERS, Form, forms_of, has_error, sections_of
from ory_guard.ui.translations import Translator

__all__ = ["NodeURLs", "Templates", "create_environment", "time_text", "web_url"]

Templates = str | PathLike[str] | Sequence[str | PathLike[str]]
"""A folder with templates, or several."""

BUILT_IN: Final = Path(__file__).parent / "templates"
_AUTOCOMPLETE: Final = {"identifier": "username", "totp_code": "one-time-code", "lookup_secret": "off"}
_NUMERIC: Final = ("totp_code", "code")
_IMAGE: Final = re.compile(r"data:image/(?:png|jpeg|gif|webp|svg\+xml)[;,]", re.IGNORECASE)
_WEB_URL: Final = re.compile(r"https?://[!-~]+", re.IGNORECASE)
_SCRIPTED: Final = ("webauthn", "passkey")


@dataclass(frozen=True)
class NodeURLs:
    """The checks of URLs in nodes: each returns the URL if it is safe, or None to omit the element.

    Attributes:
        link: For the address of a form, a link or an image.
        script: For a script.
    """

    link: Callable[[str], str | None]
    script: Callable[[str], str | None]


def web_url(url: str) -> str | None:
    """Return a URL with the scheme http or https, or None for any other."""
    return url if _WEB_URL.fullmatch(url) else None


def create_environment(templates: Templates | None) -> Environment:
    """Return the environment for the built-in templates and those that replace them.

    A template of the application can extend the one that it replaces: `{% extends "ory_guard/flow.html" %}`.

    Raises:
        ConfigurationError: If a folder does not exist.
    """
    built_in = FileSystemLoader(BUILT_IN)
    loaders = [FileSystemLoader(folder) for folder in template_folders(templates)]
    environment = Environment(
        loader=ChoiceLoader([*loaders, PrefixLoader({"ory_guard": built_in}), built_in]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(render_flow=_render_flow, render_messages=_render_messages)
    environment.filters.update(
        attributes=_attributes,
        backup_codes=_backup_codes,
        has_error=has_error,
        value_text=_value_text,
        autocomplete=_AUTOCOMPLETE.get,
        time=time_text,
    )
    environment.tests.update(
        numeric=lambda name: name in _NUMERIC,
        image=_IMAGE.match,
        button=lambda kind: kind in ("submit", "button"),
        scripted=lambda group: group in _SCRIPTED,
    )
    return environment


def template_folders(templates: Templates | None) -> list[Path]:
    """Return the folders of templates.

    Raises:
        ConfigurationError: If one does not exist.
    """
    given = () if templates is None else (templates,) if isinstance(templates, str | PathLike) else templates
    folders = [Path(folder) for folder in given]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigurationError(
                f"FlowPages: templates: {str(folder)!r} is not a folder: create it, or omit it"
            )
    return folders


def time_text(moment: datetime | None) -> Markup | None:
    """Return a `<time>` element in UTC, which the script converts to local time, or None without a time."""
    if moment is None:
        return None
    moment = moment.astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        f"{moment:%Y-%m-%dT%H:%M:%SZ}", f"{moment:%Y-%m-%d %H:%M:%S}"
    )


@pass_context
def _render_flow(
    context: Context,
    flow: HasUi,
    *,
    titles: bool = False,
    first: str | None = None,
    only: Iterable[str] = (),
    without: Iterable[str] = (),
) -> Markup:
    """Return the forms of a flow.

    Args:
        context: The context of the template, with `t`, `nonce` and `node_urls`.
        flow: The flow.
        titles: Whether the forms of each group are a section with a heading, as on a settings page.
        first: The group that comes first. Default: Kratos' order.
        only: The groups to render; by default all.
        without: The groups to omit.
    """
    shown, hidden = set(only), set(without)
    forms = [form for form in forms_of(flow) if (not shown or form.group in shown) and form.group not in hidden]
    if titles:
        forms.sort(key=lambda form: form.group != first)
        sections = [(group, _with_primary(group_forms)) for group, group_forms in sections_of(forms)]
    else:
        forms.sort(key=_priority)
        sections = [("", _with_primary(forms))]
    macros: Any = context.environment.get_template("nodes.html").make_module(_macro_variables(context))
    return Markup(macros.flow(flow, sections, titles))  # noqa: S704 - escaped by the template


def _priority(form: Form) -> tuple[bool, ...]:
    """Return the sort key of a form on a page without headings: methods with fields first."""
    return not form.is_visible, form.is_back_button, form.group in PROVIDERS, form.first_field is None


def _with_primary(forms: Sequence[Form]) -> list[tuple[Form, Any]]:
    """Return each form with the main button of the page or section: that of the first form that has one."""
    primary = next((form.primary for form in forms if form.primary is not None and not form.is_removal), None)
    return [(form, primary) for form in forms]


@pass_context
def _render_messages(context: Context, messages: Iterable[UiText]) -> Markup:
    """Return messages for screen readers: errors as alerts, all others as status messages."""
    macros: Any = context.environment.get_template("nodes.html").make_module(_macro_variables(context))
    return Markup(macros.messages(tuple(messages)))  # noqa: S704 - escaped by the template


def _macro_variables(context: Context) -> dict[str, Any]:
    translator: Translator = context["t"]
    urls: NodeURLs = context["node_urls"]
    return {"t": translator, "nonce": context["nonce"], "url": urls.link, "script_url": urls.script}


def _value_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _backup_codes(text: UiText) -> list[UiText]:
    """Return the backup codes in a text; that of a used code is the time of its use."""
    codes = (text.context or {}).get("secrets")
    known = codes if isinstance(codes, tuple) else ()
    return [_backup_code(code) for code in known if isinstance(code, Mapping) and "text" in code]


def _backup_code(code: Mapping[str, Any]) -> UiText:
    try:
        return UiText.model_validate(code)
    except ValidationError:
        return UiText(id=0, text=str(code["text"]))


def _attributes(values: Mapping[str, Any]) -> Markup:
    """Return HTML attributes, each with a leading space; True is a bare name, None and False are omitted."""
    attributes = [
        Markup(" {}").format(name) if value is True else Markup(' {}="{}"').format(name, value)
        for name, value in values.items()
        if value is not None and value is not False and _is_attribute_name(name)
    ]
    return Markup().join(attributes)


def _is_attribute_name(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", name) is not None
