"""The public names of `ory_guard.testing`, which are imported on first use."""

import importlib
import sys

import pytest

import ory_guard.testing


@pytest.mark.parametrize("name", ory_guard.testing.__all__)
def test_all_lists_importable_names(name: str) -> None:
    assert getattr(ory_guard.testing, name).__name__ == name
    assert name in dir(ory_guard.testing)


def test_unknown_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'ory_guard\.testing' has no attribute 'FakeHydra'"):
        _ = ory_guard.testing.FakeHydra  # type: ignore[attr-defined] # the point of the test


def test_missing_extra_is_reported_on_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing the package itself works without the extra."""
    monkeypatch.delitem(vars(ory_guard.testing), "FakeKratos", raising=False)
    monkeypatch.delitem(sys.modules, "ory_guard.testing.fake_kratos", raising=False)
    monkeypatch.setitem(sys.modules, "pyotp", None)

    with pytest.raises(ModuleNotFoundError) as caught:
        _ = importlib.import_module("ory_guard.testing").FakeKratos

    assert caught.value.name == "pyotp"
    assert str(caught.value) == (
        "ory_guard.testing needs pyotp: install the extra with pip install 'ory-guard[testing]'"
    )
