"""Sends requests over loopback, as many as are answered: with `wrk` where it is installed, else by itself.

By itself: `python -m benchmarks.generator PORT SECONDS CONNECTIONS`, the request on its standard input; it prints
how many were answered.
"""

import asyncio
import re
import shutil
import subprocess
import sys
from math import ceil
from pathlib import Path
from typing import Final

from benchmarks.traffic import Headers

__all__ = ["NAME", "rate"]

_WRK: Final = shutil.which("wrk")
NAME: Final = "wrk" if _WRK else "the generator in benchmarks/ (wrk is not installed)"
_CONNECTIONS: Final = 16


def rate(port: int, path: str, headers: Headers, seconds: float) -> float:
    """Return how many requests were answered 200 in a second.

    Raises:
        RuntimeError: One was not.
    """
    if _WRK is None:
        return _by_itself(port, path, headers, seconds) / seconds
    told = [argument for name, value in headers for argument in ("-H", f"{name.decode()}: {value.decode()}")]
    options = ["-t1", f"-c{_CONNECTIONS}", f"-d{ceil(seconds)}s"]
    url = f"http://127.0.0.1:{port}{path}"
    report = subprocess.run([_WRK, *options, *told, url], capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec: +([0-9.]+)", report)
    if found is None or "Non-2xx" in report:
        raise RuntimeError(f"not every request was answered 200:\n{report}")
    return float(found[1])


def _by_itself(port: int, path: str, headers: Headers, seconds: float) -> int:
    lines = [b"GET " + path.encode() + b" HTTP/1.1", *(name + b": " + value for name, value in headers)]
    command = [sys.executable, "-m", "benchmarks.generator", str(port), str(seconds), str(_CONNECTIONS)]
    request = b"\r\n".join(lines) + b"\r\n\r\n"
    cwd = Path(__file__).parent.parent
    return int(subprocess.run(command, input=request, capture_output=True, check=True, cwd=cwd).stdout)


class _Connection(asyncio.Protocol):
    """Sends the request, reads the whole answer, and sends it again."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._received = b""
        self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if not found or length is None or len(body) < int(length[1]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            sys.exit(f"not every request was answered 200: {head!r}")
        self._received = b""
        self.answers += 1
        self._transport.write(self._request)


async def _generate(port: int, seconds: float, connections: int, request: bytes) -> int:
    loop = asyncio.get_running_loop()
    opened = [
        (await loop.create_connection(lambda: _Connection(request), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    return sum(connection.answers for connection in opened)


if __name__ == "__main__":
    _port, _seconds, _connections = sys.argv[1:]
    _arguments = int(_port), float(_seconds), int(_connections), sys.stdin.buffer.read()
    print(asyncio.run(_generate(*_arguments)))
