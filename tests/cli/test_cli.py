"""The command line as a whole: its help, its start, and closed pipes."""

import importlib.metadata
import os
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
COMMANDS = ("doctor", "fake", "routes", "serve", "whoami")
RUN_MAIN = "from ory_guard.cli import main; main()"


def documented_help(command: str) -> str:
    """Return the help text of a command in the reference."""
    title = f"ory-guard {command}".strip()
    section = re.search(rf"^#+ {title}$.*?^```text\n(.*?)^```$", REFERENCE, re.MULTILINE | re.DOTALL)
    assert section is not None, f"docs/reference/cli.md has no help text below the heading {title!r}"
    return section[1]


@pytest.mark.skipif(TYPER < (0, 29), reason="older releases of typer format the help in another way")
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_reference_contains_help_texts(command: str) -> None:
    result = call(*command.split(), "--help", env={"COLUMNS": "80", "TERM": "dumb", "NO_COLOR": "1"})

    assert result.code == 0
    assert documented_help(command).strip() == result.out.strip()
    assert "Exit codes: 0 " in result.out or not command


def test_doctor_page_has_heading_for_each_check() -> None:
    headings = re.findall(r"^### `(\w+)`$", DOCTOR, re.MULTILINE)

    assert headings == [check.name for check in CHECKS]


def test_doctor_page_shows_actual_output() -> None:
    """The output for a default fake starts with the example; ports and milliseconds may differ."""
    example = re.findall(r"^```text\n(.*?)^```$", DOCTOR, re.MULTILINE | re.DOTALL)[0]
    with served_kratos() as kratos:
        result = call("doctor", "--kratos-url", kratos.settings.public_url, "--app-url", "http://127.0.0.1:8000")
        output = result.out.replace(kratos.settings.public_url, "http://127.0.0.1:4433")

    def without_times(text: str) -> str:
        return re.sub(r"in \d+ ms", "in … ms", text)

    assert without_times(output).startswith(without_times(example))


def test_version_is_the_only_line() -> None:
    result = call("--version")

    assert (result.code, result.out) == (0, f"{__version__}\n")


def test_help_is_shown_without_a_command() -> None:
    result = call()

    assert result.code == 2
    assert "Commands:" in result.out + result.error


def test_help_imports_no_heavy_modules() -> None:
    program = "import sys, ory_guard.cli.commands; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = {"pydantic", "httpx2", "starlette", "uvicorn", "fastapi", "redis"} & set(done.stdout.split())
    assert loaded == set()


def test_package_installs_the_command() -> None:
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="ory-guard")

    assert command.load() is main


@pytest.mark.parametrize(
    ("words", "expected"),
    [("d", ["doctor"]), ("", [*COMMANDS]), ("routes --fac", ["--factory"]), ("whoami --token", ["--token-file"])],
)
def test_shell_completion_offers_commands_and_options(words: str, expected: list[str]) -> None:
    line = f"ory-guard {words}"
    environment = {"_ORY_GUARD_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": f"{line.count(' ')}"}

    result = call(env=environment)

    assert (result.code, sorted(result.out.split())) == (0, expected)


def test_main_runs_the_arguments_of_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ory-guard", "--help"])

    with pytest.raises(SystemExit) as caught:
        main()

    assert caught.value.code == 0
    assert "doctor" in capsys.readouterr().out


@pytest.mark.parametrize("module", ["typer", "rich.console"])
def test_main_reports_missing_extra(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is that of a usage error; 1 would be a failed check."""
    monkeypatch.setitem(sys.modules, module, None)
    for name in ("commands", "options", "errors", "output"):
        monkeypatch.delitem(sys.modules, f"ory_guard.cli.{name}", raising=False)

    with pytest.raises(SystemExit) as caught:
        main()

    assert caught.value.code == 2
    expected = f"ory-guard needs {module}: install the extra with pip install 'ory-guard[cli]'\n"
    assert capsys.readouterr() == ("", expected)


@pytest.mark.parametrize(
    ("output_option", "app_url", "code"),
    [((), "http://127.0.0.1:4455", 0), (("--json",), "http://127.0.0.1:8000", 1)],
    ids=["text", "JSON"],
)
def test_closed_pipe_changes_neither_exit_code_nor_standard_error(
    output_option: tuple[str, ...], app_url: str, code: int
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with served_kratos() as kratos, os.fdopen(writer, "wb") as pipe:
        arguments = ("doctor", "--kratos-url", kratos.settings.public_url, "--app-url", app_url, *output_option)
        done = subprocess.run(
            [sys.executable, "-c", RUN_MAIN, *arguments],
            stdout=pipe,
            stderr=subprocess.PIPE,
            env={**os.environ, "ORY_GUARD_TIMEOUT": "30"},
            check=False,
        )

    assert (done.returncode, done.stderr) == (code, b"")


def test_closed_standard_error_does_not_change_exit_code() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        command = [sys.executable, "-c", RUN_MAIN, "whoami"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=pipe, check=False)

    assert (done.returncode, done.stdout) == (2, b"")
