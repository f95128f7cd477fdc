"""What importing costs and brings: the root stays light, and the public names are what they say."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.stub_kratos import settings_of

import ory_guard

SURFACE = Path(__file__).parent.parent / "typing"
HEAVY = ["fastapi", "starlette", "redis", "joserfc", "typer", "pydantic_settings", "opentelemetry"]
OURS = [
    "ory_guard.testing",
    "ory_guard.client",
    "ory_guard.fastapi",
    "ory_guard.starlette",
    "ory_guard.redis",
]
MODULES = [module.name for module in pkgutil.walk_packages(ory_guard.__path__, "ory_guard.")]


def test_the_root_imports_no_framework_and_no_extra() -> None:
    """A worker that only checks sessions pays for nothing else."""
    probe = "import sys; from ory_guard import *; print(*sorted(sys.modules), sep='\\n')"
    loaded = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    ).stdout.split()

    assert "ory_guard.guard.guard" in loaded
    assert not {*HEAVY, *OURS} & {*loaded}


def test_the_root_has_the_everyday_names() -> None:
    """And no others, sorted."""
    assert sorted(ory_guard.__all__) == ory_guard.__all__
    assert all(hasattr(ory_guard, name) for name in ory_guard.__all__)
    assert ory_guard.__version__.count(".") == 2
    assert {*ory_guard.__all__} <= {*dir(ory_guard)}
    with pytest.raises(AttributeError, match="module 'ory_guard' has no attribute 'SessionMiddleware'"):
        _ = ory_guard.SessionMiddleware  # type: ignore[attr-defined] # the point of the test


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_offers(name: str) -> None:
    """What `__all__` names is there, and named once; only a package that is nothing but a folder has none."""
    module = importlib.import_module(name)
    offered = getattr(module, "__all__", [])

    assert offered or hasattr(module, "__path__")
    assert [public for public in offered if not hasattr(module, public)] == []
    assert len(set(offered)) == len(offered)


def test_typed_examples_are_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules that mypy checks for the public types also run."""
    monkeypatch.syspath_prepend(SURFACE)
    surface = importlib.import_module("public_surface")
    importlib.import_module("client_surface")

    app = surface.wiring(settings_of())

    assert len(app.user_middleware) == 3
    assert len(surface.REQUIREMENTS) == 5
