"""`GET /sessions/whoami`: one request with one credential."""

from ory_guard.kratos.http import URL, HTTPClient, HTTPResponse, Transport, get_request
from ory_guard.models.credential import Credential

__all__ = ["WhoamiClient"]


class WhoamiClient:
    """Requests the session of a credential.

    Args:
        base_url: Kratos' public URL.
        timeout: Seconds for one call, from waiting for a connection to the last byte of the response.
        max_response_bytes: The maximum size of a body.
        max_concurrency: The maximum number of concurrent calls per event loop.
        transport: A transport to use instead of the client's own connection pool. The client does not close it.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float,
        max_response_bytes: int,
        max_concurrency: int,
        transport: Transport | None = None,
    ) -> None:
        self._url = URL(base_url + "/sessions/whoami")
        self._http = HTTPClient(
            base_url,
            timeout=timeout,
            max_response_bytes=max_response_bytes,
            max_concurrency=max_concurrency,
            transport=transport,
        )

    async def get(self, credential: Credential, *, no_cache: bool) -> HTTPResponse:
        """Return Kratos' response to a credential.

        A request on a reused connection that Kratos closed is sent once more, before the same deadline.

        Args:
            credential: The only credential that is sent.
            no_cache: Whether caches in front of Kratos, such as the one of Ory Network, must revalidate.

        Raises:
            TimeoutError: If the response is not complete before the deadline.
            PoolTimeout: If the deadline passes while `max_concurrency` other calls are in progress.
            ResponseTooLarge: If the body is larger than `max_response_bytes`.
            Exception: Any error of the transport. Its text may contain the credential.
        """
        headers = [credential.header()]
        if no_cache:
            headers.append((b"Cache-Control", b"max-age=0"))
        return await self._http.send(get_request(self._url, *headers), retry=True)

    async def aclose(self) -> None:
        """Close the connections of the running event loop. The next call opens new ones."""
        await self._http.aclose()
