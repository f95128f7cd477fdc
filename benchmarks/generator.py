"""A load generator for loopback: `wrk` if it is installed, otherwise a Python program.

The program is `python -m benchmarks.generator PORT SECONDS CONNECTIONS`. It reads the request from its
standard input and prints the number of responses.
"""

import asyncio
import re
import shutil
import subprocess
import sys
from functools import partial
from math import ceil
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from benchmarks.traffic import Headers

__all__ = ["NAME", "ROTATING_TOKEN", "rate"]

_WRK: Final = shutil.which("wrk")
NAME: Final = "wrk" if _WRK else "the generator in benchmarks/ (wrk is not installed)"
_CONNECTIONS: Final = 16
ROTATING_TOKEN: Final = b"ory_st_{number}"
"""The value of `X-Session-Token` for a different token in each request, or at least in each connection."""

_ROTATION: Final = """
local number = 0
request = function()
  number = (number + 1) % 1024
  wrk.headers["x-session-token"] = string.format("ory_st_%032d", number)
  return wrk.format()
end
"""


def rate(port: int, path: str, headers: Headers, seconds: float) -> float:
    """Return the number of requests per second.

    Raises:
        RuntimeError: If a response does not have status 200.
    """
    if _WRK is None:
        return _generate_in_python(port, path, headers, seconds) / seconds
    arguments = [argument for name, value in headers for argument in ("-H", f"{name.decode()}: {value.decode()}")]
    options = ["-t1", f"-c{_CONNECTIONS}", f"-d{ceil(seconds)}s"]
    url = f"http://127.0.0.1:{port}{path}"
    with NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_ROTATION)
        script.flush()
        if any(value == ROTATING_TOKEN for _, value in headers):
            options += ["-s", script.name]
        command = [_WRK, *options, *arguments, url]
        report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    match = re.search(r"Requests/sec: +([0-9.]+)", report)
    if match is None or "Non-2xx" in report:
        raise RuntimeError(f"a response does not have status 200:\n{report}")
    return float(match[1])


def _generate_in_python(port: int, path: str, headers: Headers, seconds: float) -> int:
    lines = [b"GET " + path.encode() + b" HTTP/1.1", *(name + b": " + value for name, value in headers)]
    command = [sys.executable, "-m", "benchmarks.generator", str(port), str(seconds), str(_CONNECTIONS)]
    request = b"\r\n".join(lines) + b"\r\n\r\n"
    cwd = Path(__file__).parent.parent
    return int(subprocess.run(command, input=request, capture_output=True, check=True, cwd=cwd).stdout)


class _Connection(asyncio.Protocol):
    """Sends the request again after each complete response."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._received = b""
        self.responses = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if not separator or length is None or len(body) < int(length[1]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            sys.exit(f"a response does not have status 200: {head!r}")
        self._received = b""
        self.responses += 1
        self._transport.write(self._request)


async def _generate(port: int, seconds: float, connections: int, request: bytes) -> int:
    loop = asyncio.get_running_loop()
    opened = []
    for number in range(connections):
        own_request = request.replace(b"{number}", b"%032d" % number)
        _, connection = await loop.create_connection(partial(_Connection, own_request), "127.0.0.1", port)
        opened.append(connection)
    await asyncio.sleep(seconds)
    return sum(connection.responses for connection in opened)


if __name__ == "__main__":
    _port, _seconds, _connections = sys.argv[1:]
    _arguments = int(_port), float(_seconds), int(_connections), sys.stdin.buffer.read()
    print(asyncio.run(_generate(*_arguments)))
