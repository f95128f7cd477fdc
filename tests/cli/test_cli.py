"""The command line as a whole: how it is called, what asking for help costs, and that the docs show that help."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import call, served_kratos

from ory_guard import __version__
from ory_guard.cli import main
from ory_guard.cli.doctor import CHECKS

ROOT = Path(__file__).parent.parent.parent
REFERENCE = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
DOCTOR = (ROOT / "docs/how-to/doctor.md").read_text(encoding="utf-8")
TYPER = tuple(int(part) for part in importlib.metadata.version("typer").split(".")[:2])
COMMANDS = ("doctor", "fake", "routes", "whoami")


def documented_help(command: str) -> str:
    """Return the help text that the reference shows for a command."""
    title = f"ory-guard {command}".strip()
    found = re.search(rf"^#+ {title}$.*?^```text\n(.*?)^```$", REFERENCE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/reference/cli.md has no help text under the heading {title!r}"
    return found[1]


@pytest.mark.skipif(TYPER < (0, 29), reason="older releases of typer word a help text otherwise")
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_the_reference_shows_the_help_texts(command: str) -> None:
    """To the letter, at the width of a terminal that nobody widened."""
    ended = call(*command.split(), "--help", env={"COLUMNS": "80", "TERM": "dumb", "NO_COLOR": "1"})

    assert ended.code == 0
    assert documented_help(command).strip() == ended.out.strip()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_tells_its_exit_codes(command: str) -> None:
    """In its help, so in the reference too."""
    assert "Exit codes: 0 " in documented_help(command)


def test_every_check_of_the_doctor_has_a_heading() -> None:
    """With what it looks at, and what to do about it."""
    headings = re.findall(r"^### `(\w+)`$", DOCTOR, re.MULTILINE)

    assert headings == [check.name for check in CHECKS]


def test_the_page_of_the_doctor_shows_what_it_says() -> None:
    """The example is what it says of a fake as it is, ports and milliseconds aside."""
    example = re.findall(r"^```text\n(.*?)^```$", DOCTOR, re.MULTILINE | re.DOTALL)[0]
    with served_kratos() as kratos:
        ended = call("doctor", "--kratos-url", kratos.settings.public_url, "--app-url", "http://127.0.0.1:8000")
        said = ended.out.replace(kratos.settings.public_url, "http://127.0.0.1:4433")

    def still(text: str) -> str:
        return re.sub(r"in \d+ ms", "in … ms", text)

    assert still(said).startswith(still(example))


def test_it_tells_its_version() -> None:
    """Alone on its line, as a report of a fault wants it."""
    ended = call("--version")

    assert (ended.code, ended.out) == (0, f"{__version__}\n")


def test_without_a_command_the_help_is_shown() -> None:
    """Nobody has to know a name to begin with; click ends that with 2."""
    ended = call()

    assert ended.code == 2
    assert "Commands:" in ended.out + ended.error


def test_asking_for_help_imports_little() -> None:
    """What the commands do is loaded when they run."""
    program = "import sys, ory_guard.cli.commands; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = {"pydantic", "httpx2", "starlette", "uvicorn", "fastapi", "redis"} & set(done.stdout.split())
    assert loaded == set()


def test_it_is_installed_as_a_command() -> None:
    """`ory-guard` calls `ory_guard.cli:main`."""
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="ory-guard")

    assert command.load() is main


def test_the_command_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With the arguments of the process."""
    monkeypatch.setattr(sys, "argv", ["ory-guard", "--help"])

    with pytest.raises(SystemExit) as caught:
        main()

    assert caught.value.code == 0
    assert "doctor" in capsys.readouterr().out


def test_without_its_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command is there whatever was installed with the package."""
    monkeypatch.setitem(sys.modules, "typer", None)
    for name in ("commands", "options", "errors"):
        monkeypatch.delitem(sys.modules, f"ory_guard.cli.{name}", raising=False)

    with pytest.raises(SystemExit) as caught:
        main()

    assert caught.value.code == "ory-guard needs typer: install the extra with pip install 'ory-guard[cli]'"
