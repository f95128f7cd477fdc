"""Flows of made-up nodes, and their HTML."""

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any, Final

from ory_guard.client.models.flows import Flow
from ory_guard.client.ui import HasUi
from ory_guard.ui.template_environment import NodeURLs, create_environment, web_url
from ory_guard.ui.translations import Catalogs

__all__ = ["Elements", "an_input", "flow_of", "render_flow", "render_messages", "rendered"]

ENVIRONMENT: Final = create_environment(None)
CATALOGS: Final = Catalogs()


def flow_of(*nodes: dict[str, Any], messages: list[dict[str, Any]] | None = None) -> Flow:
    """Return a flow of nodes, with defaults for missing keys."""
    shown = [{"messages": [], "meta": {}, "group": "default", "type": "input", **node} for node in nodes]
    ui = {"action": "https://id.example/submit?flow=1&x=<>", "method": "POST", "nodes": shown}
    return Flow.model_validate({"id": "1", "ui": {**ui, "messages": messages or []}})


def an_input(name: str, kind: str = "text", group: str = "default", **more: Any) -> dict[str, Any]:
    """Return an input node."""
    attributes = {"node_type": "input", "name": name, "type": kind, "disabled": False, **more}
    return {"type": "input", "group": group, "attributes": attributes}


def _render(
    source: str, url: Callable[[str], str | None], language: str, nonce: str | None, **variables: Any
) -> str:
    urls = NodeURLs(link=url, script=url)
    template = ENVIRONMENT.from_string(source)
    return template.render(t=CATALOGS.for_header(language), node_urls=urls, nonce=nonce, **variables)


def render_flow(
    flow: HasUi,
    *,
    url: Callable[[str], str | None] = web_url,
    nonce: str | None = None,
    language: str = "en",
    **options: Any,
) -> str:
    """Return the HTML of a flow; the options are those of `render_flow` in templates."""
    return _render("{{ render_flow(flow, **options) }}", url, language, nonce, flow=flow, options=options)


def render_messages(messages: Any, language: str = "en") -> str:
    """Return the HTML of messages."""
    return _render("{{ render_messages(messages) }}", web_url, language, None, messages=messages)


class Elements(HTMLParser):
    """The elements of an HTML text, as tag and attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.elements.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of each element of a tag."""
        return [attributes for name, attributes in self.elements if name == tag]


def rendered(*nodes: dict[str, Any], **options: Any) -> Elements:
    """Return the elements of a rendered flow."""
    return Elements(render_flow(flow_of(*nodes), **options))
