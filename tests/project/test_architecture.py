"""Limits on the size of files and functions, on module names, and on suppressions."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PRODUCT = sorted((ROOT / "ory_guard").rglob("*.py"))
EXAMPLE = sorted((ROOT / "example_app").rglob("*.py"))

LONGEST_FILE = 300
LONGEST_FUNCTION = 50
BANNED = {"utils", "util", "helpers", "helper", "manager", "managers", "core", "base", "data", "common", "misc"}

SUPPRESSION = re.compile(r"# (?:noqa|type: ignore|pragma|pyright)\b")
REASONED = re.compile(r"# (?:noqa: [A-Z0-9, ]+ - |type: ignore\[[a-z, -]+\] # )\S")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    """Return a file's path from the root of the project."""
    return str(path.relative_to(ROOT))


def functions_in(path: Path) -> Iterator[Function]:
    """Yield every function and method of a file, nested ones too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            yield node


def length_of(function: Function) -> int:
    """Return how many lines a function has without its docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def test_files_and_functions_are_short() -> None:
    files = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in PRODUCT + EXAMPLE}
    functions = {
        f"{name_of(path)}: {function.name}": length_of(function)
        for path in PRODUCT + EXAMPLE
        for function in functions_in(path)
    }

    assert {name: lines for name, lines in files.items() if lines > LONGEST_FILE} == {}
    assert {name: lines for name, lines in functions.items() if lines > LONGEST_FUNCTION} == {}


def test_module_names_are_specific() -> None:
    parts = {part for path in PRODUCT + EXAMPLE for part in path.relative_to(ROOT).with_suffix("").parts}

    assert parts & BANNED == set()


def test_class_names_are_unique() -> None:
    """Only the testing kit repeats public names of the package, for the same things in its fake Kratos."""
    files = defaultdict(set)
    for path in PRODUCT:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                files[node.name].add(name_of(path))

    assert {name for name, paths in files.items() if len(paths) > 1} == {"Clock", "Identity", "Session"}


def test_suppressions_have_a_code_and_a_reason() -> None:
    """In `tests/typing`, the suppressed errors are the tests."""
    folders = ("ory_guard", "example_app", "benchmarks", "scripts", "tests")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if path.parent.name != "typing"]

    assert [
        f"{name_of(path)}:{number}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if SUPPRESSION.search(line) and not REASONED.search(line)
    ] == []
