"""Imports load only the parts that they need, export the names in `__all__`, and report a missing extra."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.guard_bench import settings_of

import ory_guard

SURFACE = Path(__file__).parent.parent / "typing"
HEAVY = ["fastapi", "starlette", "redis", "joserfc", "typer", "pydantic_settings", "opentelemetry", "jinja2"]
OTHER_PACKAGES = [
    "ory_guard.testing",
    "ory_guard.client",
    "ory_guard.fastapi",
    "ory_guard.starlette",
    "ory_guard.redis",
]
MODULES = [module.name for module in pkgutil.walk_packages(ory_guard.__path__, "ory_guard.")]


def modules_after(code: str) -> set[str]:
    """Return the names of the modules that are loaded after some code."""
    command = [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"]
    return {*subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()}


@pytest.mark.parametrize(
    ("code", "needed", "unused"),
    [
        pytest.param("from ory_guard import *", "ory_guard.guard.guard", {*HEAVY, *OTHER_PACKAGES}, id="root"),
        pytest.param(
            "import ory_guard.fastapi; from ory_guard import Session; assert not Session.__subclasses__()",
            "ory_guard.guard.requirements",
            {"ory_guard.guard.guard", "ory_guard.guard.middleware", "ory_guard.starlette"},
            id="module with routes",
        ),
        pytest.param(
            "import ory_guard.fastapi; from ory_guard import OryGuard",
            "ory_guard.guard.guard",
            {
                "ory_guard.guard.jwt",
                "ory_guard.cache.shared_cache",
                "ory_guard.starlette.audit",
                "ory_guard.client",
            },
            id="application",
        ),
    ],
)
def test_import_loads_only_the_parts_that_it_needs(code: str, needed: str, unused: set[str]) -> None:
    loaded = modules_after(code)

    assert needed in loaded
    assert unused & loaded == set()


def test_pytest_plugin_imports_only_itself() -> None:
    """The plugin is loaded before coverage starts, so imports of other modules would not be measured."""
    loaded = modules_after("import ory_guard.testing.pytest_plugin")

    assert {name for name in loaded if name.startswith("ory_guard.")} == {
        "ory_guard.testing",
        "ory_guard.testing.pytest_plugin",
    }


@pytest.mark.parametrize("package", ["ory_guard", "ory_guard.fastapi", "ory_guard.starlette", "ory_guard.guard"])
def test_lazy_names_are_listed_and_others_rejected(package: str) -> None:
    """Every name can be imported more than once."""
    module = importlib.import_module(package)

    assert {*module.__all__} <= {*dir(module)}
    assert all(getattr(module, name) is getattr(module, name) for name in module.__all__)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'SessionMiddleware'"):
        _ = module.SessionMiddleware


@pytest.mark.parametrize("name", MODULES)
def test_every_module_lists_its_names(name: str) -> None:
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", [])

    assert exported or hasattr(module, "__path__")
    assert [public for public in exported if not hasattr(module, public)] == []
    assert len(set(exported)) == len(exported)


def test_typed_examples_are_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SURFACE)
    surface = importlib.import_module("public_surface")
    importlib.import_module("client_surface")

    app = surface.wiring(settings_of())

    assert len(app.user_middleware) == 3
    assert len(surface.REQUIREMENTS) == 5


NEEDS = {
    "ory_guard.fastapi": ("fastapi", "fastapi"),
    "ory_guard.redis": ("redis", "redis"),
    "ory_guard.telemetry": ("opentelemetry", "otel"),
    "ory_guard.tokens": ("joserfc", "tokens"),
    "ory_guard.ui": ("jinja2", "ui"),
}
"""The package and the extra that a module needs."""


@pytest.mark.parametrize("module", NEEDS)
def test_import_error_names_the_missing_extra(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package, extra = NEEDS[module]
    for name in list(sys.modules):
        if name == module or name.startswith(f"{module}."):
            monkeypatch.delitem(sys.modules, name)
        elif name.split(".")[0] == package:
            monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module(module)

    assert str(caught.value.name).split(".")[0] == package
    assert str(caught.value) == (
        f"{module} needs {caught.value.name}: install the extra with pip install 'ory-guard[{extra}]'"
    )
