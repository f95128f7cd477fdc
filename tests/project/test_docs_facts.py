"""Commands, options, extras and files in the documentation exist, and its data blocks are valid."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import rjsonnet
import yaml
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
    commands = get_group(app).commands
    wrong = []
    calls = [(page, *call) for page, text in TEXTS.items() for call in calls_in(text)]
    for page, command, *words in calls:
        known = {name for parameter in commands[command].params for name in parameter.opts}
        wrong += [f"{page}: {command} {word}" for word in words if word.startswith("--") and word not in known]

    assert len(calls) >= 8
    assert wrong == []


def test_documented_extras_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    named = {
        (page, extra)
        for page, text in TEXTS.items()
        for names in re.findall(r"(?:ory-guard|checkout)\[([a-z,]+)\]", text)
        for extra in names.split(",")
    }

    assert len(named) > 10
    assert [f"{page}: {extra}" for page, extra in sorted(named) if extra not in extras] == []


def test_documented_files_exist() -> None:
    texts = TEXTS | {name_of(file): file.read_text(encoding="utf-8") for file in FILES}
    named = {
        (page, path)
        for page, text in texts.items()
        for path in re.findall(r"`((?:ory_guard|tests|benchmarks|scripts|docs|example_app|\.ci)/[\w./-]*)`", text)
    }

    assert len(named) > 20
    assert [f"{page}: {path}" for page, path in sorted(named) if not (ROOT / path).exists()] == []


def test_request_flow_names_the_classes_of_its_modules() -> None:
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


def blocks(language: str) -> list[str]:
    """Return the blocks of all pages in a language."""
    return [block for text in TEXTS.values() for block in blocks_in(text, language)]


def test_data_blocks_are_valid() -> None:
    """An ellipsis for omitted text appears only inside of strings."""
    assert len([json.loads(block) for block in blocks("json")]) >= 3
    assert len([tomllib.loads(block) for block in blocks("toml")]) >= 1
    assert len([list(yaml.safe_load_all(block)) for block in blocks("yaml")]) >= 10


def test_claims_mapper_sets_the_audience() -> None:
    session = {
        "authenticator_assurance_level": "aal1",
        "authenticated_at": "-",
        "identity": {"traits": {"email": "-"}},
    }
    (mapper,) = blocks("jsonnet")

    claims = json.loads(
        rjsonnet.evaluate_snippet("orders.jsonnet", mapper, ext_codes={"session": json.dumps(session)})
    )

    assert claims["claims"]["aud"] == "https://orders.example.com"


@pytest.mark.edge
def test_nginx_accepts_the_locations(tmp_path: Path) -> None:
    """The complete configuration for forward auth has tests of its own."""
    nginx = shutil.which("nginx")
    if nginx is None:
        pytest.skip("needs the Debian package nginx-light")
    (block,) = blocks_in(TEXTS["docs/how-to/behind-a-proxy.md"], "nginx")
    server = block.replace("server {", f"server {{ listen unix:{tmp_path}/nginx.sock;")
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid; events {{}} http {{ access_log off; {server} }}")

    command = [nginx, "-t", "-q", "-e", "stderr", "-c", str(tmp_path / "nginx.conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
