"""Modules that require an extra report its name if it is not installed."""

import importlib
import sys

import pytest

NEEDS = {
    "ory_guard.fastapi": ("fastapi", "fastapi"),
    "ory_guard.redis": ("redis", "redis"),
    "ory_guard.telemetry": ("opentelemetry", "otel"),
    "ory_guard.tokens": ("joserfc", "tokens"),
    "ory_guard.ui": ("jinja2", "ui"),
}


@pytest.mark.parametrize("module", NEEDS)
def test_import_error_names_the_missing_extra(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message contains the missing package and the command that installs it."""
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
