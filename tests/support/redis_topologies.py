"""Real Redis deployments with failover: a primary with replicas and sentinels, and a cluster."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from support.ports import free_port
from support.redis_server import BINARY, SKIP_REASON, RedisServer

__all__ = ["SERVICE", "Deployment", "run_sentinel", "sentinel_deployment"]

SERVICE: Final = "sessions"
_TIMEOUT: Final = 60.0
_DOWN_AFTER_MS: Final = 1_000


class Deployment:
    """The servers of a deployment.

    Attributes:
        url: The URL for the store.
        servers: The Redis servers, without the sentinels.
    """

    def __init__(self, url: str, servers: list[RedisServer]) -> None:
        self.url = url
        self.servers = servers

    def primaries(self) -> list[RedisServer]:
        """Return the running servers that are primaries."""
        return [
            each for each in self.servers if each.is_running and "role:master" in each.cli("INFO", "replication")
        ]


def _wait_until(condition: Callable[[], bool], subject: str) -> None:
    deadline = time.monotonic() + _TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, f"{subject} is not ready"
        time.sleep(0.05)


@contextmanager
def sentinel_deployment(folder: Path) -> Iterator[Deployment]:
    """Run a primary, two replicas and three sentinels, which notice a failure after a second."""
    with ExitStack() as stack:
        primary = stack.enter_context(RedisServer())
        replicas = [stack.enter_context(RedisServer("--replicaof", "127.0.0.1", str(primary.port))) for _ in "12"]
        sentinels = [stack.enter_context(run_sentinel(folder, number, primary.port, 2)) for number in range(3)]
        for sentinel in sentinels:
            _wait_until(lambda each=sentinel: _knows_all(each), "a sentinel")  # type: ignore[misc]
        addresses = ",".join(f"127.0.0.1:{each.port}" for each in sentinels)
        yield Deployment(f"redis+sentinel://{addresses}/{SERVICE}", [primary, *replicas])


def _facts(sentinel: RedisServer) -> dict[str, str]:
    try:
        facts = sentinel.cli("SENTINEL", "MASTER", SERVICE).split()
    except subprocess.CalledProcessError:  # it is starting
        return {}
    return dict(zip(facts[::2], facts[1::2], strict=False))


def _knows_all(sentinel: RedisServer) -> bool:
    known = _facts(sentinel)
    return known.get("num-slaves") == "2" and known.get("num-other-sentinels") == "2"


@contextmanager
def run_sentinel(folder: Path, number: int, primary: int, quorum: int = 1) -> Iterator[RedisServer]:
    """Run a sentinel that monitors the server at a port, and wait until it responds."""
    port = free_port()
    path = folder / f"sentinel-{number}.conf"
    path.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
        f"sentinel monitor {SERVICE} 127.0.0.1 {primary} {quorum}\n"
        f"sentinel down-after-milliseconds {SERVICE} {_DOWN_AFTER_MS}\n"
        f"sentinel failover-timeout {SERVICE} 4000\n"
    )
    assert BINARY is not None, SKIP_REASON
    process = subprocess.Popen(
        [BINARY, str(path), "--sentinel"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
    )
    try:
        sentinel = RedisServer.at(port)
        _wait_until(lambda: bool(_facts(sentinel)), "a sentinel")
        yield sentinel
    finally:
        process.kill()
        process.wait()
