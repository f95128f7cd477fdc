"""The public names of `ory_guard.testing`, which are imported on first use."""

import importlib
import sys

import pytest

import ory_guard.testing


@pytest.mark.parametrize("name", ory_guard.testing.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    """`__all__` and `dir()` list names that exist."""
    assert getattr(ory_guard.testing, name).__name__ == name
    assert name in dir(ory_guard.testing)


def test_an_unknown_name_raises_attribute_error() -> None:
    """The message is Python's own for a missing attribute."""
    with pytest.raises(AttributeError, match=r"'ory_guard\.testing' has no attribute 'FakeHydra'"):
        _ = ory_guard.testing.FakeHydra  # type: ignore[attr-defined] # the point of the test


def test_a_missing_extra_is_named_on_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing the package works without the extra; using a name says how to install it."""
    monkeypatch.delitem(vars(ory_guard.testing), "FakeKratos", raising=False)
    monkeypatch.delitem(sys.modules, "ory_guard.testing.fake_kratos", raising=False)
    monkeypatch.setitem(sys.modules, "pyotp", None)

    with pytest.raises(ModuleNotFoundError) as caught:
        _ = importlib.import_module("ory_guard.testing").FakeKratos

    assert caught.value.name == "pyotp"
    assert str(caught.value) == (
        "ory_guard.testing needs pyotp: install the extra with pip install 'ory-guard[testing]'"
    )
