"""Fixtures that run the examples in the documentation."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from support.doc_clients import APP, Run
from support.doc_pages import run_page

from ory_guard.testing import FakeKratos


@pytest.fixture
def fake() -> FakeKratos:
    """The Kratos of the examples."""
    return FakeKratos(allowed_return_urls=(APP,), login_ui_url=f"{APP}/login")


@pytest.fixture
def page(fake: FakeKratos, tmp_path: Path) -> Run:
    """Run a page and return the names that its blocks define."""
    return lambda name: SimpleNamespace(**run_page(name, tmp_path, fake, tests=False))
