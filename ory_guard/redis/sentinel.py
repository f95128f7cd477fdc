"""The address of the primary that Redis Sentinel monitors."""

from collections.abc import Callable, Sequence
from typing import Any

from ory_guard.redis.discovery import first_response
from ory_guard.redis.urls import Address

__all__ = ["Sentinels"]


class Sentinels:
    """The sentinels of a service.

    Args:
        addresses: Their addresses.
        service: The name of the service.
        make_connection: Returns a redis-py connection to the sentinel at an address.
    """

    def __init__(
        self, addresses: Sequence[Address], service: str, make_connection: Callable[[Address], Any]
    ) -> None:
        self._addresses = addresses
        self._service = service
        self._make_connection = make_connection

    async def find_primary(self) -> Address:
        """Ask all sentinels for the address of the primary, and return the first response.

        A sentinel that missed a failover may name the previous primary. The caller finds out, because that server
        is unreachable or a replica, and asks again.

        Raises:
            ConnectionError: If no sentinel knows the primary.
            TimeoutError: If no sentinel responds within a second.
        """
        address = await first_response([self._ask(address) for address in self._addresses])
        if address is None:
            raise ConnectionError("no sentinel knows the primary of the service")
        return address

    async def _ask(self, address: Address) -> Address | None:
        connection = self._make_connection(address)
        try:
            await connection.connect()
            await connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
            match await connection.read_response():
                case [bytes(host), bytes(port)]:
                    return host.decode(), int(port)
            return None
        finally:
            await connection.disconnect(nowait=True)
