"""The examples in the documentation pass mypy in strict mode, without plugins, and pyright."""

from pathlib import Path

import pytest
from support.doc_pages import CHECKED_ELSEWHERE, PAGES, blocks_of, name_of
from support.typed_examples import check_with_mypy, check_with_pyright, write_examples

pytestmark = [pytest.mark.package, pytest.mark.timeout(600)]

CHECKED = [page for page in PAGES if blocks_of(page) and name_of(page) not in CHECKED_ELSEWHERE]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project for each page."""
    root = tmp_path_factory.mktemp("examples")
    write_examples(CHECKED, root)
    return root


def test_examples_pass_mypy(examples: Path) -> None:
    check_with_mypy(examples)


def test_examples_pass_pyright(examples: Path) -> None:
    check_with_pyright(examples)
