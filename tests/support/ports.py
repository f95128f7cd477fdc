"""Ports for servers that are started with a number."""

import random
import socket
from contextlib import suppress
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000


def free_port() -> int:
    """Return a port of 127.0.0.1 that no program listens on.

    The system assigns ports of its ephemeral range to sockets that ask for any port: one of them may be taken
    before the caller's server starts. Ports below that range are not assigned.
    """
    highest = 32_768
    with suppress(OSError):
        highest = int(_RANGE.read_text().split()[0])
    for _ in range(100):
        candidate = random.randrange(_LOWEST, highest) if highest > _LOWEST else 0
        with suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", candidate))
            port: int = listener.getsockname()[1]
            return port
    raise OSError("no free port was found on 127.0.0.1")
