"""Run the Python blocks of a documentation page with a fake Kratos.

Every block fenced as `python` runs, in the order of the page and in one namespace. A block with a title is a file:
it is written to an empty folder and imported, or passed to pytest if it is named like a test. A block fenced as
`diff` with the title `x.py` is two files: `before_x.py`, which is only type-checked, and `after_x.py`.
"""

import importlib
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import httpx2

import ory_guard.client
import ory_guard.guard.middleware
from ory_guard import GuardSettings, OryGuard
from ory_guard.client import FrontendClient
from ory_guard.testing import FakeKratos

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PUBLIC_MODULES = re.findall(
    r"^- `(ory_guard[a-z_.]*)`", (ROOT / "docs" / "deprecation.md").read_text(encoding="utf-8"), re.MULTILINE
)

NEEDS_FRAMEWORKS = {
    f"docs/how-to/{name}.md"
    for name in ("aws-lambda", "frameworks", "graphql", "mounted-applications", "socket-io")
}
"""The pages whose code imports packages of the group `frameworks`."""

CHAINLIT = "docs/how-to/chainlit.md"
"""The page whose code imports Chainlit, which can't be installed beside the group `frameworks`."""

CHECKED_ELSEWHERE = {
    **dict.fromkeys(NEEDS_FRAMEWORKS, "tests/frameworks/test_pages.py"),
    CHAINLIT: "tests/frameworks/test_chainlit.py",
}
"""The pages whose code needs other packages than those for development, and the tests that run and type-check it.

For all other pages, these are `tests/project/test_docs.py` and `tests/project/test_docs_types.py`.
"""

_BLOCK = re.compile(r'^( *)```python(?: title="([^"]+)")?\n(.*?)^\1```$', re.MULTILINE | re.DOTALL)
_DIFF = re.compile(r'^```diff title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_ENVIRONMENT = {
    "ORY_GUARD_KRATOS_PUBLIC_URL": "http://127.0.0.1:4433",
    "ORY_GUARD_APP_URL": "http://127.0.0.1:8000",
}


@dataclass(frozen=True)
class Block:
    """One Python block of a page.

    Attributes:
        place: The page and its first line.
        title: The name of the file, or None.
        code: The code.
    """

    place: str
    title: str | None
    code: str


def name_of(page: Path) -> str:
    """Return a page's path from the root of the project."""
    return str(page.relative_to(ROOT))


def blocks_of(page: Path) -> list[Block]:
    """Return the Python blocks of a page, in order, and the two files of each diff."""
    text = page.read_text(encoding="utf-8")
    blocks = _BLOCK.finditer(text)
    found = [Block(_place(page, text, match), match[2], textwrap.dedent(match[3])) for match in blocks]
    for match in _DIFF.finditer(text):
        lines = match[2].splitlines(keepends=True)
        for sign, version in (("-", "before"), ("+", "after")):
            code = "".join(line[1:] for line in lines if line[0] in (sign, " "))
            found.append(Block(_place(page, text, match), f"{version}_{match[1]}", code))
    return found


def block_titled(page: Path, title: str) -> str:
    """Return the text of the block with a title, in any language."""
    block = rf'^```\w+ title="{re.escape(title)}"\n(.*?)^```$'
    match = re.search(block, page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert match is not None, f"{page.name} has no block with the title {title}"
    return match[1]


def _place(page: Path, text: str, match: re.Match[str]) -> str:
    return f"{name_of(page)}:{text.count(chr(10), 0, match.start()) + 1}"


def run_page(page: str | Path, folder: Path, fake: FakeKratos, *, tests: bool = True) -> dict[str, Any]:
    """Run a page's blocks and return the names that they define, and the imported modules by name.

    Args:
        page: The page, or its path from the root of the project.
        folder: An empty folder for the blocks that are files.
        fake: The Kratos for the guards and clients of the page.
        tests: Whether to run the test files with pytest.

    Raises:
        Exception: If a block raises it.
    """
    page_module = sys.modules["page"] = ModuleType("page")  # frameworks look for the types of annotations there
    names: dict[str, Any] = page_module.__dict__
    files = [block for block in blocks_of(ROOT / page) if block.title is not None]
    for file in files:
        (folder / str(file.title)).write_text(file.code)
    with asking(fake), _importing_from(folder):
        for block in blocks_of(ROOT / page):
            if block.title is None:
                exec(compile(block.code, block.place, "exec"), names)
            elif not _is_test(block) and not block.title.startswith(
                "before_"
            ):  # ory_client takes seconds to import
                module = importlib.import_module(block.title.removesuffix(".py"))
                names[module.__name__] = module
    if tests and any(_is_test(file) for file in files):
        _run_tests(folder)
    return names


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for file in folder.glob("*.py"):
            sys.modules.pop(file.stem, None)


def _is_test(block: Block) -> bool:
    return str(block.title).startswith(("test_", "conftest"))


def _run_tests(folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        str(folder),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)


@contextmanager
def asking(fake: FakeKratos) -> Iterator[None]:
    """Connect every guard and client that is created without a transport to the fake."""
    transport = httpx2.ASGITransport(app=fake.app)

    class GuardOnFake(OryGuard):
        def __init__(self, settings: GuardSettings, **arguments: Any) -> None:
            super().__init__(settings, **{"transport": transport, "clock": fake.clock, **arguments})

    class ClientOnFake(FrontendClient):
        def __init__(self, base_url: str, **arguments: Any) -> None:
            super().__init__(base_url, **{"transport": transport, **arguments})

    with (
        mock.patch.object(ory_guard, "OryGuard", GuardOnFake),
        mock.patch.object(ory_guard.guard.middleware, "OryGuard", GuardOnFake),
        mock.patch.object(ory_guard.client, "FrontendClient", ClientOnFake),
        mock.patch.dict("os.environ", _ENVIRONMENT),
    ):
        yield
