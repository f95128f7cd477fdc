"""The command `ory-guard` (extra `cli`).

`serve` checks sessions for a reverse proxy, and `fake` serves a fake Kratos. `doctor`, `whoami` and `routes`
inspect a Kratos, a session and an application.
"""

import sys
from typing import Final

__all__ = ["main"]

_USAGE_ERROR: Final = 2  # ExitCode.USAGE, which needs typer to import


def main() -> None:
    """Run the command given by the arguments of this process.

    Raises:
        SystemExit: Always, with the command's exit code; with 2 if the extra `cli` is not installed.
    """
    try:
        from ory_guard.cli.commands import app
    except ModuleNotFoundError as error:
        message = f"ory-guard needs {error.name}: install the extra with pip install 'ory-guard[cli]'"
        print(message, file=sys.stderr)  # noqa: T201 - the output module needs the extra
        sys.exit(_USAGE_ERROR)
    app()
