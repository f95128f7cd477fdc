"""Cookies, anti-CSRF tokens, and flows of apps that browsers submit."""

import pytest
from support.flow_client import PASSWORD, FlowClient, client_for, field_value

from ory_guard.testing import FakeKratos, ManualClock

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


async def test_cookies_have_the_configured_attributes(clock: ManualClock) -> None:
    fake = FakeKratos(clock=clock, cookie_domain="example.test", cookie_secure=True, cookie_same_site="Strict")
    fake.add_identity("ada@example.test")
    response = await client_for(fake).start("login")

    assert response.headers["set-cookie"].endswith(
        "Path=/; Domain=example.test; Max-Age=31536000; HttpOnly; Secure; SameSite=Strict"
    )
    assert (await client_for(fake, native=True).log_in("ada@example.test")).status_code == 200


async def test_session_cookie_has_attributes_of_its_own() -> None:
    fake = FakeKratos(
        session_cookie_domain="example.test", session_cookie_path="/app", session_cookie_same_site="Strict"
    )
    fake.add_identity("ada@example.test")
    browser = client_for(fake)
    started = await browser.start("login")
    response = await browser.log_in("ada@example.test")
    session = response.headers.get_list("set-cookie")[-1]

    assert started.headers["set-cookie"].endswith("Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax")
    assert "Path=/app; Domain=example.test; " in session
    assert session.endswith("SameSite=Strict")


@pytest.mark.parametrize(
    "value", ["", "abc", "bm9wZQ==", "ü", "MTIzfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8"], ids=repr
)
async def test_forged_session_cookie_is_rejected(browser: FlowClient, value: str) -> None:
    cookie = f"ory_kratos_session={value}".encode()
    response = await browser.client.get("/sessions/whoami", headers=[(b"cookie", cookie)])

    assert response.status_code == 401


async def test_continuity_cookie_is_not_a_session_cookie(fake: FakeKratos, browser: FlowClient) -> None:
    browser.client.cookies.set("ory_kratos_session", fake._server.jar.encode({"continuity": "x"}, 0))

    assert (await browser.whoami()).status_code == 401


@pytest.mark.parametrize("value", ["!", "AAAA"])
async def test_malformed_csrf_cookie_is_replaced(fake: FakeKratos, browser: FlowClient, value: str) -> None:
    browser.client.headers["cookie"] = f"{fake._server.jar.csrf_cookie_name}={value}"
    response = await browser.start("login")

    assert response.headers["set-cookie"].startswith("csrf_token_")
