"""Commands, options, files and Kratos keys in the documentation exist."""

import json
import re

from support.doc_pages import PAGES, ROOT, name_of
from typer.main import get_group

from ory_guard.cli.commands import app

TEXTS = {name_of(page): page.read_text(encoding="utf-8") for page in PAGES}
FILES = [ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "example_app/README.md")]


def blocks_in(text: str, language: str) -> list[str]:
    """Return the code of a page's blocks in a language."""
    return re.findall(rf"^```{language}\b[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def calls_in(text: str) -> list[list[str]]:
    """Return the arguments of each `ory-guard` command in a page's shell blocks."""
    shell = "\n".join(blocks_in(text, "sh"))
    return [call.split() for call in re.findall(r"(?:^|[ /])ory-guard ([a-z][^|&\n]*)", shell, re.MULTILINE)]


def test_documented_commands_have_documented_options() -> None:
    """Every command and option in a shell block exists."""
    commands = get_group(app).commands
    wrong = []
    calls = [(page, *call) for page, text in TEXTS.items() for call in calls_in(text)]
    for page, command, *words in calls:
        known = {name for parameter in commands[command].params for name in parameter.opts}
        wrong += [f"{page}: {command} {word}" for word in words if word.startswith("--") and word not in known]

    assert len(calls) >= 8
    assert wrong == []


def test_documented_files_exist() -> None:
    """Every path of the project that a page contains exists."""
    texts = TEXTS | {name_of(file): file.read_text(encoding="utf-8") for file in FILES}
    named = {
        (page, path)
        for page, text in texts.items()
        for path in re.findall(r"`((?:ory_guard|tests|benchmarks|scripts|docs|example_app|\.ci)/[\w./-]*)`", text)
    }

    assert len(named) > 20
    assert [f"{page}: {path}" for page, path in sorted(named) if not (ROOT / path).exists()] == []


def test_request_flow_names_the_classes_of_its_modules() -> None:
    """Every class in a row of the page occurs in the module or package of that row."""
    rows = re.findall(r"^\| (`ory_guard/.*?) \| (.*) \|$", TEXTS["docs/explanation/request-flow.md"], re.MULTILINE)
    missing = []
    for modules, text in rows:
        roots = [ROOT / path for path in re.findall(r"`(ory_guard/[^`]*)`", f"{modules} {text}")]
        files = [file for root in roots for file in ([root] if root.is_file() else root.rglob("*.py"))]
        source = "\n".join(file.read_text(encoding="utf-8") for file in files)
        names = re.findall(r"`([A-Z][a-z]\w*)`", text)
        missing += [f"{modules}: {name}" for name in names if not re.search(rf"\b{name}\b", source)]

    assert len(rows) > 20
    assert missing == []


def test_json_blocks_are_valid() -> None:
    """An ellipsis for omitted text appears only inside of strings."""
    blocks = [block for text in TEXTS.values() for block in blocks_in(text, "json")]

    assert len([json.loads(block) for block in blocks]) >= 3
