"""The examples in the documentation pass mypy in strict mode, without plugins, and pyright."""

import sys
from pathlib import Path

import pytest
from support.doc_pages import CHAINLIT, NEEDS_FRAMEWORKS, PAGES, blocks_of, name_of
from support.typed_examples import check, check_with_mypy, write_examples

pytestmark = [pytest.mark.package, pytest.mark.timeout(600)]

ELSEWHERE = {*NEEDS_FRAMEWORKS, CHAINLIT}  # tests/frameworks
CHECKED = [page for page in PAGES if blocks_of(page) and name_of(page) not in ELSEWHERE]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project for each page."""
    root = tmp_path_factory.mktemp("examples")
    write_examples(CHECKED, root)
    return root


def test_every_page_with_code_is_checked(examples: Path) -> None:
    files = [*examples.rglob("*.py")]

    assert len(files) >= len(CHECKED) > 25
    assert sum(len(file.read_text().splitlines()) for file in files) > 800


def test_examples_pass_mypy(examples: Path) -> None:
    check_with_mypy(examples)


def test_examples_pass_pyright(examples: Path) -> None:
    pyright = str(Path(sys.executable).with_name("pyright"))

    check(pyright, "--pythonpath", sys.executable, str(examples), folder=examples)
