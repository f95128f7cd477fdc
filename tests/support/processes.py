"""Servers that run in a process of their own."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

_SECONDS = 60.0


def accepts(port: int) -> bool:
    """Return whether a server accepts connections at a port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def running(
    command: Sequence[str], is_ready: Callable[[], bool], folder: Path, **environment: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server in a folder until the block ends, after it is ready; its output becomes a file there."""
    log = folder / f"{Path(command[0]).name}.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, stdout=output, stderr=output, cwd=folder, env=os.environ | environment
        ) as process,
    ):
        try:
            deadline = time.monotonic() + _SECONDS
            while not is_ready():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.02)
            yield process
        finally:
            process.terminate()
            process.wait(_SECONDS)
