"""Send one request to Kratos, with the exceptions of this package for a request that fails."""

import asyncio
from typing import Final

import httpx2

from ory_guard.exceptions import ConfigurationError, KratosProtocolError, KratosTimeout, KratosUnavailable
from ory_guard.kratos.call_failures import describe_failure
from ory_guard.kratos.caller import current_caller
from ory_guard.kratos.http import HTTPClient, InvalidResponse, PoolTimeout, Request, Transport
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.require_asyncio import require_asyncio
from ory_guard.kratos.slots import Slots

__all__ = ["MAX_CONCURRENCY", "make_http_client", "send_request"]

MAX_CONCURRENCY: Final = 100
"""The maximum number of concurrent requests."""

MAX_RESPONSE_BYTES: Final = 1_048_576
"""The maximum size of a body; the largest recorded flow has about 10,000 bytes."""


def make_http_client(
    base_url: str, transport: Transport | None, *, timeout: float, ca_file: str | None = None
) -> HTTPClient:
    """Return the HTTP client for one of Kratos' APIs; `transport` replaces its own connections."""
    return HTTPClient(
        base_url,
        timeout=timeout,
        max_response_bytes=MAX_RESPONSE_BYTES,
        max_concurrency=MAX_CONCURRENCY,
        ca_file=ca_file,
        transport=transport,
    )


async def send_request(http: HTTPClient, name: str, request: Request, slots: Slots | None = None) -> HTTPResponse:
    """Return the whole response to a request.

    Args:
        http: The HTTP client.
        name: The name of the operation, for error messages.
        request: The request.
        slots: The slots for which clients of the application take turns, or None.

    Raises:
        KratosTimeout: If the response is not complete before the deadline.
        KratosUnavailable: If the connection cannot be opened, or is closed early.
        KratosProtocolError: If the response is too large, or has a content encoding.
        ConfigurationError: If it does not run in asyncio.
    """
    # Messages and tracebacks of the library may contain the request, so they are dropped: `from None`.
    try:
        if slots is None:
            response = await http.send(request)
        else:
            require_asyncio()
            async with asyncio.timeout(http.timeout), slots.take(current_caller()):
                response = await http.send(request)
    except (TimeoutError, PoolTimeout, httpx2.TimeoutException):
        raise KratosTimeout(f"{name}: no response from Kratos within {http.timeout:g} s") from None
    except InvalidResponse as error:
        raise KratosProtocolError(f"{name}: {error}") from None
    except ConfigurationError:
        raise
    except Exception as error:  # noqa: BLE001 - a custom transport may raise anything
        raise KratosUnavailable(f"{name}: Kratos is unreachable ({describe_failure(error)})") from None
    if response.is_encoded():
        raise KratosProtocolError(f"{name}: the response is encoded, although identity was requested")
    return response
