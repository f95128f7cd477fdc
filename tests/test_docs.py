"""The documentation: its code runs, and it has a place for every public name, setting, event and error code."""

from pathlib import Path

import pytest
from doc_pages import PAGES, blocks_of, name_of, run_page

from ory_guard.testing import FakeKratos

WITH_CODE = [page for page in PAGES if blocks_of(page)]


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_the_code_on_a_page_runs(page: Path, tmp_path: Path) -> None:
    """Every Python block of the README and of the documentation runs, in the order of its page."""
    run_page(page, tmp_path, FakeKratos(allowed_return_urls=("http://127.0.0.1:8000",)))
