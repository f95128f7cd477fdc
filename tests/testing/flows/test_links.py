"""Recovery and verification by link, beyond the recordings."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from support.flow_client import HTML, PASSWORD, FlowClient, client_for, message_ids, node_names

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


async def test_recovery_link_signs_in_and_verifies_the_address(
    fake: FakeKratos, browser: FlowClient, ada: Identity
) -> None:
    await send_link(client_for(fake, native=True), "recovery")
    settings = await flow_of(browser, await open_link(fake, browser))
    session = (await browser.whoami()).json()

    assert message_ids(settings) == [1060001]
    assert session["authentication_methods"][0]["method"] == "link_recovery"
    assert (session["identity"]["id"], ada.verifiable_addresses[0].status) == (ada.id, "completed")


@pytest.mark.parametrize("native", [False, True])
async def test_verification_link_verifies_the_address(
    fake: FakeKratos, browser: FlowClient, ada: Identity, native: bool
) -> None:
    client = client_for(fake, native=True) if native else browser
    flow = await send_link(client, "verification")
    response = await open_link(fake, browser)
    verified = (await browser.get_flow("verification", flow["id"])).json()

    assert response.status_code == 303
    assert (verified["state"], message_ids(verified)) == ("passed_challenge", [1080002])
    assert verified["ui"]["nodes"][-1]["group"] == "link"
    assert ada.verifiable_addresses[0].verified is True


async def test_script_gets_the_verified_flow(fake: FakeKratos, browser: FlowClient, ada: Identity) -> None:
    await send_link(browser, "verification")
    response = await browser.get(fake.messages[0].code)

    assert (response.json()["state"], ada.verifiable_addresses[0].verified) == ("passed_challenge", True)


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


@pytest.mark.parametrize("name", ["recovery", "verification"])
async def test_response_does_not_reveal_whether_an_address_exists(
    fake: FakeKratos, browser: FlowClient, name: str
) -> None:
    flow = await send_link(browser, name, "unknown@example.test")

    assert (flow["state"], fake.messages) == ("sent_email", ())


@pytest.mark.parametrize(("name", "message_id"), [("recovery", 4010005), ("verification", 4010006)])
@pytest.mark.parametrize("fields", [{}, {"method": "code", "email": ADDRESS}], ids=["no method", "code"])
async def test_flow_sends_no_code(browser: FlowClient, name: str, message_id: int, fields: dict[str, str]) -> None:
    """As in Kratos, a recovery can still send a link afterwards, and a verification has to be started again."""
    flow = await browser.create_flow(name)
    rejected = await browser.submit(flow, **fields)
    opened = await browser.get(flow["ui"]["action"])
    sent = await browser.submit(flow, method="link", email=ADDRESS)

    assert (rejected.status_code, message_ids(rejected.json())) == (400, [message_id])
    assert (opened.status_code, message_ids(opened.json())[-1]) == (400, message_id)
    assert (sent.status_code, sent.json()["state"]) == (
        (200, "sent_email") if name == "recovery" else (400, "choose_method")
    )


@pytest.mark.usefixtures("ada")
async def test_recovery_link_works_while_another_user_is_logged_in(fake: FakeKratos, browser: FlowClient) -> None:
    await send_link(client_for(fake, native=True), "recovery")
    flow = await browser.create_flow("recovery")
    fake.add_identity("eve@example.test")
    await browser.log_in("eve@example.test")
    rejected = await browser.submit(flow, method="link", email=ADDRESS)
    await open_link(fake, browser)

    assert rejected.json()["error"]["id"] == "session_already_available"
    assert (await browser.whoami()).json()["identity"]["traits"]["email"] == ADDRESS


@pytest.mark.parametrize("name", ["recovery", "verification"])
async def test_address_is_required(browser: FlowClient, name: str) -> None:
    response = await browser.submit(await browser.create_flow(name), method="link")

    assert (response.status_code, message_ids(response.json())) == (400, [4000002])


async def test_link_is_sent_after_registration(fake: FakeKratos, browser: FlowClient) -> None:
    flow = await browser.create_flow("registration")
    fields = {"method": "password", "password": PASSWORD, "traits__email": ADDRESS}
    verification = await flow_of(browser, await browser.submit_form(flow, **fields))
    await open_link(fake, browser)

    assert node_names(verification)[-1] == "email"
    assert fake.messages[0].template_type == "verification_valid"
    assert fake.identities[0].verifiable_addresses[0].verified is True


async def test_link_of_the_admin_api_recovers_the_account(
    fake: FakeKratos, browser: FlowClient, ada: Identity
) -> None:
    admin = FlowClient(httpx2.ASGITransport(app=fake.admin_app), fake.settings.admin_url)
    body = {"identity_id": ada.id, "expires_in": "30s"}
    link = (await admin.client.post("/admin/recovery/link", json=body)).json()["recovery_link"]
    opened = await browser.get(link, HTML)
    expired_link = (await admin.client.post("/admin/recovery/link", json=body)).json()["recovery_link"]
    fake.clock.advance(31)
    expired = await client_for(fake).get(expired_link, HTML)

    assert message_ids(await flow_of(browser, opened)) == [1060001]
    assert ada.verifiable_addresses[0].verified is False
    assert urlsplit(expired.headers["location"]).path == "/recovery"


async def test_admin_api_recovers_no_account_if_recovery_is_disabled(clock: ManualClock) -> None:
    fake = FakeKratos(clock=clock, recovery_enabled=False)
    admin = FlowClient(httpx2.ASGITransport(app=fake.admin_app), fake.settings.admin_url)
    body = {"identity_id": fake.add_identity(ADDRESS).id}
    responses = [await admin.client.post(f"/admin/recovery/{kind}", json=body) for kind in ("code", "link")]

    assert [response.status_code for response in responses] == [404, 404]
