"""A fake Kratos on a real socket, and the command line as it is called."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import uvicorn
from typer.testing import CliRunner

from ory_guard.cli.commands import app
from ory_guard.testing import FakeKratos

__all__ = ["Ended", "call", "served", "served_kratos"]

ResultT = TypeVar("ResultT")


class Ended:
    """What a command wrote, and what it ended with."""

    def __init__(self, result: Any) -> None:
        self.code: int = result.exit_code
        self.out: str = result.stdout
        self.error: str = result.stderr

    def __repr__(self) -> str:
        return f"<exit code {self.code}>\n{self.out}{self.error}"


def call(*arguments: object, stdin: str = "", env: Mapping[str, str] | None = None) -> Ended:
    """Call `ory-guard` with these arguments; what it raises is raised here.

    Raises:
        Exception: What no command may raise.
    """
    patient = {"ORY_GUARD_TIMEOUT": "30", **(env or {})}  # this machine may be busy
    result = CliRunner().invoke(app, [*map(str, arguments)], input=stdin, env=patient)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result)


@contextmanager
def served(make: Callable[[str], tuple[Any, ResultT]]) -> Iterator[ResultT]:
    """Serve an application on a free port; `make` gets its URL, and returns it with the block's value."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        app, value = make(f"http://127.0.0.1:{listening.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield value
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def served_kratos(**settings: Any) -> Iterator[FakeKratos]:
    """Serve a fake's public API."""

    def make(url: str) -> tuple[Any, FakeKratos]:
        fake = FakeKratos(public_url=url, **settings)
        return fake.app, fake

    with served(make) as fake:
        yield fake
