"""The application of the recipes, behind the server and the command that the page prints."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from support.deployment_recipes import printed, server_command, shell_settings
from support.ports import free_port

__all__ = ["Reply", "ShopServer", "running_shop"]

_SECONDS: Final = 60.0
_BURST: Final = 32

# The same application, whose responses name the worker. It can also use the guard before a server forks.
_SERVED: Final = """
import asyncio
import os
from shop import app as shop, guard

if "USED_BEFORE_FORK" in os.environ:
    loop = asyncio.new_event_loop()  # stays open, with its connections
    used = loop.run_until_complete(guard.authenticate_token(os.environ["USED_BEFORE_FORK"], kind="x_session_token"))
    assert used.session.active, used

async def app(scope, receive, send):
    async def send_with_worker(message):
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"x-worker", str(os.getpid()).encode())]}
        await send(message)
    await shop(scope, receive, send_with_worker)
"""


class Reply(NamedTuple):
    """A response, and the process ID of its worker."""

    status: int
    body: str
    worker: int


@dataclass
class ShopServer:
    """A running server."""

    process: "subprocess.Popen[bytes]"
    port: int
    workers: int
    log: Path

    def ask(self, path: str, token: str = "", method: str = "GET") -> Reply:
        """Send a request on a new connection, and return the response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_SECONDS)
        try:
            connection.request(method, path, headers={"X-Session-Token": token} if token else {})
            response = connection.getresponse()
            body = response.read().decode()
            return Reply(response.status, body, int(response.headers["x-worker"]))
        finally:
            connection.close()

    def burst(self, path: str, token: str = "") -> list[Reply]:
        """Send requests at once on new connections, which the system spreads over the workers."""
        with ThreadPoolExecutor(_BURST) as pool:
            return list(pool.map(lambda _: self.ask(path, token), range(_BURST)))

    def from_each_worker(self, path: str, token: str, status: int) -> list[Reply]:
        """Send requests until each worker has responded with this status, and return these responses."""
        matching: list[Reply] = []

        def all_responded() -> bool:
            matching.extend(reply for reply in self.burst(path, token) if reply.status == status)
            return len({reply.worker for reply in matching}) == self.workers

        self.wait_until(all_responded)
        return matching

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition while the server runs."""
        deadline = time.monotonic() + _SECONDS
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def _responds(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask("/health").status == 200
        return False


def _environment(folder: Path, kratos: str, redis: str | None, extra: dict[str, str]) -> dict[str, str]:
    settings = shell_settings() | {"ORY_GUARD_KRATOS_PUBLIC_URL": kratos, "ORY_GUARD_CACHE_TTL": "600"}
    if redis is None:
        del settings["SHOP_REDIS_URL"]
    else:
        settings["SHOP_REDIS_URL"] = redis
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(folder), str(root)])
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ORY_GUARD_")}
    return {**inherited, **settings, "PYTHONPATH": path, "ORY_GUARD_TIMEOUT": "30", **extra}


@contextlib.contextmanager
def running_shop(
    name: str, folder: Path, kratos: str, redis: str | None = None, **extra: str
) -> Iterator[ShopServer]:
    """Run a command of the page in an empty folder, on a free port."""
    port = free_port()
    (folder / "shop.py").write_text(printed("shop.py"))
    (folder / "served.py").write_text(_SERVED)
    words = [word.replace("8000", str(port)) for word in server_command(name)]
    words = ["served:app" if word == "shop:app" else word for word in words]
    words = ["127.0.0.1" if word == "0.0.0.0" else word.replace("0.0.0.0:", "127.0.0.1:") for word in words]
    program = Path(sys.executable).with_name(words[0])
    if not program.exists():
        pytest.skip(f"{words[0]} is not installed (dependency group servers)")
    log = folder / "server.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [str(program), *words[1:]],
            stdout=output,
            stderr=output,
            cwd=folder,
            env=_environment(folder, kratos, redis, extra),
        ) as process,
    ):
        workers = int(words[words.index("--workers") + 1]) if "--workers" in words else 1
        server = ShopServer(process, port, workers, log)
        try:
            server.wait_until(server._responds)
            yield server
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_SECONDS)
            process.kill()


def listening_for_ready(folder: Path) -> socket.socket:
    """Return the socket of a service manager (`sd_notify`)."""
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notified.bind(str(folder / "notify.sock"))
    notified.settimeout(_SECONDS)
    return notified
