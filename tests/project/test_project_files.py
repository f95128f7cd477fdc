"""The metadata, the README and the files for contributors agree with the project."""

import importlib.metadata
import json
import re
import tomllib
from typing import Any

import pytest
import yaml
from support.doc_pages import ROOT

import ory_guard

README = (ROOT / "README.md").read_text(encoding="utf-8")
REPOSITORY = "https://github.com/ory-guard/ory_guard"
LINKS = re.findall(r"\]\(([^)\s]+)\)", README)
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS: dict[str, list[str]] = PYPROJECT["project"]["optional-dependencies"]
SOURCES = sorted((ROOT / "ory_guard").rglob("*.py"))
HINTS = [
    pytest.param(source, match[1], id=f"{source.relative_to(ROOT)}:{match[1]}")
    for source in SOURCES
    for match in re.finditer(r"pip install 'ory-guard\[([^]]*)\]'", source.read_text(encoding="utf-8"))
]


def workflow(name: str) -> dict[str, Any]:
    """Return a workflow; YAML reads its key `on` as True."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows" / name).read_text(encoding="utf-8"))
    return loaded


def test_readme_has_no_relative_links() -> None:
    """PyPI shows the README without the repository."""
    assert len(LINKS) > 20
    assert [link for link in LINKS if not link.startswith("https://")] == []
    assert re.findall(r"<(?:img|a)\b", README) == []


def test_readme_links_to_files_that_exist() -> None:
    raw = REPOSITORY.replace("github.com", "raw.githubusercontent.com")
    paths = re.findall(rf"\((?:{REPOSITORY}/blob|{raw})/?(?:/main/)([^)#\s]+)", README)

    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).is_file()] == []


def test_readme_badges_are_true() -> None:
    classifiers = PYPROJECT["project"]["classifiers"]
    versions = [one.split(" :: ")[-1] for one in classifiers if re.search(r":: 3\.\d+$", one)]

    assert f"[![Python {', '.join(versions)}]" in README
    assert f"badge/python-{'_%7C_'.join(versions)}-" in README
    assert f"[![License: {PYPROJECT['project']['license']}]" in README
    assert PYPROJECT["tool"]["mypy"]["strict"]
    assert re.findall(r"actions/workflows/([\w.]+)/badge.svg", README) == ["check.yml"]
    assert workflow("check.yml")["jobs"]["check"]["strategy"]["matrix"]["python"] == versions


def test_addresses_are_in_one_repository() -> None:
    assert PYPROJECT["project"]["urls"]["Source"] == REPOSITORY
    assert all(url.startswith(REPOSITORY) for url in PYPROJECT["project"]["urls"].values())
    assert f"repo_url: {REPOSITORY}\n" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert f"{REPOSITORY}/" in (ROOT / ".github/ISSUE_TEMPLATE/config.yml").read_text(encoding="utf-8")


def test_version_has_one_source() -> None:
    assert "version" not in PYPROJECT["project"]
    assert PYPROJECT["tool"]["hatch"]["version"]["path"] == "ory_guard/__init__.py"
    assert importlib.metadata.version("ory-guard") == ory_guard.__version__
    assert f"## {ory_guard.__version__} - " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("source", "extras"), HINTS)
def test_installation_hint_names_extras_with_the_imported_packages(source: Any, extras: str) -> None:
    """Each extra exists, and an extra named by a message has a package that its module imports."""
    names = extras.split(",")
    assert set(names) <= EXTRAS.keys()

    package = source.parent if source.name == "__init__.py" else source
    files = sorted(package.rglob("*.py")) if package.is_dir() else [package]
    code = "\n".join(file.read_text(encoding="utf-8") for file in files)
    imported = set(re.findall(r"^\s*(?:from|import) ([\w.]+)", code, re.MULTILINE))
    for name in names:
        modules = {re.split(r"[><\[]", one)[0].replace("-", "_") for one in EXTRAS[name]}
        modules |= {"opentelemetry"} if name == "otel" else set()
        own = f"ory_guard.{name}" if name in ("redis", "testing", "tokens", "ui") else None
        assert modules & {one.split(".")[0] for one in imported} or any(
            f"{one}.".startswith(f"{own}.") for one in imported
        ), name


def test_every_message_that_installs_something_is_checked() -> None:
    """A message about a missing package contains a complete command, in one line of the source."""
    text = "\n".join(source.read_text(encoding="utf-8") for source in SOURCES)

    assert len(HINTS) >= 10
    assert text.count("pip install") == len(HINTS)


def test_release_publishes_with_a_trusted_publisher_and_attestations() -> None:
    """No job has a password, and only the job that publishes has a token of the identity provider."""
    release = workflow("release.yml")
    publish = release["jobs"]["publish"]
    (upload,) = (step for step in publish["steps"] if "pypi-publish" in step.get("uses", ""))

    assert release["permissions"] == {}
    assert release["jobs"]["build"]["permissions"] == {"contents": "read"}
    assert publish["permissions"] == {"id-token": "write", "attestations": "write"}
    assert publish["needs"] == "build"
    assert upload["with"] == {"attestations": True}
    assert "secrets." not in json.dumps(release)


@pytest.mark.parametrize("task", ["lint", "types"])
def test_pre_commit_runs_the_tasks_of_the_project(task: str) -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    entries = [hook["entry"] for repo in config["repos"] for hook in repo["hooks"]]

    assert f".venv/bin/poe {task}" in entries
    assert task in PYPROJECT["tool"]["poe"]["tasks"]


def test_container_installs_extras_and_starts_the_fake() -> None:
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    (extras,) = re.findall(r"'\.\[([^]]*)\]'", text)
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)
    copied = [path for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for path in line.split()]

    assert extras == "cli,testing"
    assert json.loads(entry) == ["ory-guard", "fake", "--dangerously-listen-on", "0.0.0.0"]
    assert [path for path in copied if not (ROOT / path).exists()] == []
