"""The diagrams in the documentation are those of the script, and contain all that a reader needs."""

import re
from xml.etree import ElementTree as ET

import diagrams
import pytest
from support.doc_pages import PAGES

TEXTS = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(params=sorted(diagrams.DIAGRAMS))
def name(request: pytest.FixtureRequest) -> str:
    """The name of each diagram."""
    return str(request.param)


def test_file_is_current_and_on_one_page(name: str) -> None:
    """After a change of the script, run `poe diagrams`."""
    assert (diagrams.IMAGES / f"{name}.svg").read_text(encoding="utf-8") == diagrams.DIAGRAMS[name]
    assert TEXTS.count(f'--8<-- "docs/images/{name}.svg"') == 1


def test_diagram_is_accessible_and_loads_nothing(name: str) -> None:
    """A blank line would end the block of HTML in Markdown."""
    svg = diagrams.DIAGRAMS[name]
    root = ET.fromstring(svg)
    texts = {str(one.get("id")): one.text for one in root if one.tag in (f"{SVG}title", f"{SVG}desc")}

    assert root.get("role") == "img"
    assert str(root.get("aria-labelledby")).split() == [*texts]
    assert all(texts.values())
    assert re.findall(r"https?://[^\"]+", svg) == ["http://www.w3.org/2000/svg"]
    assert re.findall(r"href|url\(|@import|<script", svg) == []
    assert "\n\n" not in svg
