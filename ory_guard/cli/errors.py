"""How commands end: exit codes, and failures told in a sentence instead of a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer

from ory_guard.cli.output import print_error
from ory_guard.exceptions import ConfigurationError

__all__ = ["CommandFailed", "ExitCode", "handle_errors"]


class ExitCode(IntEnum):
    """What the exit code of a command means."""

    OK = 0
    """All is well."""
    NEGATIVE = 1
    """The answer is no: a problem was found, nobody is signed in, a route is open."""
    USAGE = 2
    """The command line or a setting is wrong."""
    ERROR = 3
    """It could not be done: Kratos can't be reached, a port is taken, a module can't be imported."""


class CommandFailed(Exception):
    """A command can't do what it was asked to.

    Args:
        message: What happened, what was expected, and what to do; never a credential.
        code: What the command ends with.
    """

    def __init__(self, message: str, code: ExitCode = ExitCode.ERROR) -> None:
        self.code = code
        super().__init__(message)


@contextmanager
def handle_errors() -> Iterator[None]:
    """End the command with a sentence and an exit code where it fails as was to be expected."""
    try:
        yield
    except CommandFailed as failure:
        print_error(str(failure))
        raise typer.Exit(failure.code) from None
    except ConfigurationError as fault:
        print_error(str(fault))
        raise typer.Exit(ExitCode.USAGE) from None
