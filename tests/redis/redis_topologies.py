"""Real Redis deployments with failover: a primary with replicas and sentinels, and a cluster."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from support.ports import free_port
from support.redis_server import BINARY, SKIP_REASON, RedisServer

__all__ = [
    "SERVICE",
    "Deployment",
    "SlotMove",
    "cluster_deployment",
    "cluster_of_one",
    "run_sentinel",
    "sentinel_deployment",
]

SERVICE: Final = "sessions"
_TIMEOUT: Final = 60.0
_DOWN_AFTER_MS: Final = 1_000
_PRIMARIES: Final = 3
_SLOTS: Final = 16_384


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
            _wait_until(partial(_knows_all, sentinel), "a sentinel")
        addresses = ",".join(f"127.0.0.1:{each.port}" for each in sentinels)
        yield Deployment(f"redis+sentinel://{addresses}/{SERVICE}", [primary, *replicas])


@contextmanager
def cluster_deployment(folder: Path, replicas: int = 1, *options: str) -> Iterator[Deployment]:
    """Run a cluster of three primaries with replicas, which notices a failure after a second.

    Args:
        folder: A folder for its files.
        replicas: The number of replicas of each primary.
        *options: Further command-line arguments of the servers.
    """
    with ExitStack() as stack:
        servers = []
        for number in range(_PRIMARIES * (1 + replicas)):
            own = folder / str(number)
            own.mkdir()
            servers.append(stack.enter_context(RedisServer(*_cluster_options(own), *options)))
        _create_cluster(servers)
        addresses = ",".join(f"127.0.0.1:{each.port}" for each in servers)
        yield Deployment(f"redis+cluster://{addresses}", servers)


@contextmanager
def cluster_of_one(folder: Path, *options: str) -> Iterator[RedisServer]:
    """Run a cluster of one server, which starts faster, and does not know its own address."""
    with RedisServer(*_cluster_options(folder), *options) as server:
        server.cli("CLUSTER", "ADDSLOTSRANGE", "0", str(_SLOTS - 1))
        _wait_until(lambda: "cluster_state:ok" in server.cli("CLUSTER", "INFO"), "the cluster")
        yield server


def _cluster_options(folder: Path) -> tuple[str, ...]:
    names = ("--cluster-enabled", "--cluster-port", "--cluster-node-timeout", "--dir")
    values = ("yes", str(free_port()), str(_DOWN_AFTER_MS), str(folder))
    return tuple(text for pair in zip(names, values, strict=True) for text in pair)


def _create_cluster(servers: list[RedisServer]) -> None:
    """Join servers to a cluster. The first three become its primaries, with equal ranges of slots."""
    first, *others = servers
    bounds = [_SLOTS * number // _PRIMARIES for number in range(_PRIMARIES + 1)]
    for epoch, (server, start, end) in enumerate(zip(servers, bounds, bounds[1:], strict=False), 1):
        server.cli("CLUSTER", "SET-CONFIG-EPOCH", str(epoch))
        server.cli("CLUSTER", "ADDSLOTSRANGE", str(start), str(end - 1))
    bus_port = first.cli("CONFIG", "GET", "cluster-port").split()[1]
    for server in others:
        server.cli("CLUSTER", "MEET", "127.0.0.1", str(first.port), bus_port)
    for server in servers:
        _wait_until(partial(_has_met, server, len(servers)), "the cluster")
    for number, server in enumerate(servers[_PRIMARIES:]):
        server.cli("CLUSTER", "REPLICATE", servers[number % _PRIMARIES].cli("CLUSTER", "MYID").strip())
        _wait_until(partial(_is_synchronized, server), "a replica")
    for server in servers:
        _wait_until(partial(_is_complete, server, len(servers)), "the cluster")


def _has_met(server: RedisServer, number: int) -> bool:
    return f"cluster_known_nodes:{number}" in server.cli("CLUSTER", "INFO")


def _is_synchronized(replica: RedisServer) -> bool:
    return "master_link_status:up" in replica.cli("INFO", "replication")


def _is_complete(server: RedisServer, number: int) -> bool:
    """Return whether a server considers the cluster usable, and knows which servers are replicas."""
    nodes = server.cli("CLUSTER", "NODES")
    replicas = nodes.count(" slave ") + nodes.count(",slave ")
    return "cluster_state:ok" in server.cli("CLUSTER", "INFO") and replicas == number - _PRIMARIES


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


class SlotMove:
    """The move of a slot from the primary that has it to another one.

    Args:
        primaries: The primaries of a cluster.
        slot: The slot.
        key: A key in the slot.
    """

    def __init__(self, primaries: list[RedisServer], slot: int, key: str) -> None:
        self._slot = str(slot)
        owners = [each for each in primaries if "MOVED" not in each.cli("GET", key)]
        (self.source,) = owners
        self.target = next(each for each in primaries if each is not self.source)
        self._others = [each for each in primaries if each not in {self.source, self.target}]

    def begin(self) -> None:
        """Begin to move it: from now on, new keys are at the target."""
        source, target = (each.cli("CLUSTER", "MYID").strip() for each in (self.source, self.target))
        self.target.cli("CLUSTER", "SETSLOT", self._slot, "IMPORTING", source)
        self.source.cli("CLUSTER", "SETSLOT", self._slot, "MIGRATING", target)

    def finish(self) -> None:
        """Move all keys, and the slot."""
        keys = self.source.cli("CLUSTER", "GETKEYSINSLOT", self._slot, "1000").split()
        if keys:
            self.source.cli("MIGRATE", "127.0.0.1", str(self.target.port), "", "0", "5000", "KEYS", *keys)
        target = self.target.cli("CLUSTER", "MYID").strip()
        for server in (self.target, self.source, *self._others):
            server.cli("CLUSTER", "SETSLOT", self._slot, "NODE", target)
