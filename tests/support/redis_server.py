"""A real redis-server on a free loopback port, which can be stopped, frozen and started again."""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from support.ports import free_port

BINARY: Final = shutil.which("redis-server")
WHY_NOT: Final = "redis-server is not installed (Debian package redis-server)"
_PATIENCE: Final = 60.0


class RedisServer:
    """One server in memory; a context manager.

    Attributes:
        port: Where it listens; the same after a restart.
    """

    def __init__(self, *arguments: str) -> None:
        self.port = free_port()
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        assert BINARY is not None, WHY_NOT
        # By default a server waits five seconds for further replicas before the first one is in sync.
        options = (
            *("--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"),
            *("--repl-diskless-sync-delay", "0"),
        )
        self._process = subprocess.Popen(
            [BINARY, *options, "--repl-diskless-sync-delay", "0", *self._arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=Path("/"),
        )
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._answers(self._process.pid):
                return
            time.sleep(0.01)
        self.kill()
        raise OSError(f"redis-server did not start on port {self.port}")

    def _answers(self, process: int) -> bool:
        """Tell whether this process answers; another program may have taken the port meanwhile."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.sendall(b"INFO server\r\n")
            return f"process_id:{process}\r\n".encode() in connection.recv(65_536)
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal: SIGSTOP freezes it, SIGCONT lets it go on."""
        assert self._process is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End it at once; what it held is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def cli(self, *command: str) -> str:
        """Return what redis-cli answers to a command."""
        found = shutil.which("redis-cli")
        assert found is not None, "redis-cli is not installed (Debian package redis-tools)"
        done = subprocess.run(
            [found, "-p", str(self.port), *command], check=True, capture_output=True, timeout=_PATIENCE
        )
        return done.stdout.decode("utf-8", "backslashreplace")

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
