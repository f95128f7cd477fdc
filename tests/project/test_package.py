"""The built package: its contents, and its installation in empty environments."""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from support.doc_pages import ROOT, blocks_of

pytestmark = [pytest.mark.package, pytest.mark.timeout(1_800)]

TOOLS = Path(sys.executable).parent
UV = str(TOOLS / "uv")
LOCK = str(ROOT / "requirements.lock")

WITHOUT_EXTRA = (
    *("ory_guard", "ory_guard.starlette", "ory_guard.client.updates", "ory_guard.starlette"),
    *("ory_guard.forward_auth", "ory_guard.webhooks", "ory_guard.proxy"),
)
MODULE_OF_EXTRA = {
    "fastapi": "ory_guard.fastapi",
    "redis": "ory_guard.redis",
    "tokens": "ory_guard.tokens",
    "otel": "ory_guard.telemetry",
    "testing": "ory_guard.testing",
    "ui": "ory_guard.ui",
}


def run(*command: str, cwd: Path = ROOT, **environment: str) -> str:
    """Run a command and return its output; an error of the command fails the test."""
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run(UV, "build", "--quiet", "--out-dir", str(folder))
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    """The wheel."""
    return next(dist.glob("*.whl"))


def environment_with(folder: Path, *packages: str) -> str:
    """Create an environment with these packages and return its Python."""
    run(UV, "venv", "--quiet", "--python", sys.executable, str(folder))
    python = str(folder / "bin" / "python")
    run(UV, "pip", "install", "--quiet", "--python", python, "--constraint", LOCK, *packages)
    return python


def test_distributions_are_valid_and_complete(dist: Path, wheel: Path) -> None:
    """The package index accepts both; the wheel contains only the typed package and its license."""
    files = [str(file) for file in sorted(dist.glob("ory_guard*"))]
    run(str(TOOLS / "twine"), "check", "--strict", *files)
    run(str(TOOLS / "check-wheel-contents"), str(wheel))

    names = zipfile.ZipFile(wheel).namelist()
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        source = {name.split("/")[1] for name in archive.getnames()}
    assert {name.split("/")[0] for name in names} == {
        "ory_guard",
        f"{'-'.join(wheel.name.split('-')[:2])}.dist-info",
    }
    assert "ory_guard/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {"ory_guard", "tests", "benchmarks", "scripts", "docs", "example_app"} <= source
    assert {"mkdocs.yml", "requirements.lock", "CHANGELOG.md"} <= source


def test_installation_without_extras(wheel: Path, tmp_path: Path) -> None:
    python = environment_with(tmp_path / "environment", str(wheel))

    run(python, "-W", "error", "-c", f"import {', '.join(WITHOUT_EXTRA)}", cwd=tmp_path)
    for extra, module in MODULE_OF_EXTRA.items():
        name = "FakeKratos" if extra == "testing" else "*"
        attempt = f"try: from {module} import {name}\nexcept ModuleNotFoundError as error: print(error)"
        assert f"ory-guard[{extra}]" in run(python, "-c", attempt, cwd=tmp_path)


@pytest.mark.parametrize("extra", [*MODULE_OF_EXTRA, "cli", "demo", "all"])
def test_installation_with_an_extra(extra: str, wheel: Path, tmp_path: Path) -> None:
    python = environment_with(tmp_path / "environment", f"{wheel}[{extra}]")
    modules = [MODULE_OF_EXTRA[extra]] if extra in MODULE_OF_EXTRA else []
    if extra == "all":
        modules += MODULE_OF_EXTRA.values()

    run(python, "-c", f"import {', '.join([*WITHOUT_EXTRA, *modules])}", cwd=tmp_path)
    if extra in ("cli", "all"):
        assert "whoami" in run(str(Path(python).with_name("ory-guard")), "--help", cwd=tmp_path)
    if extra in ("demo", "all"):
        serve = "from example_app.kratos_backend import embedded\nfrom example_app.app import create_app\n"
        run(python, "-c", f"{serve}create_app(embedded('http://127.0.0.1:4455'))", PYTHONPATH=str(ROOT))


def test_readme_example_in_a_new_environment(wheel: Path, tmp_path: Path) -> None:
    """The README's example runs with the extra `fastapi`, and its OpenAPI has the security schemes."""
    python = environment_with(tmp_path / "environment", f"{wheel}[fastapi]")
    example = "\n".join(block.code for block in blocks_of(ROOT / "README.md"))
    probe = "\nimport json\nprint(json.dumps(app.openapi()['paths']['/vault']['get']['security']))"

    security = json.loads(run(python, "-c", example + probe, cwd=tmp_path))

    assert security == [{"ory_session_cookie": []}, {"ory_session_token": []}, {"ory_session_bearer": []}]


def test_types_are_complete(wheel: Path, tmp_path: Path) -> None:
    """At least 99 % of the public names have a known type."""
    python = environment_with(tmp_path / "environment", f"{wheel}[all]", "pytest")
    environment = {
        "PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(tmp_path / "environment"),
    }
    command = [str(TOOLS / "pyright"), "--verifytypes", "ory_guard", "--ignoreexternal", "--outputjson"]

    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    completeness = json.loads(done.stdout)["typeCompleteness"]

    unknown = [
        symbol["name"] for symbol in completeness["symbols"] if symbol["isExported"] and not symbol["isTypeKnown"]
    ]
    assert completeness["exportedSymbolCounts"]["withKnownType"] > 1_000
    assert completeness["completenessScore"] >= 0.99, unknown
