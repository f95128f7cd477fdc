"""The navigation of the documentation is complete; the built site has a search and loads nothing from elsewhere."""

import importlib
import re
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
import yaml
from example.browser_window import CHROMIUM, chromium
from playwright.sync_api import Page
from support.doc_pages import PAGES, PUBLIC_MODULES, ROOT

DIAGRAMS = [
    (page.relative_to(ROOT / "docs").with_suffix(".html"), name)
    for page in PAGES
    for name in re.findall(r'--8<-- "docs/images/([\w-]+)\.svg"', page.read_text(encoding="utf-8"))
]
DOCS = ROOT / "docs"
LEGIBILITY = """(svg) => {
  const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
  const texts = [...svg.querySelectorAll("text")];
  const style = getComputedStyle(texts[0]);
  const boxes = texts.map((text) => [text.textContent, text.getBBox()]);
  const outside = boxes.filter(([, box]) => box.x < 0 || box.x + box.width > svg.viewBox.baseVal.width);
  return [parseFloat(style.fontSize) * scale, style.fill, outside.map(([text]) => text)];
}"""
MKDOCS: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
SEARCHES = [
    ("social sign in", "how-to/login-pages.html"),
    ("Kubernetes", "how-to/deployment-recipes.html"),
    ("step-up", "how-to/step-up.html"),
    ("Redis", "how-to/several-workers.html"),
    ("SPA", "how-to/spa.html"),
    ("HTMX", "how-to/htmx.html"),
    ("GraphQL", "how-to/graphql.html"),
    ("API key", "how-to/api-keys.html"),
    ("private CA", "how-to/private-ca.html"),
    ("multi-tenant", "how-to/many-hosts.html"),
    ("celery", "how-to/background-jobs.html"),
    ("ory-client", "how-to/migrating.html"),
]


def entries_of(navigation: Any) -> Iterator[str]:
    """Yield the paths in a part of the navigation."""
    if isinstance(navigation, str):
        yield navigation
    else:
        parts = navigation.values() if isinstance(navigation, dict) else navigation
        for part in parts:
            yield from entries_of(part)


def test_every_page_is_in_the_navigation_once() -> None:
    """Zensical reports neither missing pages nor missing entries."""
    pages = [str(page.relative_to(DOCS)) for page in PAGES if page.is_relative_to(DOCS)]

    assert sorted(entries_of(MKDOCS["nav"])) == sorted(pages)


def test_every_how_to_page_is_in_the_list_of_its_group() -> None:
    """The index lists the groups of the navigation, and their pages in the same order."""
    (groups,) = (part["How-to guides"][1:] for part in MKDOCS["nav"] if "How-to guides" in part)
    text = (DOCS / "how-to/index.md").read_text(encoding="utf-8")
    _, *parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    listed = [
        (name, re.findall(r"^- \[[^]]+\]\(([^)]+)\)", body, re.MULTILINE))
        for name, body in zip(parts[::2], parts[1::2], strict=True)
    ]

    expected = [
        (name, [path.removeprefix("how-to/") for path in entries_of(pages)])
        for [(name, pages)] in map(dict.items, groups)
    ]
    assert listed == expected


def test_pages_have_no_absolute_links() -> None:
    """An absolute path does not work in a site below a path, and Zensical does not report it."""
    links = re.compile(r"\]\((/[^)]*)\)")

    assert [page.name for page in PAGES if links.search(page.read_text(encoding="utf-8"))] == []


@pytest.fixture(scope="module")
def site() -> Path:
    """The documentation, built in `site` with warnings as errors."""
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "site"


@pytest.mark.docs
def test_every_public_name_is_in_the_reference(site: Path) -> None:
    inventory = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    headings = {line.split(" ")[0] for line in zlib.decompress(inventory).decode().splitlines()}
    names = [f"{module}.{name}" for module in PUBLIC_MODULES for name in importlib.import_module(module).__all__]

    assert [name for name in names if name not in headings] == []


@pytest.mark.docs
def test_html_loads_nothing_from_elsewhere(site: Path) -> None:
    loaded = re.compile(
        r'(?:<script[^>]+src|<img[^>]+src|<link[^>]+rel="(?:stylesheet|icon|preconnect)"[^>]+href)="(?:https?:)?//'
    )

    assert [page.name for page in site.rglob("*.html") if loaded.search(page.read_text())] == []


@pytest.fixture
def window(site: Path) -> Iterator[Page]:
    """A window of a browser on the home page."""
    if not CHROMIUM.exists():
        pytest.skip("needs the Debian package chromium")
    handler = partial(SimpleHTTPRequestHandler, directory=site)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, chromium() as browser:
        threading.Thread(target=server.serve_forever).start()
        page = browser.new_page(base_url=f"http://127.0.0.1:{server.server_port}")
        page.goto("/index.html")
        yield page
        server.shutdown()


@pytest.mark.docs
def test_scripts_request_nothing_from_elsewhere(window: Page) -> None:
    """The theme does not call the API of the repository's host for the numbers of stars."""
    requested: list[str] = []
    window.on("request", lambda request: requested.append(request.url))

    for name in ("index", "how-to/fastapi", "explanation/request-flow"):
        window.goto(f"/{name}.html", wait_until="networkidle")

    assert len(requested) > 3
    assert {urlsplit(url).hostname for url in requested} == {"127.0.0.1"}


@pytest.mark.docs
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_diagrams_are_legible_on_a_phone(window: Page, scheme: Literal["light", "dark"]) -> None:
    """In both themes, they have the color of the text and large letters, and the page does not scroll."""
    window.set_viewport_size({"width": 375, "height": 800})
    window.emulate_media(color_scheme=scheme)
    for page, name in DIAGRAMS:
        window.goto(f"/{page}")
        diagram = window.locator(f"svg:has(#{name}-title)")
        size, color, outside = diagram.evaluate(LEGIBILITY)

        assert size >= 12, name
        assert color == diagram.locator("xpath=ancestor::article").evaluate("(e) => getComputedStyle(e).color")
        assert outside == []
        assert window.evaluate("document.documentElement.scrollWidth") <= 375

    assert len(DIAGRAMS) == 5


@pytest.mark.docs
def test_search_finds_pages(window: Page) -> None:
    missing = []
    for query, page in SEARCHES:
        window.goto("/index.html")
        window.keyboard.press("/")
        window.get_by_role("combobox").fill(query)
        results = window.get_by_role("listbox").get_by_role("option")
        results.first.wait_for()
        found = [str(link.get_attribute("href")) for link in results.all()[:3]]
        if not any(page in link for link in found):
            missing.append((query, found))

    assert missing == []
