"""Imports: the root imports no framework, and every module exports the names in `__all__`."""

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


def test_root_imports_neither_frameworks_nor_extras() -> None:
    """Applications pay only for the parts that they use."""
    probe = "import sys; from ory_guard import *; print(*sorted(sys.modules), sep='\\n')"
    loaded = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    ).stdout.split()

    assert "ory_guard.guard.guard" in loaded
    assert not {*HEAVY, *OTHER_PACKAGES} & {*loaded}


def test_dependencies_import_only_their_parts() -> None:
    """Modules with routes import neither the guard nor the audit, and no model is built that is not used."""
    probe = (
        "import sys, ory_guard.fastapi; from ory_guard import OryGuard, Session; "
        "assert not Session.__subclasses__(); print(*sorted(sys.modules), sep='\\n')"
    )
    dependencies, application = (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        for code in (probe.replace("OryGuard, ", ""), probe)
    )

    assert "ory_guard.guard.requirements" in dependencies
    assert not {"ory_guard.guard.guard", "ory_guard.guard.middleware", "ory_guard.starlette"} & {*dependencies}
    assert "ory_guard.guard.guard" in application
    unused = {
        "ory_guard.guard.jwt",
        "ory_guard.cache.shared_cache",
        "ory_guard.starlette.audit",
        "ory_guard.client",
    }
    assert not unused & {*application}


@pytest.mark.parametrize("package", ["ory_guard.fastapi", "ory_guard.starlette", "ory_guard.guard"])
def test_lazy_names_are_listed_and_others_rejected(package: str) -> None:
    module = importlib.import_module(package)

    assert {*module.__all__} <= {*dir(module)}
    assert all(getattr(module, name) is getattr(module, name) for name in module.__all__)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'SessionMiddleware'"):
        _ = module.SessionMiddleware


def test_root_exports_sorted_names() -> None:
    """Every name can be imported more than once and is listed by `dir`."""
    assert sorted(ory_guard.__all__) == ory_guard.__all__
    assert all(getattr(ory_guard, name) is getattr(ory_guard, name) for name in ory_guard.__all__)
    assert ory_guard.__version__.count(".") == 2
    assert {*ory_guard.__all__} <= {*dir(ory_guard)}


def test_root_rejects_unknown_names() -> None:
    """An unknown name raises AttributeError."""
    with pytest.raises(AttributeError, match="module 'ory_guard' has no attribute 'SessionMiddleware'"):
        _ = ory_guard.SessionMiddleware  # type: ignore[attr-defined] # the point of the test


def test_pytest_plugin_imports_only_itself() -> None:
    """The plugin is loaded before coverage starts, so imports of other modules would not be measured."""
    probe = (
        "import sys, ory_guard.testing.pytest_plugin; print([m for m in sys.modules if m.startswith('ory_guard.')])"
    )
    done = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "['ory_guard.testing', 'ory_guard.testing.pytest_plugin']"


@pytest.mark.parametrize("name", MODULES)
def test_every_module_lists_its_names(name: str) -> None:
    """All names in `__all__` exist and are unique; only a package may have none."""
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", [])

    assert exported or hasattr(module, "__path__")
    assert [public for public in exported if not hasattr(module, public)] == []
    assert len(set(exported)) == len(exported)


def test_typed_examples_are_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules for the type checks of the public API can be imported."""
    monkeypatch.syspath_prepend(SURFACE)
    surface = importlib.import_module("public_surface")
    importlib.import_module("client_surface")

    app = surface.wiring(settings_of())

    assert len(app.user_middleware) == 3
    assert len(surface.REQUIREMENTS) == 5
