"""Connections to a server: DNS, several addresses, TLS, Unix sockets."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from ipaddress import ip_address
from itertools import zip_longest
from typing import Any, Final, NamedTuple, TypeVar

from ory_guard.kratos.urls import host_and_port, http_url, unix_socket_of

__all__ = ["ServerAddress"]

_ATTEMPT_DELAY: Final = 0.25  # seconds; RFC 8305, section 5

ProtocolT = TypeVar("ProtocolT", bound=asyncio.BaseProtocol)
ConnectResult = tuple[asyncio.Transport, ProtocolT]


class ServerAddress(NamedTuple):
    """The address of a server.

    Attributes:
        host: A host name, or an IP address without brackets.
        port: The TCP port.
        tls: The TLS context for https, or None for http.
        unix_socket: The path of a Unix socket to use instead of host and port.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    unix_socket: str | None = None

    @classmethod
    def from_url(cls, url: str, tls: ssl.SSLContext | None) -> "ServerAddress":
        """Return the address of a `kratos_url`; `tls` is used for https only."""
        host, port = host_and_port(http_url(url))
        return cls(host, port, tls if url.startswith("https:") else None, unix_socket_of(url))

    async def connect(self, protocol: Callable[[], ProtocolT]) -> ProtocolT:
        """Return a new protocol that is connected to the server.

        Raises:
            OSError: If no address of the server accepts the connection, or if TLS fails.
        """
        loop = asyncio.get_running_loop()
        tls, server_hostname = self.tls, None if self.tls is None else self.host
        if self.unix_socket is not None:
            _, connected = await loop.create_unix_connection(
                protocol, self.unix_socket, ssl=tls, server_hostname=server_hostname
            )
            return connected

        def connect_to(address: str) -> Coroutine[Any, Any, ConnectResult[ProtocolT]]:
            """Return the coroutine that connects to an address."""
            # Not over a connected socket: uvloop closes its descriptor twice if the task is canceled.
            return loop.create_connection(protocol, address, self.port, ssl=tls, server_hostname=server_hostname)

        addresses = await _resolve(self.host, self.port)
        if len(addresses) == 1:  # the usual case, without a task for each attempt
            _, connected = await connect_to(addresses[0])
        else:
            _, connected = await _try_in_turn(connect_to, addresses)
        return connected


async def _resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host, with the address families in turn (RFC 8305, section 4)."""
    try:
        return [str(ip_address(host))]
    except ValueError:
        loop = asyncio.get_running_loop()
        addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    by_family: dict[int, list[str]] = {}
    for family, _, _, _, address in addresses:
        by_family.setdefault(family, []).append(str(address[0]))
    return [address for turn in zip_longest(*by_family.values()) for address in turn if address is not None]


async def _try_in_turn(
    connect_to: Callable[[str], Coroutine[Any, Any, ConnectResult[ProtocolT]]], addresses: list[str]
) -> ConnectResult[ProtocolT]:
    """Return a connection to the first address that accepts; each one has a head start over the next (RFC 8305).

    `loop.create_connection(happy_eyeballs_delay=…)` does the same, but uvloop does not have it.
    """
    attempts: list[asyncio.Task[ConnectResult[ProtocolT]]] = []
    winner = None
    error: BaseException = OSError("the host has no address")
    remaining = iter(addresses)
    try:
        while True:
            address = next(remaining, None)
            if address is not None:
                attempts.append(asyncio.create_task(connect_to(address)))
            running = [attempt for attempt in attempts if not attempt.done()]
            if not running:
                raise error
            timeout = None if address is None else _ATTEMPT_DELAY
            await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            for attempt in running:
                if attempt.done():
                    failure = attempt.exception()
                    if failure is None:
                        winner = attempt
                        return attempt.result()
                    error = failure
    finally:
        await _discard([attempt for attempt in attempts if attempt is not winner])


async def _discard(attempts: list[asyncio.Task[ConnectResult[ProtocolT]]]) -> None:
    for attempt in attempts:
        attempt.cancel()
    for result in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(result, tuple):  # connected before the cancellation
            result[0].abort()
