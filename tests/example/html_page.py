"""The forms, links and texts of an HTML page, as a browser without JavaScript reads them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

__all__ = ["Button", "Form", "Page", "parse"]

_TEXT_ELEMENTS = ("title", "a", "button", "script")


@dataclass
class Button:
    """A submit button: its text, and the pair that it submits."""

    text: str = ""
    name: str = ""
    value: str = ""


@dataclass
class Form:
    """A form with its fields and buttons, in order."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[Button] = field(default_factory=list)


@dataclass
class Page:
    """The contents of a page.

    Attributes:
        forms: The forms.
        links: The URL of each link, by its text.
        messages: The ids of Kratos' messages.
        codes: The texts of `code` elements.
        title: The title.
        text: All texts in order.
    """

    forms: list[Form] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    messages: list[int] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    title: str = ""
    text: str = ""

    def form_with(self, button: str) -> tuple[Form, Button]:
        """Return the form with a button, and the button: by its text, as `name=value`, or as `name`.

        Raises:
            AssertionError: If no form has the button; the message lists the buttons of the page.
        """
        for form in self.forms:
            for candidate in form.buttons:
                if button in (candidate.text, f"{candidate.name}={candidate.value}", candidate.name):
                    return form, candidate
        buttons = [(each.text, each.name, each.value) for form in self.forms for each in form.buttons]
        raise AssertionError(f"no button {button!r}; found {buttons} on {self.title!r}: {self.text[:600]}")


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._form: Form | None = None
        self._button: Button | None = None
        self._text_of = ""
        self._href = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        match tag:
            case "form":
                self._form = Form(attributes.get("action", ""), attributes.get("method", "get"))
                self.page.forms.append(self._form)
            case "input" if self._form is not None:
                self._add_field(attributes, self._form)
            case "button" if self._form is not None and attributes.get("type", "submit") == "submit":
                self._button = Button("", attributes.get("name", ""), attributes.get("value", ""))
                self._form.buttons.append(self._button)
            case "a":
                self._href = attributes.get("href", "")
            case "p" if "data-message" in attributes:
                self.page.messages.append(int(attributes["data-message"]))
        if tag in (*_TEXT_ELEMENTS, "code"):
            self._text_of = tag

    def _add_field(self, attributes: dict[str, str], form: Form) -> None:
        unchecked = attributes.get("type") in ("checkbox", "radio") and "checked" not in attributes
        if "name" in attributes and not unchecked:
            form.fields.append((attributes["name"], attributes.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        if tag == self._text_of:
            self._text_of = ""

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if not text or self._text_of == "script":
            return
        self.page.text += f"{text} "
        match self._text_of:
            case "title":
                self.page.title = text
            case "a":
                self.page.links[text] = self._href
            case "button" if self._button is not None:
                self._button.text = text
            case "code":
                self.page.codes.append(text)


def parse(html: str) -> Page:
    """Parse an HTML page."""
    parser = _Parser()
    parser.feed(html)
    return parser.page
