"""What a person sees: plain lines that can be piped, colours and progress only on a terminal."""

import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import typer
from rich.console import Console
from rich.text import Text

__all__ = ["columns", "print_error", "print_json", "print_labelled", "print_line", "sanitize", "spinner"]

_NARROWEST: Final = 20


def sanitize(value: object) -> str:
    """Return a value as one line that can't steer a terminal: what is not printable is replaced."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(value))


def print_line(line: str = "", *, style: str = "") -> None:
    """Write a line to standard output; it is not wrapped, and markup in it means nothing."""
    Console().print(Text(sanitize(line), style=style), soft_wrap=True, highlight=False)


def print_labelled(label: str, text: str, *, style: str = "") -> None:
    """Write a label and a text; on a terminal the text's further lines stand below its first one."""
    console = Console()
    lines = [text]
    if console.is_terminal:
        lines = textwrap.wrap(sanitize(text), max(console.width - len(label), _NARROWEST)) or [""]
    for number, line in enumerate(lines):
        print_line((" " * len(label) if number else label) + line, style=style)


def print_error(line: str) -> None:
    """Write a line to standard error."""
    Console(stderr=True).print(Text(sanitize(line), style="red"), soft_wrap=True, highlight=False)


def print_json(document: Any) -> None:
    """Write a document as JSON to standard output, for programs."""
    typer.echo(json.dumps(document, indent=2))


@contextmanager
def spinner(what: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is under way while the block runs; it gets a function that changes the text."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status(Text(sanitize(what))) as status:
        yield lambda other: status.update(Text(sanitize(other)))


def columns(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return rows as lines with their columns aligned."""
    table = [[sanitize(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
