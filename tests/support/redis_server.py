"""A real Redis server on a free loopback port, which can be stopped, suspended and restarted."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Final, Self

import pytest

from support.ports import free_port

BINARY: Final = shutil.which("redis-server")
SKIP_REASON: Final = "redis-server is not installed (Debian package redis-server)"
REDIS_MARKS: Final = [pytest.mark.anyio, pytest.mark.redis, pytest.mark.skipif(BINARY is None, reason=SKIP_REASON)]
"""Marks for a module whose tests need a Redis server."""

_TIMEOUT: Final = 60.0


class RedisServer:
    """A Redis server without persistence; a context manager.

    Args:
        *arguments: Further command-line arguments.

    Attributes:
        port: The port; it stays the same after a restart.
    """

    def __init__(self, *arguments: str) -> None:
        self.port = free_port()
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: TemporaryDirectory[str] | None = None

    @classmethod
    def at(cls, port: int) -> Self:
        """Return a server that another object has started."""
        self = cls()
        self.port = port
        return self

    @property
    def is_running(self) -> bool:
        """Whether the server was started, and not killed."""
        return self._process is not None

    @property
    def url(self) -> str:
        """The URL for clients."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server without data, and wait until it responds."""
        assert BINARY is not None, SKIP_REASON
        options = ("--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no")
        # A replica writes the data of its primary to a file, and a server that is started in that folder loads it.
        self._folder = TemporaryDirectory()
        # By default a server waits five seconds for further replicas before it synchronizes the first one.
        self._process = subprocess.Popen(
            [BINARY, *options, "--repl-diskless-sync-delay", "0", *self._arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder.name,
        )
        deadline = time.monotonic() + _TIMEOUT
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._responds(self._process.pid):
                return
            time.sleep(0.01)
        self.kill()
        raise OSError(f"redis-server did not start on port {self.port}")

    def _responds(self, pid: int) -> bool:
        """Return whether this process responds, and not another one that has taken the port."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.sendall(b"INFO server\r\n")
            return f"process_id:{pid}\r\n".encode() in connection.recv(65_536)
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server: SIGSTOP suspends it, SIGCONT resumes it."""
        assert self._process is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """Kill the server; its data is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def cli(self, *command: str) -> str:
        """Return the output of redis-cli for a command."""
        redis_cli = shutil.which("redis-cli")
        assert redis_cli is not None, "redis-cli is not installed (Debian package redis-tools)"
        result = subprocess.run(
            [redis_cli, "-p", str(self.port), *command], check=True, capture_output=True, timeout=_TIMEOUT
        )
        return result.stdout.decode("utf-8", "backslashreplace")

    def calls(self) -> dict[str, int]:
        """Return the number of calls of each command since CONFIG RESETSTAT."""
        found = re.findall(r"cmdstat_(\S+):calls=(\d+)", self.cli("INFO", "commandstats"))
        return {name: int(count) for name, count in found}

    def __enter__(self) -> Self:
        for _ in range(3):
            with suppress(OSError):
                self.start()
                return self
            self.port = free_port()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
