"""Calls of the command line, and a fake Kratos on a real socket."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from support.threaded_server import served
from typer.testing import CliRunner

from ory_guard.cli.commands import app
from ory_guard.testing import FakeKratos

__all__ = ["CommandResult", "call", "call_until_interrupted", "served", "served_kratos"]


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


def call_until_interrupted(
    connect: Callable[[], socket.socket], client: Callable[[], Any], *arguments: object
) -> tuple[CommandResult, Any]:
    """Call a command that serves, run a client once the server accepts connections, and interrupt the command."""
    returned: list[Any] = []
    stopped = threading.Event()

    def run() -> None:
        try:
            while not stopped.wait(0.01):
                with contextlib.suppress(OSError), connect():
                    returned.append(client())
                    return
        finally:
            if not stopped.is_set():
                os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        result = call(*arguments)
    finally:
        stopped.set()
        thread.join()
    return result, returned[0] if returned else None


@contextlib.contextmanager
def served_kratos(**settings: Any) -> Iterator[FakeKratos]:
    """Serve the public API of a fake."""

    def make(url: str) -> tuple[Any, FakeKratos]:
        fake = FakeKratos(public_url=url, **settings)
        return fake.app, fake

    with served(make) as fake:
        yield fake
