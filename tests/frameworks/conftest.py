"""Fixtures and hooks for the tests of frameworks, which are installed by `poe frameworks`."""

import importlib.util

import pytest

from frameworks.requests_table import World

collect_ignore_glob = [] if importlib.util.find_spec("litestar") else ["*.py"]


@pytest.fixture
def world() -> World:
    """A user, a fake Kratos and a guard."""
    return World()
