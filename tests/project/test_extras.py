"""What needs an extra says which, where it is missing."""

import importlib
import sys

import pytest

NEEDS = {
    "ory_guard.fastapi": ("fastapi", "fastapi"),
    "ory_guard.redis": ("redis", "redis"),
    "ory_guard.telemetry": ("opentelemetry", "otel"),
    "ory_guard.tokens": ("joserfc", "tokens"),
}


@pytest.mark.parametrize("module", NEEDS)
def test_a_missing_extra_is_named(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing a module without what it needs says what that is, and how to install it."""
    package, extra = NEEDS[module]
    for name in list(sys.modules):
        if name == module or name.startswith(f"{module}."):
            monkeypatch.delitem(sys.modules, name)
        elif name.split(".")[0] == package:
            monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module(module)

    assert str(caught.value) == (
        f"{module} needs {caught.value.name}: install the extra with pip install 'ory-guard[{extra}]'"
    )
    assert str(caught.value.name).split(".")[0] == package
