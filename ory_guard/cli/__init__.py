"""The command `ory-guard` (extra `cli`): a Kratos to try things with, and looks at a real one.

Its commands are `fake`, `doctor`, `whoami` and `routes`; each tells its options with `--help`.
"""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line of this process."""
    try:
        from ory_guard.cli.commands import app  # noqa: PLC0415 - so that a missing extra is told in one line
    except ModuleNotFoundError as error:
        sys.exit(f"ory-guard needs {error.name}: install the extra with pip install 'ory-guard[cli]'")
    app()
