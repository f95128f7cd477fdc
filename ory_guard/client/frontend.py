"""The client: 32 operations over one connection pool."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import httpx2

from ory_guard.client.models.results import SessionsPage
from ory_guard.client.operations.descriptor import Operations, ResponseView
from ory_guard.client.operations.login import LoginOperations
from ory_guard.client.operations.logout import LogoutOperations
from ory_guard.client.operations.page_resources import PageOperations
from ory_guard.client.operations.recovery import RecoveryOperations
from ory_guard.client.operations.registration import RegistrationOperations
from ory_guard.client.operations.sessions import SessionsOperations
from ory_guard.client.operations.settings import SettingsOperations
from ory_guard.client.operations.table import OPERATIONS
from ory_guard.client.operations.verification import VerificationOperations
from ory_guard.client.request_builder import Body, build_request
from ory_guard.client.transport import Wire
from ory_guard.exceptions import ConfigurationError
from ory_guard.settings import service_url
from ory_guard.whoami import Answer

__all__ = ["FrontendClient", "FrontendResponses"]


class _AllOperations(
    LoginOperations,
    RegistrationOperations,
    RecoveryOperations,
    VerificationOperations,
    SettingsOperations,
    LogoutOperations,
    SessionsOperations,
    PageOperations,
    Operations,
):
    """The 32 operations of the table."""


class FrontendResponses(_AllOperations, ResponseView):
    """The operations of a client, each returning the whole `Response`: what `client.with_response` is."""


class FrontendClient(_AllOperations):
    """Kratos' public API for applications: one async method for each of its 32 operations.

    The methods carry the operationIds of Kratos' OpenAPI document in snake_case and take its parameters by name.
    They return models, and raise what `ory_guard.exceptions` has for each answer that is no success.

    The client keeps no cookies, follows no redirects and reads no proxies from the environment: what a browser
    sent is passed with each call (`cookie=`), and what it has to get is in `Response.set_cookies` and in the
    `set_cookies` of errors. One client serves any number of users, tasks and event loops of a thread.

    Args:
        base_url: Kratos' public URL, with a path prefix if it has one.
        transport: A transport to use instead of a connection pool of the client's own, such as
            `httpx2.ASGITransport(app=...)`; closing it stays with who made it.
        timeout: Seconds for a whole call.

    Raises:
        ConfigurationError: `base_url` is no such URL, or `timeout` is not positive.
    """

    def __init__(
        self, base_url: str, *, transport: httpx2.AsyncBaseTransport | None = None, timeout: float = 5.0
    ) -> None:
        try:
            self._base_url = service_url(base_url)
        except ValueError as error:
            raise ConfigurationError(f"base_url {error}") from None
        if not timeout > 0:
            raise ConfigurationError("timeout must be a positive number of seconds")
        self._wire = Wire(transport, timeout=timeout, secure=self._base_url.startswith("https:"))

    @property
    def with_response(self) -> FrontendResponses:
        """The same operations, each returning `Response[T]` in place of `T`."""
        return FrontendResponses(self)

    async def all_my_sessions(
        self, *, page_size: int | None = None, x_session_token: str | None = None, cookie: str | None = None
    ) -> AsyncIterator[SessionsPage]:
        """Go through the caller's other sessions page by page, with `async for`.

        It ends with the total, or before an empty page: Kratos names a next page even after that.

        Args:
            page_size: How many sessions a page has, from 1 to 1000.
            x_session_token: The session token of a native client.
            cookie: The browser's `Cookie` header.

        Raises:
            KratosAPIError: 401 without a session, 403 for one that lacks its second factor.
        """
        token, seen = None, 0
        while True:
            page = await self.list_my_sessions(
                page_size=page_size, page_token=token, x_session_token=x_session_token, cookie=cookie
            )
            if not page.sessions:
                return
            yield page
            seen += len(page.sessions)
            token = page.next_page_token
            if token is None or (page.total is not None and seen >= page.total):
                return

    async def _send(self, name: str, arguments: dict[str, Any], body: Body | None) -> Answer:
        request = build_request(self._base_url, OPERATIONS[name], arguments, body)
        return await self._wire.send(name, request)

    async def aclose(self) -> None:
        """Close the running loop's connections; the next call opens new ones."""
        await self._wire.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<FrontendClient {self._base_url}>"
