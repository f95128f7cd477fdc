"""Anti-CSRF tokens, and requests that native flows reject."""

import pytest
from support.flow_client import PASSWORD, FlowClient, client_for, field_value

from ory_guard.testing import FakeKratos, Identity

pytestmark = pytest.mark.anyio

LOGIN = {"method": "password", "identifier": "ada@example.test", "password": PASSWORD}


async def test_flow_cannot_be_read_by_another_browser(fake: FakeKratos, browser: FlowClient) -> None:
    flow = await browser.create_flow("login")
    other = client_for(fake)
    await other.create_flow("login")

    assert (await other.get_flow("login", flow["id"])).json()["error"]["id"] == "security_csrf_violation"


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


@pytest.mark.parametrize("token", ["AAAA", "not base64!", "A" * 88, 7, ["x"]], ids=repr)
async def test_form_with_a_wrong_token_is_rejected(browser: FlowClient, token: object) -> None:
    flow = await browser.create_flow("login")
    response = await browser.submit(flow, **LOGIN, csrf_token=token)

    assert response.json()["error"]["id"] == "security_csrf_violation"


@pytest.mark.parametrize("value", ["!", "AAAA"])
async def test_malformed_cookie_is_replaced(fake: FakeKratos, browser: FlowClient, value: str) -> None:
    browser.client.headers["cookie"] = f"{fake._server.jar.csrf_cookie_name}={value}"
    response = await browser.start("login")

    assert response.headers["set-cookie"].startswith("csrf_token_")


@pytest.mark.usefixtures("ada")
async def test_token_only_in_a_header_is_rejected(browser: FlowClient) -> None:
    flow = await browser.create_flow("login")
    browser.client.headers["x-csrf-token"] = field_value(flow, "csrf_token")
    fields = {"identifier": "ada@example.test", "password": PASSWORD}

    assert (await browser.submit(flow, method="password", csrf_token="", **fields)).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.test"}, 400),
        ({"cookie": "a=b"}, 400),
        ({"cookie": "__cf_bm=abc; cf_clearance=x"}, 200),
    ],
    ids=["origin", "cookie", "cookies of a CDN"],
)
async def test_native_flow_rejects_headers_of_browsers(
    app: FlowClient, ada: Identity, headers: dict[str, str], status: int
) -> None:
    """Native flows have no anti-CSRF token, so pages must not be able to submit them."""
    app.client.headers.update(headers)

    assert (await app.log_in(ada.traits["email"])).status_code == status


async def test_native_registration_rejects_an_origin_header(app: FlowClient) -> None:
    app.client.headers["origin"] = "http://evil.test"
    flow = await app.create_flow("registration")
    response = await app.submit(flow, method="password", password=PASSWORD, traits={"email": "eve@example.test"})

    assert (response.status_code, response.json()["ui"]["messages"][0]["id"]) == (400, 4000001)


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


@pytest.mark.parametrize(
    "fields", [{"method": "profile", "traits": {"email": "nope"}}, {"method": "password", "password": ""}], ids=str
)
async def test_settings_are_checked_before_the_token(
    fake: FakeKratos, browser: FlowClient, ada: Identity, fields: dict[str, object]
) -> None:
    browser.use(fake.sign_in(ada))
    response = await browser.submit(await browser.create_flow("settings"), csrf_token="", **fields)

    assert response.status_code == 400


async def test_recovered_flow_belongs_to_the_new_token(
    fake: FakeKratos, browser: FlowClient, ada: Identity
) -> None:
    """A code that was used before is reported as such."""
    flow = await browser.create_flow("recovery")
    sent = (await browser.submit(flow, method="code", email="ada@example.test")).json()
    code = fake.messages[-1].code
    recovered = (await browser.submit(sent, method="code", code=code)).json()
    response = await browser.submit(recovered, method="code", code=code)

    assert (response.status_code, "already used" in response.json()["error"]["reason"]) == (400, True)
