"""What an extra needs is named when it is missing."""

import importlib
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "missing", "extra"),
    [
        ("ory_guard.redis", "redis", "redis"),
        ("ory_guard.redis", "cryptography", "redis"),
        ("ory_guard.tokens", "joserfc", "tokens"),
    ],
)
def test_a_missing_extra_is_named(module: str, missing: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing the module says what to install."""
    for name in list(sys.modules):
        if name == module or name.startswith((f"{module}.", f"{missing}.")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(
        ModuleNotFoundError, match=rf"ory_guard\.{extra} needs .*pip install 'ory-guard\[{extra}\]'"
    ):
        importlib.import_module(module)
