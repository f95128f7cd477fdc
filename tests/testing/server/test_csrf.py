"""Anti-CSRF tokens, and requests that native flows reject."""

import pytest
from support.flow_client import PASSWORD, FlowClient, field_value

pytestmark = pytest.mark.anyio

LOGIN = {"method": "password", "identifier": "ada@example.test", "password": PASSWORD}


@pytest.mark.parametrize(
    ("cookie", "reason"),
    [("theme=dark", "no anti-CSRF cookie"), ("", "no Cookie header")],
    ids=["other cookie", "no cookie"],
)
async def test_form_without_its_cookie_is_rejected(browser: FlowClient, cookie: str, reason: str) -> None:
    flow = await browser.create_flow("login")
    browser.client.cookies.clear()
    browser.client.headers["cookie"] = cookie
    response = await browser.submit(flow, **LOGIN)

    assert response.status_code == 403
    assert reason in response.json()["error"]["details"]["reject_reason"]


@pytest.mark.parametrize(
    ("accept", "header"),
    [("application/json", "cookie"), ("application/json", "origin"), ("text/html", "cookie")],
)
async def test_recovery_of_an_app_that_a_browser_submits_is_replaced(
    app: FlowClient, accept: str, header: str
) -> None:
    """Kratos v26.2.0 creates a browser flow."""
    flow = await app.create_flow("recovery")
    headers = {"accept": accept, header: "a=b" if header == "cookie" else "http://127.0.0.1:4455"}
    response = await app.client.post(
        flow["ui"]["action"], data={"method": "code", "email": "a@b.test"}, headers=headers
    )

    assert "csrf_token_" in response.headers["set-cookie"]
    if accept == "text/html":
        assert response.headers["location"].startswith("http://127.0.0.1:4455/recovery?flow=")
        return
    error = response.json()["error"]
    assert (response.status_code, error.get("id")) == (400, None)
    assert error["details"]["continue_with"][0]["action"] == "show_recovery_ui"
    assert error["details"].get("found cookies") == (["a"] if header == "cookie" else None)


async def test_verification_of_an_app_that_a_browser_submits_keeps_the_address(app: FlowClient) -> None:
    flow = await app.create_flow("verification")
    app.client.headers["origin"] = "http://127.0.0.1:4455"
    response = await app.submit(flow, method="code", email="a@b.test")

    assert (response.status_code, field_value(response.json(), "email")) == (400, "a@b.test")
