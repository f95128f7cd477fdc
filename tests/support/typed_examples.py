"""The examples of the documentation as projects of a user, for type checkers."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from support.doc_pages import blocks_of, name_of

__all__ = ["check_with_mypy", "check_with_pyright", "write_examples"]


def write_examples(pages: Iterable[Path], root: Path) -> None:
    """Write the blocks of each page to a folder: a file for each title, and one for all blocks without a title."""
    for page in pages:
        folder = root / name_of(page).removesuffix(".md").replace("/", "_").replace("-", "_")
        folder.mkdir()
        untitled = [block.code for block in blocks_of(page) if block.title is None]
        if untitled:
            (folder / f"{folder.name}.py").write_text("\n".join(untitled))
        for block in blocks_of(page):
            if block.title is not None:
                (folder / block.title).write_text(block.code)


def check_with_pyright(root: Path) -> None:
    """Run pyright of this environment; the modules of a page are found in its folder."""
    _check(str(Path(sys.executable).with_name("pyright")), "--pythonpath", sys.executable, str(root), folder=root)


def _check(*command: str, folder: Path) -> None:
    """Run a type checker; its findings fail the test."""
    environment = {**os.environ, "MYPYPATH": ""}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def check_with_mypy(root: Path, *options: str) -> None:
    """Run mypy in strict mode, without plugins; pages with files of the same name are separate projects."""
    (root / "mypy.ini").write_text("\n".join(["[mypy]", "strict = True", *options]))
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir())
    simple = [folder for folder in folders if [file.stem for file in folder.iterdir()] == [folder.name]]
    config = ("--config-file", str(root / "mypy.ini"), "--cache-dir", str(root.with_name("mypy_cache")))
    command = (sys.executable, "-m", "mypy", *config)

    _check(*command, *(str(folder / f"{folder.name}.py") for folder in simple), folder=root)
    for folder in folders:
        if folder not in simple:
            _check(*command, ".", folder=folder)
