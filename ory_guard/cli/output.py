"""Output of the commands: plain lines that can be piped, with colors and spinners on terminals only."""

import json
import os
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.text import Text

__all__ = ["columns", "print_error", "print_json", "print_labelled", "print_line", "sanitize", "spinner"]

_MIN_TEXT_WIDTH: Final = 20


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Discard further output after the reader, such as `head`, closed the pipe.

        The base class exits with 1, which is the exit code of a failed check.
        """
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, self.file.fileno())
        os.close(devnull)


def sanitize(value: object) -> str:
    """Return a value as one line without terminal control sequences: unprintable characters are replaced."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(value))


def print_line(line: str = "", *, style: str = "") -> None:
    """Print a sanitized line to standard output, without wrapping it or interpreting markup."""
    _print(_Console(), sanitize(line), style)


def print_labelled(label: str, text: str, *, style: str = "") -> None:
    """Print a label and a text; on a terminal the text is wrapped and indented by the width of the label."""
    console = _Console()
    lines = [text]
    if console.is_terminal:
        lines = textwrap.wrap(sanitize(text), max(console.width - len(label), _MIN_TEXT_WIDTH)) or [""]
    for number, line in enumerate(lines):
        print_line((" " * len(label) if number else label) + line, style=style)


def print_error(line: str) -> None:
    """Print a sanitized line to standard error."""
    _print(_Console(stderr=True), sanitize(line), "red")


def print_json(document: Any) -> None:
    """Print a document as JSON to standard output, without colors."""
    _print(_Console(color_system=None), json.dumps(document, indent=2), "")


def _print(console: Console, text: str, style: str) -> None:
    console.print(Text(text, style=style), soft_wrap=True, highlight=False)


@contextmanager
def spinner(text: str) -> Iterator[Callable[[str], None]]:
    """Show a spinner on standard error, if it is a terminal, while the block runs.

    Yields:
        A function that replaces the text beside the spinner.
    """
    console = _Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status(Text(sanitize(text))) as status:
        yield lambda new_text: status.update(Text(sanitize(new_text)))


def columns(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return rows as lines with aligned columns."""
    table = [[sanitize(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
