"""Exit codes of the commands, and errors that are printed as one sentence instead of a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer

from ory_guard.cli.output import print_error
from ory_guard.exceptions import ConfigurationError

__all__ = ["CommandFailed", "ExitCode", "handle_errors"]


class ExitCode(IntEnum):
    """The exit code of a command."""

    OK = 0
    """Success."""
    NEGATIVE = 1
    """The check failed: a problem was found, the credential has no session, a route is unprotected."""
    USAGE = 2
    """Usage or configuration error."""
    ERROR = 3
    """The operation failed: Kratos is unreachable, a port is in use, a module can't be imported."""


class CommandFailed(Exception):
    """A command can't do its job.

    Args:
        message: The problem, the expected value and the fix; never a credential.
        code: The exit code of the command.
    """

    def __init__(self, message: str, code: ExitCode = ExitCode.ERROR) -> None:
        self.code = code
        super().__init__(message)


@contextmanager
def handle_errors() -> Iterator[None]:
    """Print an expected error and end the command with its exit code.

    Raises:
        typer.Exit: If the block raises `CommandFailed`, `ConfigurationError` or an `OSError`.
    """
    try:
        yield
    except CommandFailed as error:
        print_error(str(error))
        raise typer.Exit(error.code) from None
    except ConfigurationError as error:
        print_error(str(error))
        raise typer.Exit(ExitCode.USAGE) from None
    except OSError as error:  # such as a full disk below the standard output; Python would exit with NEGATIVE
        print_error(f"the command failed: {error.strerror or type(error).__name__}")
        raise typer.Exit(ExitCode.ERROR) from None
