"""Calls of the command line, and a fake Kratos on a real socket."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from support.threaded_server import served
from typer.testing import CliRunner

from ory_guard.cli.commands import app
from ory_guard.testing import FakeKratos

__all__ = ["CommandResult", "call", "served", "served_kratos"]


class CommandResult:
    """The output and the exit code of a command."""

    def __init__(self, result: Any) -> None:
        self.code: int = result.exit_code
        self.out: str = result.stdout
        self.error: str = result.stderr

    def __repr__(self) -> str:
        return f"<exit code {self.code}>\n{self.out}{self.error}"


def call(*arguments: object, stdin: str = "", env: Mapping[str, str] | None = None) -> CommandResult:
    """Call `ory-guard` with these arguments.

    Raises:
        Exception: If the command raises one; no command may.
    """
    variables = {"ORY_GUARD_TIMEOUT": "30", **(env or {})}  # the default is short for a busy machine
    result = CliRunner().invoke(app, [*map(str, arguments)], input=stdin, env=variables)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return CommandResult(result)


@contextmanager
def served_kratos(**settings: Any) -> Iterator[FakeKratos]:
    """Serve the public API of a fake."""

    def make(url: str) -> tuple[Any, FakeKratos]:
        fake = FakeKratos(public_url=url, **settings)
        return fake.app, fake

    with served(make) as fake:
        yield fake
