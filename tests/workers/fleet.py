"""Several uvicorn workers, and connections to each of them."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from support.ports import free_port

__all__ = ["Answer", "Connection", "Fleet"]

Answer = tuple[int, dict[str, Any]]

_START_TIMEOUT: Final = 60.0


class Connection:
    """A persistent connection to one worker.

    Attributes:
        worker: The process ID of the worker, after the first response.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.worker = 0

    async def get(self, path: str = "/", token: str = "") -> Answer:
        """Send a request and return status and body.

        Raises:
            OSError: If the connection broke; the next request opens a new one.
            asyncio.IncompleteReadError: If the response is incomplete.
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
        """Close the connection."""
        if self._streams is not None:
            writer, self._streams = self._streams[1], None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


class Fleet:
    """An asynchronous context manager that runs `uvicorn --workers`."""

    def __init__(self, number: int, kratos: str, redis: str | None, *, cache_ttl: float) -> None:
        self.port = free_port()
        self._number = number
        self._environment = {"WORKERS_KRATOS": kratos, "WORKERS_CACHE_TTL": str(cache_ttl)}
        if redis is not None:
            self._environment["WORKERS_REDIS"] = redis
        self._process: asyncio.subprocess.Process | None = None
        self._connections: list[Connection] = []

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
        await self.connections()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        for connection in self._connections:
            await connection.close()
        self._process.send_signal(signal.SIGTERM)
        await self._process.wait()

    def connection(self) -> Connection:
        """Return a new connection to any worker; the fleet closes it."""
        self._connections.append(Connection(self.port))
        return self._connections[-1]

    async def connections(self) -> list[Connection]:
        """Return a connection to each worker, after all of them have responded."""
        by_worker: dict[int, Connection] = {}
        async for connection in self._responding():
            if connection.worker in by_worker:
                await connection.close()
            by_worker.setdefault(connection.worker, connection)
            if len(by_worker) == self._number:
                break
        return list(by_worker.values())

    async def replacement(self, running: Collection[int], number: int) -> list[Connection]:
        """Return connections to the worker that was started after these ones."""
        found: list[Connection] = []
        async for connection in self._responding():
            if connection.worker in running:
                await connection.close()
            else:
                found.append(connection)
            if len(found) == number:
                break
        return found

    async def _responding(self) -> AsyncIterator[Connection]:
        """Yield new connections, until too much time has passed."""
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline:
            connection = self.connection()
            try:
                await connection.get("/stats")
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.05)
                continue
            yield connection
        raise AssertionError(f"too few of {self._number} workers responded")
