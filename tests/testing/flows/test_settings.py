"""Settings flows, beyond the recordings."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from support.flow_client import (
    HTML,
    PASSWORD,
    FlowClient,
    client_for,
    field_value,
    message_ids,
    node_by_id,
    node_names,
    totp_secret,
)

from ory_guard.testing import FakeKratos, Identity, ManualClock

pytestmark = pytest.mark.anyio

NEW_PASSWORD = "a-new-password-1"
VAULT = "http://127.0.0.1:4455/vault"
QUOTED_VAULT = "http%3A%2F%2F127.0.0.1%3A4455%2Fvault"


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


async def test_profile_change_is_saved(browser: FlowClient, ada: Identity) -> None:
    flow = await browser.create_flow("settings")
    traits = {"email": "ada@example.test", "name": {"first": "Ada", "last": "Lovelace"}}
    response = await browser.submit(flow, method="profile", traits=traits)

    assert (response.json()["state"], message_ids(response.json())) == ("success", [1050001])
    assert ada.traits == traits


async def test_new_address_is_unverified(browser: FlowClient, ada: Identity) -> None:
    ada.verifiable_addresses[0].verified = True
    flow = await browser.create_flow("settings")
    await browser.submit(flow, method="profile", traits={"email": "new@example.test"})

    (address,) = ada.verifiable_addresses
    assert (address.value, address.verified) == ("new@example.test", False)


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize(
    ("fields", "message_id"),
    [
        ({"method": "profile", "traits": {"email": "no address"}}, 4000040),
        ({"method": "profile", "traits": {"email": "bob@example.test"}}, 4000007),
        ({"method": "profile", "traits": None}, 4000002),
        ({"method": "password", "password": ""}, 4000002),
        ({"method": "password", "password": "1234567"}, 4000032),
        ({"method": "password", "password": "ü-" * 25}, 4000033),
        ({"method": "password", "password": PASSWORD}, 4000039),
        ({"method": "lookup_secret"}, 4010004),
        ({"method": "nonsense"}, 4010004),
        ({"method": ["profile"]}, 4010004),
        ({"webauthn_register": "{}", "webauthn_register_displayname": "Key"}, 4000001),
        ({"lookup_secret_confirm": "true"}, 4000001),
        ({"lookup_secret_reveal": True}, 4000001),
        ({"method": "profile", "traits": {"email": "ada@example.test"}, "transient_payload": 5}, 4000026),
    ],
    ids=str,
)
async def test_invalid_submission_has_a_specific_error(
    fake: FakeKratos, browser: FlowClient, fields: dict[str, Any], message_id: int
) -> None:
    fake.add_identity("bob@example.test")
    response = await browser.submit(await browser.create_flow("settings"), **fields)

    assert (response.status_code, message_ids(response.json())) == (400, [message_id])


async def test_only_identifier_changes_require_a_recent_login(browser: FlowClient, clock: ManualClock) -> None:
    flow = await browser.create_flow("settings")
    clock.advance(901)
    new_name = {"email": "ada@example.test", "name": {"first": "A."}}
    name_change = await browser.submit(flow, method="profile", traits=new_name)
    address_change = await browser.submit(flow, method="profile", traits={"email": "new@example.test"})

    assert name_change.status_code == 200
    assert address_change.json()["error"]["id"] == "session_refresh_required"


async def test_change_is_completed_after_reauthentication(
    browser: FlowClient, clock: ManualClock, ada: Identity
) -> None:
    flow = await browser.create_flow("settings", return_to="http://127.0.0.1:4455/after")
    clock.advance(901)
    redirect = await browser.submit_form(flow, method="password", password=NEW_PASSWORD)
    login = (await browser.get(redirect.headers["location"])).json()
    form = {"identifier": "ada@example.test", "password": PASSWORD}
    resume_url = (await browser.submit_form(login, method="password", **form)).headers["location"]
    resumed = await browser.get(resume_url, HTML)
    repeated = await browser.get(resume_url, HTML)

    assert resumed.headers["location"] == "http://127.0.0.1:4455/after"
    assert ada.credentials.password == NEW_PASSWORD
    assert repeated.headers["location"].startswith("http://127.0.0.1:4455/settings?flow=")


async def test_forged_continuity_cookie_is_ignored(browser: FlowClient) -> None:
    flow = await browser.create_flow("settings")
    browser.client.cookies.set("ory_kratos_continuity", "bm90IHNlYWxlZA==")
    response = await browser.get(flow["ui"]["action"])

    assert (response.status_code, message_ids(response.json())) == (400, [4000001])


async def test_authenticator_app_is_enrolled_with_a_code(
    browser: FlowClient, clock: ManualClock, ada: Identity
) -> None:
    flow = await browser.create_flow("settings")
    secret = totp_secret(flow)
    code = pyotp.TOTP(secret).at(int(clock.time()))
    without_code = await browser.submit(flow, method="totp")
    with_code = await browser.submit(flow, method="totp", totp_code=code)
    second_app = await browser.submit(flow, method="totp", totp_code=code)

    assert message_ids(without_code.json()) == [4000002]
    assert (with_code.status_code, ada.credentials.totp_secret) == (200, secret)
    assert (second_app.status_code, ada.credentials.totp_secret) == (200, secret)


@pytest.mark.usefixtures("ada")
async def test_submission_to_remove_no_authenticator_app_is_rejected(browser: FlowClient) -> None:
    response = await browser.submit(await browser.create_flow("settings"), method="totp", totp_unlink=True)

    assert (response.status_code, message_ids(response.json())) == (400, [4000002])


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


async def test_flow_rejects_another_identity(fake: FakeKratos, browser: FlowClient) -> None:
    flow = await browser.create_flow("settings")
    browser.use(fake.sign_in(fake.add_identity("bob@example.test")))
    response = await browser.submit(flow, method="password", password=NEW_PASSWORD)

    assert response.json()["error"]["id"] == "security_identity_mismatch"


async def test_browser_without_session_is_redirected_to_login(fake: FakeKratos, browser: FlowClient) -> None:
    flow = await browser.create_flow("settings")
    anonymous = client_for(fake)
    started = await anonymous.start("settings", HTML, return_to=VAULT)
    submitted = await anonymous.submit_form(flow, method="profile")
    read = await anonymous.get_flow("settings", flow["id"])

    assert started.headers["location"] == (
        f"http://127.0.0.1:4433/self-service/login/browser?return_to={QUOTED_VAULT}"
    )
    assert submitted.headers["location"] == "http://127.0.0.1:4455/login"
    assert (read.status_code, "id" in read.json()["error"]) == (401, False)


async def test_aal1_session_is_redirected_to_the_second_factor(browser: FlowClient, ada: Identity) -> None:
    ada.credentials.totp_secret = pyotp.random_base32()
    response = await browser.start("settings", HTML, return_to=VAULT)
    query = parse_qs(urlsplit(response.headers["location"]).query)

    assert query["aal"] == ["aal2"]
    assert query["return_to"] == [f"http://127.0.0.1:4433/self-service/settings/browser?return_to={QUOTED_VAULT}"]


async def test_form_omits_disabled_methods(clock: ManualClock) -> None:
    fake = FakeKratos(clock=clock, methods=frozenset({"code"}))
    browser = client_for(fake)
    browser.use(fake.sign_in(fake.add_identity()))

    assert node_names(await browser.create_flow("settings")) == ["csrf_token"]


async def test_qr_code_does_not_require_an_account_name(clock: ManualClock) -> None:
    schema = {"properties": {"traits": {"type": "object", "properties": {"email": {"type": "string"}}}}}
    fake = FakeKratos(clock=clock, identity_schemas={"default": schema})
    app = client_for(fake, native=True)
    app.use(fake.sign_in(fake.add_identity()))
    flow = await app.create_flow("settings")

    assert node_by_id(flow, "totp_qr")["src"].startswith("data:image/png;base64,")
    assert field_value(flow, "csrf_token") == ""


@pytest.mark.usefixtures("ada")
async def test_disabled_method_is_not_found(browser: FlowClient) -> None:
    response = await browser.submit(await browser.create_flow("settings"), unlink="mini")

    assert response.status_code == 404


async def test_security_keys_need_a_browser(fake: FakeKratos, app: FlowClient, ada: Identity) -> None:
    app.use(fake.sign_in(ada))
    response = await app.submit(await app.create_flow("settings"), webauthn_register="{}")

    assert message_ids(response.json()) == [4010004]


@pytest.mark.usefixtures("ada")
async def test_odd_traits_get_fields_in_the_form(browser: FlowClient) -> None:
    flow = await browser.create_flow("settings")
    odd: dict[str, Any] = {"email": "ada@example.test", "name": None, "shoe": 42, "tags": ["a", True], "empty": {}}
    response = (await browser.submit(flow, method="profile", traits=odd)).json()
    kinds = {
        node["attributes"]["name"]: (node["group"], node["attributes"]["type"], node["attributes"].get("value"))
        for node in response["ui"]["nodes"]
        if node["attributes"].get("name", "").startswith("traits") and not node["meta"]
    }

    assert kinds == {
        "traits": ("default", "text", None),
        "traits.tags.1": ("profile", "checkbox", True),
        "traits.tags.0": ("profile", "text", "a"),
        "traits.shoe": ("profile", "number", 42),
        "traits.name": ("profile", "text", None),
    }
    assert message_ids(response) == [4000001, 4000026]


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("traits", [7, {"email": "nope"}], ids=str)
async def test_invalid_profile_keeps_the_message_of_a_success(browser: FlowClient, traits: object) -> None:
    flow = await browser.create_flow("settings")
    await browser.submit(flow, method="profile", traits={"email": "ada@example.test"})
    response = await browser.submit(flow, method="profile", traits=traits)

    assert message_ids(response.json())[0] == 1050001
    assert len(message_ids(response.json())) == 2


async def test_new_address_is_sent_a_code(fake: FakeKratos, browser: FlowClient, ada: Identity) -> None:
    flow = await browser.create_flow("settings")
    await browser.submit(flow, method="profile", traits={"email": "new@example.test"})
    await browser.submit(flow, method="profile", traits={"email": "new@example.test", "name": {"first": "Ada"}})

    assert [message.recipient for message in fake.messages] == ["new@example.test"]
    assert ada.verifiable_addresses[0].status == "sent"


@pytest.mark.parametrize(("fields", "is_paused"), [({"method": "profile"}, True), ({"method": "password"}, False)])
async def test_native_change_that_needs_a_login(
    fake: FakeKratos, app: FlowClient, ada: Identity, fields: dict[str, str], is_paused: bool
) -> None:
    app.use(fake.sign_in(ada, age=3600 * 0.9))
    flow = await app.create_flow("settings")
    response = await app.submit(flow, **fields, password="new-password-1", traits={"email": "new@example.test"})

    assert (response.status_code, response.json()["error"]["id"]) == (403, "session_refresh_required")
    assert ("set-cookie" in response.headers) is is_paused
