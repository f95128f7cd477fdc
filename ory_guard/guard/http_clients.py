"""HTTP clients for Kratos' public API that are closed with the guard."""

from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.http import HTTPClient, Transport

__all__ = ["HTTPClients"]


class HTTPClients:
    """Opens HTTP clients with the settings and the transport of one guard.

    Args:
        settings: The settings of the guard.
        transport: A transport to use instead of the clients' own connections, or None.
    """

    def __init__(self, settings: GuardSettings, transport: Transport | None) -> None:
        self._settings = settings
        self._transport = transport
        self._clients: list[HTTPClient] = []

    def open(self, *, timeout: float, max_response_bytes: int, max_concurrency: int) -> HTTPClient:
        """Return a new client for Kratos' public API.

        Args:
            timeout: Seconds for a whole request.
            max_response_bytes: The maximum size of a body.
            max_concurrency: The maximum number of concurrent requests.
        """
        client = HTTPClient(
            self._settings.kratos_public_url,
            timeout=timeout,
            max_response_bytes=max_response_bytes,
            max_concurrency=max_concurrency,
            ca_file=self._settings.ca_file,
            transport=self._transport,
        )
        self._clients.append(client)
        return client

    async def aclose(self) -> None:
        """Close the connections of the running event loop; the next request opens a new one."""
        for client in self._clients:
            await client.aclose()
