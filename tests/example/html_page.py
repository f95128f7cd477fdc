"""The forms of an HTML page, as a browser without JavaScript has them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

__all__ = ["Button", "Form", "Page", "parse"]

_TEXT_IN = ("title", "a", "button", "script")


@dataclass
class Button:
    """A submit button: its words, and what it sends."""

    text: str = ""
    name: str = ""
    value: str = ""


@dataclass
class Form:
    """A form, its fields in order, and its buttons."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[Button] = field(default_factory=list)


@dataclass
class Page:
    """What a test looks at.

    Attributes:
        forms: The forms.
        links: The addresses of links, by their words.
        messages: The numbers of Kratos' messages.
        codes: What stands in `code` elements.
        title: The title.
        text: All text, and what every text is in order.
    """

    forms: list[Form] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    messages: list[int] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    title: str = ""
    text: str = ""

    def form_with(self, button: str) -> tuple[Form, Button]:
        """Return the form with a button, and the button: by its words, or as `name=value`, or as `name`.

        Raises:
            AssertionError: There is none; the text says which there are.
        """
        for form in self.forms:
            for one in form.buttons:
                if button in (one.text, f"{one.name}={one.value}", one.name):
                    return form, one
        found = [(one.text, one.name, one.value) for form in self.forms for one in form.buttons]
        raise AssertionError(f"no button {button!r}; there are {found} on {self.title!r}: {self.text[:600]}")


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._form: Form | None = None
        self._button: Button | None = None
        self._into = ""
        self._href = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        match tag:
            case "form":
                self._form = Form(given.get("action", ""), given.get("method", "get"))
                self.page.forms.append(self._form)
            case "input" if self._form is not None:
                self._take(given, self._form)
            case "button" if self._form is not None and given.get("type", "submit") == "submit":
                self._button = Button("", given.get("name", ""), given.get("value", ""))
                self._form.buttons.append(self._button)
            case "a":
                self._href = given.get("href", "")
            case "p" if "data-message" in given:
                self.page.messages.append(int(given["data-message"]))
        if tag in (*_TEXT_IN, "code"):
            self._into = tag

    def _take(self, given: dict[str, str], form: Form) -> None:
        unticked = given.get("type") in ("checkbox", "radio") and "checked" not in given
        if "name" in given and not unticked:
            form.fields.append((given["name"], given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        if tag == self._into:
            self._into = ""

    def handle_data(self, data: str) -> None:
        words = " ".join(data.split())
        if not words or self._into == "script":
            return
        self.page.text += f"{words} "
        match self._into:
            case "title":
                self.page.title = words
            case "a":
                self.page.links[words] = self._href
            case "button" if self._button is not None:
                self._button.text = words
            case "code":
                self.page.codes.append(words)


def parse(html: str) -> Page:
    """Return what is on a page."""
    parser = _Parser()
    parser.feed(html)
    return parser.page
