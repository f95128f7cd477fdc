"""The client of a guard: created on first use, because its many models take time to import."""

import asyncio
from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING

from ory_guard.guard.path_patterns import paths_of_kratos
from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.http import Transport
from ory_guard.kratos.require_asyncio import require_asyncio

if TYPE_CHECKING:
    from ory_guard.client import FrontendClient

__all__ = ["LazyClient"]


class LazyClient:
    """Creates the client for Kratos' operations.

    Args:
        settings: The settings of the guard.
        transport: The HTTP transport of the guard, or None.
    """

    def __init__(self, settings: GuardSettings, transport: Transport | None) -> None:
        self._settings = settings
        self._transport = transport
        self._client: FrontendClient | None = None
        self._loading: Future[FrontendClient] | None = None

    def get(self) -> "FrontendClient":
        """Return the client; the first call blocks while it is imported."""
        if self._client is None:
            client = self._create()
            if self._client is None:  # another thread may have been faster
                self._client = client
        return self._client

    async def load(self) -> "FrontendClient":
        """Return the client; the first call imports it in a thread.

        Concurrent calls, in any event loop, wait for the same import, and the cancellation of one does not affect
        the others. After a failure, the next call tries again.

        Raises:
            ConfigurationError: If it does not run in asyncio.
            Exception: If the import fails.
        """
        require_asyncio()
        if self._client is not None:
            return self._client
        if self._loading is None or self._loading.done():
            try:
                self._loading = self._start()
            except RuntimeError:  # the interpreter shuts down, or there are too many threads
                return self.get()
        return await asyncio.wrap_future(self._loading)

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        if self._client is not None:
            await self._client.aclose()

    def _start(self) -> "Future[FrontendClient]":
        future: Future[FrontendClient] = Future()
        future.set_running_or_notify_cancel()  # from now on it can't be cancelled
        # The threads of the event loop's pool may all be busy. The interpreter waits for this one before it exits.
        Thread(target=self._run, args=(future,), name="ory_guard.client").start()
        return future

    def _run(self, future: "Future[FrontendClient]") -> None:
        try:
            future.set_result(self.get())
        except BaseException as error:  # noqa: BLE001 - the waiting requests raise it
            future.set_exception(error)

    def _create(self) -> "FrontendClient":
        from ory_guard.client import FrontendClient  # noqa: PLC0415 - see above

        # Browsers reach Kratos through a proxy, which changes the same URLs.
        is_proxied = bool(paths_of_kratos(self._settings.app_url, self._settings.kratos_browser_url))
        return FrontendClient(
            self._settings.kratos_public_url,
            transport=self._transport,
            timeout=self._settings.timeout,
            browser_url=self._settings.kratos_browser_url if is_proxied else None,
            ca_file=self._settings.ca_file,
        )
