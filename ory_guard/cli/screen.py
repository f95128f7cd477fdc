"""What a person sees: plain lines that can be piped, colours and progress only on a terminal."""

import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import typer
from rich.console import Console
from rich.text import Text

__all__ = ["columns", "harmless", "progress", "say", "say_beside", "say_error", "say_json"]

_NARROWEST: Final = 20


def harmless(value: object) -> str:
    """Return a value as one line that can't steer a terminal: what is not printable is replaced."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(value))


def say(line: str = "", *, style: str = "") -> None:
    """Write a line to standard output; it is not wrapped, and markup in it means nothing."""
    Console().print(Text(harmless(line), style=style), soft_wrap=True, highlight=False)


def say_beside(label: str, text: str, *, style: str = "") -> None:
    """Write a label and a text; on a terminal the text's further lines stand below its first one."""
    console = Console()
    lines = [text]
    if console.is_terminal:
        lines = textwrap.wrap(harmless(text), max(console.width - len(label), _NARROWEST)) or [""]
    for number, line in enumerate(lines):
        say((" " * len(label) if number else label) + line, style=style)


def say_error(line: str) -> None:
    """Write a line to standard error."""
    Console(stderr=True).print(Text(harmless(line), style="red"), soft_wrap=True, highlight=False)


def say_json(document: Any) -> None:
    """Write a document as JSON to standard output, for programs."""
    typer.echo(json.dumps(document, indent=2))


@contextmanager
def progress(what: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is under way while the block runs; it gets a function that changes the text."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status(Text(harmless(what))) as status:
        yield lambda other: status.update(Text(harmless(other)))


def columns(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return rows as lines with their columns aligned."""
    table = [[harmless(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
