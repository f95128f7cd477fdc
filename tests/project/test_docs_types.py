"""The examples in the documentation pass mypy in strict mode, without plugins, and pyright."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.doc_pages import NEEDS_FRAMEWORKS, PAGES, blocks_of, name_of

pytestmark = [pytest.mark.package, pytest.mark.timeout(600)]

TOOLS = Path(sys.executable).parent
CHECKED = [page for page in PAGES if blocks_of(page) and name_of(page) not in NEEDS_FRAMEWORKS]


def write_example(page: Path, folder: Path) -> None:
    """Write the blocks of a page as the files of a user's project: those with a title, and one of all others."""
    folder.mkdir()
    untitled = [block.code for block in blocks_of(page) if block.title is None]
    if untitled:
        (folder / f"{folder.name}.py").write_text("\n".join(untitled))
    for block in blocks_of(page):
        if block.title is not None:
            (folder / block.title).write_text(block.code)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project for each page, and a configuration without plugins."""
    root = tmp_path_factory.mktemp("examples")
    (root / "mypy.ini").write_text("[mypy]\nstrict = True\n")
    for page in CHECKED:
        write_example(page, root / name_of(page).removesuffix(".md").replace("/", "_").replace("-", "_"))
    return root


def check(*command: str, folder: Path) -> None:
    """Run a type checker; its findings fail the test."""
    environment = {**os.environ, "MYPYPATH": ""}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_page_with_code_is_checked(examples: Path) -> None:
    files = [*examples.rglob("*.py")]

    assert len(files) >= len(CHECKED) > 25
    assert sum(len(file.read_text().splitlines()) for file in files) > 800


def test_examples_pass_mypy(examples: Path) -> None:
    """Pages with files of the same name are separate projects, which share the cache."""
    folders = sorted(folder for folder in examples.iterdir() if folder.is_dir() and folder.name != ".mypy_cache")
    simple = [folder for folder in folders if [file.stem for file in folder.iterdir()] == [folder.name]]
    config = ("--config-file", str(examples / "mypy.ini"), "--cache-dir", str(examples / ".mypy_cache"))
    command = (sys.executable, "-m", "mypy", *config)

    check(*command, *(str(folder / f"{folder.name}.py") for folder in simple), folder=examples)
    for folder in folders:
        if folder not in simple:
            check(*command, ".", folder=folder)


def test_examples_pass_pyright(examples: Path) -> None:
    check(str(TOOLS / "pyright"), "--pythonpath", sys.executable, str(examples), folder=examples)
