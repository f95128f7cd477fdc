"""Tests of the error page with an error of an OAuth2 server in its URL."""

from typing import Any
from urllib.parse import urlencode

import pytest
from example.deployment import Deployment
from example.html_page import Page, parse
from support.asgi_calls import HTML, NAVIGATE, call

from ory_guard.ui.oauth2_errors import oauth2_error

pytestmark = pytest.mark.anyio


async def error_page(deployment: Deployment, **parameters: str) -> tuple[int, Page, str]:
    """Return the status, the contents and the HTML of the error page."""
    query: dict[str, Any] = {"query_string": urlencode(parameters).encode()}
    response = await call(deployment.app, "/error", headers=(NAVIGATE, HTML), **query)
    html = response.body.decode()
    return response.status, parse(html), html


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("access_denied", "Access was denied."),
        ("invalid_scope", "The application requested permissions that are unknown or not allowed."),
        ("temporarily_unavailable", "The authorization server is temporarily unavailable. Try again later."),
        ("login_required", "You must sign in to continue."),
        ("unknown_code", "The authorization server reported an error."),
    ],
)
async def test_page_shows_a_text_for_the_code(deployment: Deployment, code: str, text: str) -> None:
    status, page, _ = await error_page(deployment, error=code, error_description="The user said no.")

    assert status == 400
    assert text in page.text
    assert "Description from the link: “The user said no.”" in page.text
    assert code in page.text


async def test_page_escapes_the_description_and_omits_a_malformed_code(deployment: Deployment) -> None:
    attack = "<script>alert(1)</script>"
    _, _, html = await error_page(deployment, error=f"{attack}&", error_description=attack)

    assert attack not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 1


@pytest.mark.parametrize(
    ("description", "text"),
    [
        ("", ""),
        ("a" * 200, "a" * 200),
        ("a" * 201, "a" * 199 + "…"),
        ("one\r\n\ttwo\x00", "one two"),
        ("safe \u202etxet desrever", "safe txet desrever"),
    ],
)
def test_description_is_one_line_of_at_most_200_characters(description: str, text: str) -> None:
    error = oauth2_error({"error": "access_denied", "error_description": description})

    assert error is not None
    assert error.description == text


@pytest.mark.parametrize(
    "flow_error", [{}, {"id": "unknown"}, {"id": "a\r\nb"}], ids=["none", "unknown", "malformed"]
)
async def test_page_without_an_error_is_not_found(deployment: Deployment, flow_error: dict[str, str]) -> None:
    status, page, _ = await error_page(deployment, error_description="Call this number", **flow_error)

    assert status == 404
    assert "Call this number" not in page.text


async def test_error_of_kratos_precedes_one_in_the_query(deployment: Deployment) -> None:
    status, page, _ = await error_page(deployment, id="stub:500", error="access_denied")

    assert status == 200
    assert "Access was denied." not in page.text
