"""The input of a check, `DoctorContext`, and its result, `Finding`."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from ory_guard.client.transport import make_http_client, send_request
from ory_guard.guard.path_patterns import paths_of_kratos
from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.http import URL, Transport, get_request
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.urls import http_url
from ory_guard.models import Clock, SystemClock
from ory_guard.models.credential import Header

__all__ = [
    "DoctorContext",
    "Finding",
    "Level",
    "Probe",
    "error_object",
    "json_object",
    "lacks_second_factor",
    "notice",
    "ok",
    "problem",
    "skipped",
    "text_header",
]

Level = Literal["ok", "notice", "problem", "skipped"]

_SECOND_FACTOR_IDS: Final = ("session_aal2_required", "session_aal2_enrollment_required")


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check.

    Attributes:
        level: `ok`, `notice` for a setting that may be intended, `problem` for one that does not work, or `skipped`
            if the check could not be performed.
        message: The result.
        fix: How to fix it; for `skipped`, the input that the check needs.
        check: The name of the check.
    """

    level: Level
    message: str
    fix: str = ""
    check: str = ""


def ok(message: str) -> Finding:
    """Return a finding without a problem."""
    return Finding("ok", message)


def notice(message: str, fix: str = "") -> Finding:
    """Return a finding that may be intended."""
    return Finding("notice", message, fix)


def problem(message: str, fix: str) -> Finding:
    """Return a finding that has to be fixed."""
    return Finding("problem", message, fix)


def skipped(message: str, fix: str = "") -> Finding:
    """Return the finding of a check that could not be performed."""
    return Finding("skipped", message, fix)


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


@dataclass(frozen=True, slots=True)
class DoctorContext:
    """One setup to check.

    Attributes:
        settings: The settings of the guard.
        kratos: Kratos' public API.
        admin: Kratos' admin API, or None if its URL was not given.
        credential: A user's session token or browser cookies, or None.
        redis_url: The URL of the shared store, or None.
        redis_prefix: The prefix of the keys in the shared store.
        jwks: The file or URL of the keys that verify tokens, or None.
        template: The tokenizer template of the tokens, or None.
        clock: The clock to compare with Kratos'.
        on_progress: Called with the name of each check before it runs.
    """

    settings: GuardSettings
    kratos: Probe
    admin: Probe | None = None
    credential: Header | None = None
    redis_url: str | None = None
    redis_prefix: str = "ory_guard"
    jwks: str | Path | None = None
    template: str | None = None
    clock: Clock = field(default_factory=SystemClock)
    on_progress: Callable[[str], None] = lambda _: None

    @property
    def is_below_app(self) -> bool:
        """Whether browsers reach Kratos below the URL of the application, as with `KratosProxy`."""
        browser_url = self.settings.kratos_browser_url
        is_forwarded = browser_url != http_url(self.settings.kratos_public_url)
        return is_forwarded and bool(paths_of_kratos(self.settings.app_url, browser_url))


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
