"""Settings flows, beyond the recordings."""

from urllib.parse import parse_qs, quote, urlsplit

import pyotp
import pytest
from support.flow_client import HTML, FlowClient, client_for, message_ids, node_by_id, node_names

from ory_guard.testing import FakeKratos, Identity

pytestmark = pytest.mark.anyio

VAULT = "http://127.0.0.1:4455/vault"


@pytest.fixture
def ada(fake: FakeKratos) -> Identity:
    """An identity with a password and a name."""
    return fake.add_identity("ada@example.test", traits={"name": {"first": "Ada"}})


@pytest.fixture
def browser(fake: FakeKratos, ada: Identity) -> FlowClient:
    """A browser with a session of Ada's."""
    browser = client_for(fake)
    browser.use(fake.sign_in(ada))
    return browser


async def test_forged_continuity_cookie_is_ignored(browser: FlowClient) -> None:
    flow = await browser.create_flow("settings")
    browser.client.cookies.set("ory_kratos_continuity", "bm90IHNlYWxlZA==")
    response = await browser.get(flow["ui"]["action"])

    assert (response.status_code, message_ids(response.json())) == (400, [4000001])


async def test_lookup_secrets_are_generated_revealed_and_disabled(browser: FlowClient, ada: Identity) -> None:
    flow = await browser.create_flow("settings")
    generated = (await browser.submit(flow, lookup_secret_regenerate="true")).json()
    too_early = await browser.submit(flow, lookup_secret_reveal="true")
    await browser.submit(flow, lookup_secret_confirm="true")
    confirmed_twice = await browser.submit(flow, lookup_secret_confirm="true")
    codes = list(ada.credentials.lookup_codes)
    ada.credentials.lookup_codes[codes[0]] = True
    revealed = (await browser.submit(flow, lookup_secret_reveal="true")).json()
    disabled = await browser.submit(flow, lookup_secret_disable="true")

    assert [response.status_code for response in (too_early, confirmed_twice, disabled)] == [400, 400, 200]
    assert node_names(generated)[-2:] == ["lookup_secret_codes", "lookup_secret_confirm"]
    assert node_names(revealed)[-3:] == [
        "lookup_secret_codes",
        "lookup_secret_disable",
        "lookup_secret_regenerate",
    ]
    assert node_by_id(revealed, "lookup_secret_codes")["text"]["text"] == ", ".join(["used", *codes[1:]])
    assert ada.credentials.lookup_codes == {}


async def test_new_address_is_sent_a_code(fake: FakeKratos, browser: FlowClient, ada: Identity) -> None:
    flow = await browser.create_flow("settings")
    await browser.submit(flow, method="profile", traits={"email": "new@example.test"})
    await browser.submit(flow, method="profile", traits={"email": "new@example.test", "name": {"first": "Ada"}})

    assert [message.recipient for message in fake.messages] == ["new@example.test"]
    assert ada.verifiable_addresses[0].status == "sent"


async def test_redirects_keep_the_page_of_the_user(fake: FakeKratos, browser: FlowClient, ada: Identity) -> None:
    anonymous = await client_for(fake).start("settings", HTML, return_to=VAULT)
    ada.credentials.totp_secret = pyotp.random_base32()
    aal1 = await browser.start("settings", HTML, return_to=VAULT)
    quoted = quote(VAULT, safe="")

    login = "http://127.0.0.1:4433/self-service/login/browser"
    assert anonymous.headers["location"] == f"{login}?return_to={quoted}"
    assert parse_qs(urlsplit(aal1.headers["location"]).query) == {
        "aal": ["aal2"],
        "return_to": [f"http://127.0.0.1:4433/self-service/settings/browser?return_to={quoted}"],
    }
