"""Workers of uvicorn, and lines to each of them."""

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from support.ports import free_port

__all__ = ["Answer", "Fleet", "Line"]

Answer = tuple[int, dict[str, Any]]

_PATIENCE: Final = 60.0


class Line:
    """One connection that is kept alive, and so leads to one worker.

    Attributes:
        worker: The worker's process id, once it has answered.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.worker = 0

    async def get(self, path: str = "/", token: str = "") -> Answer:
        """Send a request, and return status and body.

        Raises:
            OSError: The line broke; the next request makes a new one.
            asyncio.IncompleteReadError: As above.
        """
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            lines = [f"GET {path} HTTP/1.1", "host: app.example.com"]
            lines += [f"x-session-token: {token}"] if token else []
            writer.write("\r\n".join([*lines, "", ""]).encode())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            body = json.loads(await reader.readexactly(length))
        except (OSError, asyncio.IncompleteReadError):
            await self.close()
            raise
        self.worker = body["worker"]
        return int(head[9:12]), body

    async def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            writer, self._streams = self._streams[1], None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


class Fleet:
    """Some workers that share a port, as `uvicorn --workers` starts them; an asynchronous context manager.

    Args:
        number: How many.
        kratos: Where Kratos is.
        redis: Where Redis is, or None.
        cache_ttl: The guards' `cache_ttl`.
    """

    def __init__(self, number: int, kratos: str, redis: str | None, *, cache_ttl: float) -> None:
        self.port = free_port()
        self._number = number
        self._environment = {"WORKERS_KRATOS": kratos, "WORKERS_CACHE_TTL": str(cache_ttl)}
        if redis is not None:
            self._environment["WORKERS_REDIS"] = redis
        self._process: asyncio.subprocess.Process | None = None
        self._lines: list[Line] = []

    async def __aenter__(self) -> Self:
        here = Path(__file__).parent.parent
        command = [sys.executable, "-m", "uvicorn", "workers.served:app", "--port", str(self.port)]
        options = ["--workers", str(self._number), "--log-level", "critical", "--no-access-log"]
        environment = {
            **os.environ,
            **self._environment,
            "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)]),
        }
        self._process = await asyncio.create_subprocess_exec(*command, *options, cwd=here, env=environment)
        await self.lines()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        for line in self._lines:
            await line.close()
        self._process.send_signal(signal.SIGTERM)
        await self._process.wait()

    def line(self) -> Line:
        """Return a new line to any worker; it is closed with the fleet."""
        self._lines.append(Line(self.port))
        return self._lines[-1]

    async def lines(self) -> list[Line]:
        """Return one line to each worker, once all of them answer."""
        deadline = time.monotonic() + _PATIENCE
        found: dict[int, Line] = {}
        while len(found) < self._number:
            assert time.monotonic() < deadline, f"only {len(found)} of {self._number} workers answered"
            line = self.line()
            try:
                await line.get("/stats")
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.05)
                continue
            if line.worker in found:
                await line.close()
            found.setdefault(line.worker, line)
        return list(found.values())
