"""GET requests to one of Kratos' APIs, and the parts of their responses that checks read."""

import json
from typing import Any, Final

from ory_guard.client.transport import make_http_client, send_request
from ory_guard.kratos.http import URL, Transport, get_request
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.urls import http_url
from ory_guard.models.credential import Header

__all__ = ["Probe", "error_object", "json_object", "lacks_second_factor", "text_header"]

_SECOND_FACTOR_IDS: Final = ("session_aal2_required", "session_aal2_enrollment_required")


class Probe:
    """Sends GET requests to one of Kratos' APIs and records the responses.

    Args:
        url: The base URL of the API.
        transport: A transport to use instead of a connection pool.
        timeout: The maximum seconds for one response.
        ca_file: A PEM file with the certificate authorities to trust, or None for the default.

    Attributes:
        responses: All responses so far.
    """

    def __init__(
        self, url: str, transport: Transport | None = None, *, timeout: float, ca_file: str | None = None
    ) -> None:
        self.url = url
        self.responses: list[HTTPResponse] = []
        self._http = make_http_client(url, transport, timeout=timeout, ca_file=ca_file)

    async def get(self, path: str, *headers: Header, **query: str) -> HTTPResponse:
        """Return the response to a GET request that accepts JSON.

        Raises:
            KratosUnavailable: If no response is received.
        """
        target = http_url(self.url) + path
        url = URL(target, params=query) if query else URL(target)
        response = await send_request(self._http, path, get_request(url, *headers))
        self.responses.append(response)
        return response

    async def navigate(self, path: str) -> HTTPResponse:
        """Return the response to a GET request of a browser without cookies.

        Raises:
            KratosUnavailable: If no response is received.
        """
        request = get_request(URL(self.url + path))
        request.headers["accept"] = "text/html"
        response = await send_request(self._http, path, request)
        self.responses.append(response)
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def json_object(response: HTTPResponse) -> dict[str, Any]:
    """Return the JSON object in a response, or an empty dict without one."""
    try:
        document = json.loads(response.body) if response.is_json() else {}
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def error_object(response: HTTPResponse) -> dict[str, Any]:
    """Return the `error` in a response, or an empty dict without one."""
    error = json_object(response).get("error")
    return error if isinstance(error, dict) else {}


def lacks_second_factor(response: HTTPResponse) -> bool:
    """Return whether whoami knows the session, but returns it only after a second factor."""
    return error_object(response).get("id") in _SECOND_FACTOR_IDS


def text_header(response: HTTPResponse, name: str) -> str:
    """Return the first value of a header, or an empty string without one."""
    return (response.header(name.encode()) or b"").decode("latin-1")
