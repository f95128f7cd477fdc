"""What is written: sanitize to terminals, whole in pipes, colours and progress for people only."""

import io
import sys

import pytest

from ory_guard.cli.output import columns, print_error, print_labelled, print_line, sanitize, spinner


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def test_nothing_that_is_written_steers_a_terminal() -> None:
    """Escape sequences, line breaks and changes of direction become one visible sign each."""
    assert sanitize("a\x1b[31mb\nc\u202ed\x07") == "a\ufffd[31mb\ufffdc\ufffdd\ufffd"
    assert sanitize("\N{SNOWMAN} é 漢") == "\N{SNOWMAN} é 漢"


def test_markup_and_long_lines_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """A trait may look like rich's markup, and a pipe has no width."""
    line = "[bold]no markup[/bold] :snowman: " + "long " * 99 + "long"

    print_line(line)
    print_error(line)

    assert capsys.readouterr() == (line + "\n", line + "\n")


def test_a_text_stays_beside_its_label(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal its further lines stand below its first one; in a pipe it is one line."""
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


def test_columns_are_aligned() -> None:
    """Each is as wide as its widest cell, and lines end with their last letter."""
    assert columns([("a", "bc", ""), ("def", "", "g")]) == ["a    bc", "def      g"]
    assert columns([]) == []


def test_progress_shows_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On standard error, so that a pipe gets the answer only."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")

    with spinner("Asking …") as tell:
        tell("Still asking …")

    assert "Still asking …" in terminal.getvalue()


def test_progress_is_silent_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    """A log file gets no spinner."""
    with spinner("Asking …") as tell:
        tell("Still asking …")

    assert capsys.readouterr() == ("", "")
