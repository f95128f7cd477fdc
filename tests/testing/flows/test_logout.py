"""Logout, beyond the recordings."""

import pytest
from support.flow_client import HTML, FlowClient

from ory_guard.testing import FakeKratos, Identity

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("query", "status"), [("", 400), ("token=ory_lo_wrong", 403)], ids=["no token", "wrong token"]
)
async def test_logout_requires_the_token_of_the_session(
    fake: FakeKratos, browser: FlowClient, ada: Identity, query: str, status: int
) -> None:
    """Otherwise a link on another site could log users out."""
    browser.use(fake.sign_in(ada))

    assert (await browser.get(f"/self-service/logout?{query}")).status_code == status
    assert (await browser.whoami()).status_code == 200


async def test_logout_redirects_to_return_to(fake: FakeKratos, browser: FlowClient, ada: Identity) -> None:
    browser.use(fake.sign_in(ada))
    logout_url = (await browser.start("logout", return_to="http://127.0.0.1:4455/bye")).json()["logout_url"]
    response = await browser.get(logout_url, HTML)
    repeated = await browser.get(logout_url)

    assert response.headers["location"] == "http://127.0.0.1:4455/bye"
    assert (await browser.whoami()).status_code == 401
    assert repeated.status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"{}", 403), (b'{"session_token": 7}', 400), (b'{"session_token": "ory_st_x"}', 403)],
    ids=repr,
)
async def test_native_logout_rejects_malformed_and_unknown_tokens(
    app: FlowClient, body: bytes, status: int
) -> None:
    """The error has no id, as in Kratos."""
    headers = {"content-type": "application/json"}
    response = await app.client.request("DELETE", "/self-service/logout/api", content=body, headers=headers)

    assert (response.status_code, response.json()["error"]["code"]) == (status, status)
    assert "id" not in response.json()["error"]


async def test_native_logout_can_be_repeated(fake: FakeKratos, app: FlowClient, ada: Identity) -> None:
    """The token of a session that has ended is still known."""
    token = fake.sign_in(ada).token
    for _ in range(2):
        response = await app.client.request("DELETE", "/self-service/logout/api", json={"session_token": token})
        assert response.status_code == 204
