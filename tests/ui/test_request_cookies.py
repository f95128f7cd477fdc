"""The cookies that the pages forward to Kratos, and those that they delete."""

import pytest
from starlette.requests import Request
from support.asgi_calls import http_scope
from support.guard_bench import settings_of

from ory_guard.ui.request_cookies import kratos_cookies, session_cookie_names

SETTINGS = settings_of(cookie_names=("acme_*",), token_cookie_names=("token",))


def request_with(*headers: bytes) -> Request:
    """Return a request with cookie headers."""
    return Request(http_scope(headers=[(b"cookie", header) for header in headers]))


@pytest.mark.parametrize(
    ("headers", "forwarded"),
    [
        ((b"theme=dark; csrf_token_ab=1; acme_session=2; ory_kratos_continuity=3",),
         "csrf_token_ab=1; acme_session=2; ory_kratos_continuity=3"),
        ((b"csrf_token_ab=1", b"acme_a=2"), "csrf_token_ab=1; acme_a=2"),
        ((b"theme=dark; token=x; ory_guard_redirects=1; ory_guard_notice=gone",), None),
        ((b"csrf_token_ab=\xff; acme_a=\x01",), None),
        ((), None),
    ],
)  # fmt: skip
def test_only_cookies_of_kratos_are_forwarded(headers: tuple[bytes, ...], forwarded: str | None) -> None:
    assert kratos_cookies(request_with(*headers), SETTINGS) == forwarded


def test_names_of_session_cookies_are_returned_once() -> None:
    request = request_with(b"acme_b=1; acme_b=2; token=3; theme=x; acme_\x01=4; acme_=5")

    assert session_cookie_names(request, SETTINGS) == [b"acme_b", b"token", b"acme_"]
