"""Calls of the command line, and a fake Kratos on a real socket."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import uvicorn
from typer.testing import CliRunner

from ory_guard.cli.commands import app
from ory_guard.testing import FakeKratos

__all__ = ["CommandResult", "call", "served", "served_kratos"]

ResultT = TypeVar("ResultT")


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
def served(make: Callable[[str], tuple[Any, ResultT]]) -> Iterator[ResultT]:
    """Serve an application on a free port; `make` receives its URL and returns it with the value of the block."""
    with socket.create_server(("127.0.0.1", 0)) as server_socket:
        app, value = make(f"http://127.0.0.1:{server_socket.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [server_socket]})
        thread.start()
        try:
            yield value
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def served_kratos(**settings: Any) -> Iterator[FakeKratos]:
    """Serve the public API of a fake."""

    def make(url: str) -> tuple[Any, FakeKratos]:
        fake = FakeKratos(public_url=url, **settings)
        return fake.app, fake

    with served(make) as fake:
        yield fake
