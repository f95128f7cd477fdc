"""Clients for the applications in the documentation, and parts of their responses."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from starlette.testclient import TestClient

from ory_guard.testing import SignedIn

__all__ = ["APP", "NAVIGATE", "Run", "client_of", "error_of", "query_of"]

APP = "http://127.0.0.1:8000"
NAVIGATE = {"Sec-Fetch-Mode": "navigate"}

Run = Callable[[str], SimpleNamespace]


def client_of(app: Any, user: SignedIn | None = None, *, base_url: str = APP, **options: Any) -> TestClient:
    """Return a client for an example, which does not follow redirects and sends the user's cookie."""
    client = TestClient(app, base_url=base_url, follow_redirects=False, **options)
    if user is not None:
        client.cookies.set(user.cookie_name, user.cookie)
    return client


def query_of(url: str) -> dict[str, list[str]]:
    """Return the query parameters of an address."""
    return parse_qs(urlsplit(url).query)


def error_of(answer: httpx2.Response) -> Any:
    """Return the `error.id` of an answer."""
    return answer.json()["error"]["id"]
