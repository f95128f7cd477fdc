"""Output: safe for terminals, complete in pipes, with colors and spinners on terminals only."""

import errno
import io
import os
import sys
from pathlib import Path

import pytest
import typer

from ory_guard.cli.errors import ExitCode, handle_errors
from ory_guard.cli.output import columns, print_error, print_json, print_labelled, print_line, sanitize, spinner


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def test_sanitize_replaces_control_characters() -> None:
    assert sanitize("a\x1b[31mb\nc\u202ed\x07") == "a\ufffd[31mb\ufffdc\ufffdd\ufffd"
    assert sanitize("\N{SNOWMAN} é 漢") == "\N{SNOWMAN} é 漢"


def test_lines_are_neither_wrapped_nor_parsed_as_markup(capsys: pytest.CaptureFixture[str]) -> None:
    line = "[bold]no markup[/bold] :snowman: " + "long " * 99 + "long"

    print_line(line)
    print_error(line)
    print_json(line)

    assert capsys.readouterr() == (f'{line}\n"{line}"\n', f"{line}\n")


def test_labelled_text_is_wrapped_on_terminals_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "a problem that takes more than one line, and what to do about it"
    print_labelled("problem  ", text)
    assert capsys.readouterr().out == f"problem  {text}\n"

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    print_labelled("problem  ", text)
    print_labelled("ok  ", "")

    assert terminal.getvalue() == (
        "problem  a problem that takes more than\n         one line, and what to do about\n         it\nok  \n"
    )


class FullDisk(io.StringIO):
    """A stream that accepts no text."""

    def write(self, _text: str) -> int:
        """Raise the error of a full disk."""
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_output_that_cannot_be_written_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a traceback, whose exit code would be that of a failed check."""
    monkeypatch.setattr(sys, "stdout", FullDisk())

    with pytest.raises(typer.Exit) as caught, handle_errors():
        print_line("a line")

    assert caught.value.exit_code == ExitCode.ERROR
    assert capsys.readouterr().err == "the command failed: No space left on device\n"


def test_output_is_discarded_after_the_pipe_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)

        print_line("first")
        print_line("second")
        print_json({})

        assert os.fstat(pipe.fileno()).st_rdev == Path(os.devnull).stat().st_rdev


def test_columns_are_aligned() -> None:
    assert columns([("a", "bc", ""), ("def", "", "g")]) == ["a    bc", "def      g"]
    assert columns([]) == []


def test_spinner_writes_to_standard_error_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")

    with spinner("Loading …") as update:
        update("Still loading …")

    assert "Still loading …" in terminal.getvalue()


def test_spinner_writes_nothing_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with spinner("Loading …") as update:
        update("Still loading …")

    assert capsys.readouterr() == ("", "")
