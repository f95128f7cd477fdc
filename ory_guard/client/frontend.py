"""`FrontendClient`: the 32 operations."""

from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any, Self

import httpx2

from ory_guard.client.models.results import SessionsPage
from ory_guard.client.operations.all_operations import AllOperations
from ory_guard.client.operations.operation import Operation
from ory_guard.client.operations.operation_decorator import ResponseView
from ory_guard.client.request_builder import Body, build_request
from ory_guard.client.transport import MAX_CONCURRENCY, make_http_client, send_request
from ory_guard.exceptions import ConfigurationError
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.json_rewriting import InvalidJSON, rewrite_urls
from ory_guard.kratos.slots import Slots
from ory_guard.kratos.url_mapping import URLMapping
from ory_guard.kratos.urls import http_url, public_api_url, service_url

__all__ = ["FrontendClient", "FrontendResponses"]


class FrontendResponses(AllOperations, ResponseView):
    """The operations of a client, each returning the whole `Response`; the type of `client.with_response`."""


class FrontendClient(AllOperations):
    """Kratos' public API: one async method for each of its 32 operations.

    The methods have the operationIds of Kratos' OpenAPI document in snake_case and take its parameters by name.
    They return models and raise an exception of `ory_guard.exceptions` for every unsuccessful response.

    The client stores no cookies, follows no redirects and ignores proxies in the environment. Pass a browser's
    cookies with each call (`cookie=`), and forward `Response.set_cookies`, or the `set_cookies` of an error, to the
    browser. One client serves any number of users, tasks and event loops of a thread. Each call opens a connection
    of its own, so that no bytes that follow a response become the response to another user.

    An operation or parameter that a release of Kratos from v1.0 on added is described with that release.

    Args:
        base_url: Kratos' public URL, with a path prefix if it has one.
        transport: A transport to use instead of the client's own connections, such as
            `httpx2.ASGITransport(app=...)`. The client does not close it.
        timeout: Seconds for a whole call.
        browser_url: Kratos' public URL for browsers, if it differs, as with `ory_guard.proxy.KratosProxy`. URLs in
            responses that start with `base_url`, such as `ui.action`, are changed to it.
        ca_file: A PEM file with the certificate authorities that may issue Kratos' certificate. By default, the
            file in `SSL_CERT_FILE`, or the authorities that the system trusts.

    Raises:
        ConfigurationError: If `base_url` or `browser_url` is not a valid URL, if `timeout` is not positive, or if
            the certificate authorities cannot be loaded.
    """

    def __init__(
        self,
        base_url: str,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        timeout: float = 5.0,
        browser_url: str | None = None,
        ca_file: str | None = None,
    ) -> None:
        self._base_url = _checked_url("base_url", base_url, public_api_url)
        self._urls: URLMapping | None = None
        if browser_url is not None:
            browser_url = _checked_url("browser_url", browser_url, service_url)
            self._urls = URLMapping(http_url(self._base_url), browser_url)
        if not timeout > 0:
            raise ConfigurationError(f"timeout must be a positive number of seconds (got {timeout!r})")
        self._http = make_http_client(self._base_url, transport, timeout=timeout, ca_file=ca_file)
        self._slots = Slots(MAX_CONCURRENCY, timeout)

    @property
    def with_response(self) -> FrontendResponses:
        """The same operations, each returning `Response[T]` instead of `T`."""
        return FrontendResponses(self)

    async def iter_my_sessions(
        self, *, page_size: int | None = None, x_session_token: str | None = None, cookie: str | None = None
    ) -> AsyncIterator[SessionsPage]:
        """Iterate over the pages of the caller's other sessions, with `async for`.

        The iteration ends at the total or before an empty page, because Kratos links to a next page even from
        there.

        Args:
            page_size: The number of sessions per page, 1 to 1000.
            x_session_token: The session token of a native client.
            cookie: The browser's `Cookie` header.

        Raises:
            KratosAPIError: If the session is missing (401) or needs its second factor (403).
        """
        token, count = None, 0
        while True:
            page = await self.list_my_sessions(
                page_size=page_size, page_token=token, x_session_token=x_session_token, cookie=cookie
            )
            if not page.sessions:
                return
            yield page
            count += len(page.sessions)
            token = page.next_page_token
            if token is None or (page.total is not None and count >= page.total):
                return

    async def _send(self, operation: Operation, arguments: Mapping[str, Any], body: Body | None) -> HTTPResponse:
        request = build_request(http_url(self._base_url), operation, arguments, body)
        response = await send_request(self._http, operation.name, request, self._slots)
        return response if self._urls is None else _with_browser_urls(response, self._urls)

    async def aclose(self) -> None:
        """Close the connections of the running event loop; the next call opens new ones."""
        await self._slots.aclose()
        await self._http.aclose()

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


def _checked_url(name: str, url: str, validate: Callable[[str], str]) -> str:
    try:
        return validate(url)
    except ValueError as error:
        raise ConfigurationError(f"{name} {error}") from None


def _with_browser_urls(response: HTTPResponse, urls: URLMapping) -> HTTPResponse:
    if not response.body or not response.is_json():
        return response
    try:
        return response._replace(body=rewrite_urls(response.body, urls.map_url))
    except InvalidJSON:
        return response  # the decoder reports it
