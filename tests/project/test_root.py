"""The package root: the everyday names, imported when they are asked for."""

import subprocess
import sys

import pytest

import ory_guard


@pytest.mark.parametrize("name", ory_guard.__all__)
def test_the_root_has_every_name_that_it_announces(name: str) -> None:
    """Whatever is in `__all__` can be imported and is listed."""
    assert getattr(ory_guard, name) is getattr(ory_guard, name)
    assert name in dir(ory_guard)


def test_the_root_says_which_name_it_does_not_have() -> None:
    """A misspelt name fails as in any module."""
    with pytest.raises(AttributeError, match="'ory_guard' has no attribute 'Guard'"):
        _ = ory_guard.Guard  # type: ignore[attr-defined] # the point of the test


def test_the_pytest_plugin_imports_none_of_the_product() -> None:
    """Coverage that starts after the plugin was loaded still sees every line of the product run."""
    program = (
        "import sys, ory_guard.testing.pytest_plugin; print([m for m in sys.modules if m.startswith('ory_guard.')])"
    )
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert answer.stdout.strip() == "['ory_guard.testing', 'ory_guard.testing.pytest_plugin']"
