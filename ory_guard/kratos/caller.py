"""The credential of a call to Kratos, as far as it matters for the order of calls."""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from ipaddress import AddressValueError, IPv6Address
from typing import Final, NamedTuple

__all__ = ["UNKNOWN", "Caller", "anonymous_caller", "calling", "client_of", "current_caller"]


class Caller(NamedTuple):
    """The credential of a call.

    Attributes:
        identity: A hash of the identity of a known credential, or None for an unknown credential.
        flow: Calls for unknown credentials of different flows take turns.
        key: The cache key of the credential.
        group: The same for all credentials of a request that has several.
        client: The address of the client (`client_of`), or the identity of a known credential.
    """

    identity: int | None = None
    flow: Hashable = None
    key: bytes = b""
    group: Hashable = None
    client: Hashable = None


UNKNOWN: Final = Caller()

_caller: Final[ContextVar[Caller]] = ContextVar("ory_guard_caller", default=UNKNOWN)

_INTERFACE_BITS: Final = 64


def anonymous_caller(address: object) -> Caller:
    """Return the caller for a request without a credential.

    Args:
        address: The `client` of the ASGI scope.
    """
    client = client_of(address)
    return Caller(flow=(client,), client=client)


def client_of(address: object) -> str:
    """Return the client of a request by its address.

    A host has 2^64 IPv6 addresses, so that only the network counts (RFC 4291, section 2.5.4).

    Args:
        address: The `client` of the ASGI scope: a host and a port, or None.
    """
    host = str(address[0] if isinstance(address, tuple | list) and address else None)
    if ":" not in host:
        return host
    try:
        ipv6 = IPv6Address(host.partition("%")[0])
    except AddressValueError:
        return host
    return str(ipv6.ipv4_mapped or f"{int(ipv6) >> _INTERFACE_BITS:x}::/64")


def current_caller() -> Caller:
    """Return the caller of the operations of a client, which do not know the request; `UNKNOWN` by default."""
    return _caller.get()


@contextmanager
def calling(caller: Caller) -> Iterator[None]:
    """Make the operations within the block calls of this caller.

    Args:
        caller: The caller.
    """
    token = _caller.set(caller)
    try:
        yield
    finally:
        _caller.reset(token)
