"""Fixtures and hooks for the tests of frameworks, which are installed by `poe frameworks`."""

import importlib.util
from pathlib import Path

import pytest

from frameworks.requests_table import World

HAS_FRAMEWORKS, HAS_CHAINLIT = (importlib.util.find_spec(name) is not None for name in ("litestar", "chainlit"))


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Ignore tests whose packages are not installed; Chainlit has an environment of its own."""
    is_chainlit = collection_path.name == "test_chainlit.py"
    return None if (HAS_CHAINLIT if is_chainlit else HAS_FRAMEWORKS) else True


@pytest.fixture
def world() -> World:
    """A user, a fake Kratos and a guard."""
    return World()
