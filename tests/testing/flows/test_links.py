"""Recovery and verification by link, beyond the recordings."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from support.flow_client import HTML, FlowClient, client_for, message_ids

from ory_guard.testing import FakeKratos, Identity, ManualClock

pytestmark = pytest.mark.anyio

ADDRESS = "ada@example.test"


@pytest.fixture
def fake(clock: ManualClock) -> FakeKratos:
    """A fake that sends links."""
    return FakeKratos(clock=clock, recovery_use="link", verification_use="link", link_lifespan=60)


async def send_link(client: FlowClient, name: str, email: str = ADDRESS) -> dict[str, Any]:
    """Start a flow, send a link, and return the flow."""
    response = await client.submit(await client.create_flow(name), method="link", email=email)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def open_link(fake: FakeKratos, client: FlowClient) -> httpx2.Response:
    """Open the link of the newest email in a browser."""
    return await client.get(fake.messages[0].code, HTML)


async def flow_of(client: FlowClient, response: httpx2.Response) -> dict[str, Any]:
    """Return the flow that a redirect to the UI names."""
    url = urlsplit(response.headers["location"])
    return dict((await client.get_flow(url.path.strip("/"), parse_qs(url.query)["flow"][0])).json())


@pytest.mark.parametrize("name", ["recovery", "verification"])
async def test_link_verifies_the_address(fake: FakeKratos, browser: FlowClient, ada: Identity, name: str) -> None:
    """The link of a recovery also logs in."""
    await send_link(browser, name)
    await open_link(fake, browser)
    session = (await browser.whoami()).json()

    (address,) = ada.verifiable_addresses
    assert (address.verified, address.status) == (True, "completed")
    if name == "recovery":
        assert session["authentication_methods"][0]["method"] == "link_recovery"


async def test_inactive_identity_is_not_recovered(fake: FakeKratos, browser: FlowClient, ada: Identity) -> None:
    await send_link(browser, "recovery")
    fake.set_state(ada, "inactive")
    response = await open_link(fake, browser)

    assert urlsplit(response.headers["location"]).path == "/error"
    assert (await browser.whoami()).status_code == 401


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize(
    ("name", "seconds", "token", "message_id"),
    [
        ("recovery", 0, "nope", 4060004),
        ("recovery", 61, "", 4060005),
        ("verification", 0, "nope", 4070001),
        ("verification", 61, "", 4070005),
    ],
)
async def test_unusable_link_leads_to_a_new_flow(
    fake: FakeKratos, browser: FlowClient, *, name: str, seconds: float, token: str, message_id: int
) -> None:
    flow = await send_link(browser, name)
    fake.clock.advance(seconds)
    response = await browser.get(f"{fake.messages[0].code}{token}", HTML)
    replacement = await flow_of(browser, response)

    assert replacement["id"] != flow["id"]
    assert (message_ids(replacement), replacement["active"]) == ([message_id], "link")
    assert (await browser.whoami()).status_code == 401


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize(("name", "message_id"), [("recovery", 4060001), ("verification", 4070002)])
async def test_completed_flow_sends_no_more_links(
    fake: FakeKratos, browser: FlowClient, name: str, message_id: int
) -> None:
    app = client_for(fake, native=True)
    flow = await send_link(app, name)
    await open_link(fake, browser)
    response = await app.submit(flow, method="link", email=ADDRESS)

    assert message_ids(await flow_of(client_for_redirect(fake, response), response)) == [message_id]
    assert len(fake.messages) == 1


def client_for_redirect(fake: FakeKratos, response: httpx2.Response) -> FlowClient:
    """Return a browser with the cookies of a response."""
    browser = client_for(fake)
    browser.client.cookies.update(response.cookies)
    return browser


async def test_link_of_the_admin_api_recovers_the_account(
    fake: FakeKratos, admin: httpx2.AsyncClient, browser: FlowClient, ada: Identity
) -> None:
    body = {"identity_id": ada.id, "expires_in": "30s"}
    link = (await admin.post("/admin/recovery/link", json=body)).json()["recovery_link"]
    opened = await browser.get(link, HTML)
    expired_link = (await admin.post("/admin/recovery/link", json=body)).json()["recovery_link"]
    fake.clock.advance(31)
    expired = await client_for(fake).get(expired_link, HTML)

    assert message_ids(await flow_of(browser, opened)) == [1060001]
    assert ada.verifiable_addresses[0].verified is False
    assert urlsplit(expired.headers["location"]).path == "/recovery"


@pytest.mark.parametrize("name", ["recovery", "verification"])
async def test_response_does_not_reveal_whether_an_address_exists(
    fake: FakeKratos, browser: FlowClient, name: str
) -> None:
    flow = await send_link(browser, name, "unknown@example.test")

    assert (flow["state"], fake.messages) == ("sent_email", ())
