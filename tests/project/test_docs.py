"""The code in the documentation runs, and every public name, setting, event and error code is documented."""

import ast
import dataclasses
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.doc_pages import CHECKED_ELSEWHERE, PAGES, PUBLIC_MODULES, ROOT, blocks_of, name_of, run_page

from ory_guard import GuardSettings, events, exceptions
from ory_guard.testing import FakeKratos

DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
WITH_CODE = [page for page in PAGES if blocks_of(page)]
RENDERED = {
    name for page in DOCS.rglob("*.md") for name in re.findall(r"^::: (\S+)", page.read_text(), re.MULTILINE)
}


def headings_of(page: Path) -> list[str]:
    """Return the headings of a page that are names in the code, in order."""
    return re.findall(r"^##+ `([^`]+)`$", page.read_text(), re.MULTILINE)


def sections_of(page: Path) -> dict[str, str]:
    """Return the text below each heading of a page."""
    _, *parts = re.split(r"^##+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {heading.strip("`"): text for heading, text in zip(parts[::2], parts[1::2], strict=True)}


RUN_HERE = [page for page in WITH_CODE if name_of(page) not in CHECKED_ELSEWHERE]


def test_every_python_block_is_found() -> None:
    """A fence that the tests do not read as Python, such as one with other options, is an error."""
    fence = re.compile(r"^ *(?:```|~~~) *(py|diff)", re.MULTILINE)
    fences = {name_of(page): fence.findall(page.read_text()) for page in PAGES}

    assert {page: len(found) + found.count("diff") for page, found in fences.items()} == {
        name_of(page): len(blocks_of(page)) for page in PAGES
    }


@pytest.mark.parametrize("page", RUN_HERE, ids=name_of)
def test_the_code_on_a_page_runs(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path, FakeKratos(allowed_return_urls=("http://127.0.0.1:8000",)))


def imports_of(code: str) -> Iterator[tuple[str, str]]:
    """Yield module and name of each import from ory_guard."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "ory_guard":
            yield from ((str(node.module), alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.split(".")[0] == "ory_guard")


def test_examples_use_public_names_only() -> None:
    private = [
        f"{block.place}: {module}.{name}"
        for page in WITH_CODE
        for block in blocks_of(page)
        for module, name in imports_of(block.code)
        if module not in PUBLIC_MODULES and f"{module}.{name}" not in RENDERED
    ]

    assert private == []


def test_what_the_reference_shows_is_public() -> None:
    single = {name for name in RENDERED if name not in PUBLIC_MODULES}
    shown = [(importlib.import_module(module), name) for module, _, name in (one.rpartition(".") for one in single)]

    assert [f"{module.__name__}.{name}" for module, name in shown if name not in module.__all__] == []


def test_every_setting_has_a_heading() -> None:
    """The settings page lists each setting in the order of the class, with its variable and default."""
    sections = sections_of(REFERENCE / "settings.md")

    assert headings_of(REFERENCE / "settings.md") == list(GuardSettings.model_fields)
    for name, field in GuardSettings.model_fields.items():
        assert f"- Variable: `ORY_GUARD_{name.upper()}`\n" in sections[name]
        if isinstance(field.default, str | int | float) and field.default is not True:
            assert (
                f"- Default: `{field.default:{'g' if isinstance(field.default, float) else ''}}`\n"
                in sections[name]
            )


def test_every_event_has_a_heading() -> None:
    found = {getattr(events, name) for name in events.__all__} - {events.Event}
    classes = [kind for kind in found if isinstance(kind, type) and issubclass(kind, events.Event)]
    sections = sections_of(REFERENCE / "events.md")

    assert sorted(headings_of(REFERENCE / "events.md")) == sorted(kind.name for kind in classes)
    for kind in classes:
        fields = ", ".join(field.name for field in dataclasses.fields(kind))
        assert f"`{kind.__name__}({fields})`" in sections[kind.name]


def test_every_error_code_has_a_heading() -> None:
    classes = [getattr(exceptions, name) for name in exceptions.__all__ if name != "Failure"]
    sections = sections_of(REFERENCE / "errors.md")

    assert sorted(headings_of(REFERENCE / "errors.md")) == sorted(kind.code for kind in classes)
    for kind in classes:
        text = sections[kind.code]
        assert f"`{kind.__name__}`" in text
        assert str(kind.status_code) in text or kind in (exceptions.KratosAPIError, exceptions.ConfigurationError)


def test_every_promise_names_tests_that_exist() -> None:
    """The promises on the security page are numbered, and each names at least one existing test."""
    text = (DOCS / "security.md").read_text()
    _, *parts = re.split(r"^\*\*(\d+)\. ", text.partition("## Residual risks")[0], flags=re.MULTILINE)
    proved = {int(number): "`tests/" in promise for number, promise in zip(parts[::2], parts[1::2], strict=True)}
    missing = [
        f"{path}::{name}"
        for path, name in re.findall(r"`(tests/\S+\.py)::(\w+)`", text)
        if not re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
    ]

    assert len(proved) >= 23
    assert proved == dict.fromkeys(range(1, len(proved) + 1), True)
    assert missing == []
