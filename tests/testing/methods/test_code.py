"""Codes as first and second factor, beyond the recordings."""

import copy
import json
from typing import Any

import pytest
from support.flow_client import PASSWORD, FlowClient, client_for, field_value, message_ids, node_names

from ory_guard.testing import FakeKratos, ManualClock, OidcProvider
from testing.release_bodies import RELEASE

pytestmark = pytest.mark.anyio

ADA = "ada@example.test"
SCHEMA = json.loads((RELEASE / "config" / "rich.schema.json").read_text(encoding="utf-8"))


def code_fake(clock: ManualClock, **settings: Any) -> FakeKratos:
    """Return a fake whose schema marks the address for codes."""
    return FakeKratos(clock=clock, **{"version": "v26.2.0", "identity_schemas": {"default": SCHEMA}} | settings)


@pytest.fixture
def fake(clock: ManualClock) -> FakeKratos:
    """A fake with passwordless codes."""
    return code_fake(clock, code_passwordless_enabled=True)


@pytest.fixture
def mfa_fake(clock: ManualClock) -> FakeKratos:
    """A fake with codes as second factor."""
    return code_fake(clock, code_mfa_enabled=True)


async def send_code(client: FlowClient, name: str = "login") -> dict[str, Any]:
    """Start a flow, send a code to Ada, and return the form for the code."""
    fields = {"identifier": ADA} if name == "login" else {"traits": {"email": ADA}}
    response = await client.submit(await client.create_flow(name), method="code", **fields)
    assert response.status_code == 400, response.text
    return dict(response.json())


async def submit_code(client: FlowClient, flow: dict[str, Any], code: str, **fields: Any) -> Any:
    """Submit a code for Ada."""
    name = flow["ui"]["action"].split("/self-service/")[1].partition("?")[0]
    owner = {"identifier": ADA} if name == "login" else {"traits": {"email": ADA}}
    return await client.submit(flow, method="code", code=code, **owner | fields)


@pytest.mark.parametrize("name", ["login", "registration"])
async def test_sixth_code_of_a_flow_is_not_checked(fake: FakeKratos, app: FlowClient, name: str) -> None:
    if name == "login":
        fake.add_identity(ADA, password=None)
    flow = await send_code(app, name)
    wrong = [await submit_code(app, flow, "000000") for _ in range(5)]
    right = await submit_code(app, flow, fake.messages[0].code)

    assert {message_ids(response.json())[0] for response in wrong} <= {4010008, 4040003}
    assert (right.status_code, message_ids(right.json())) == (400, [4000001])
    assert "too often" in right.json()["ui"]["messages"][0]["text"]


@pytest.mark.parametrize("name", ["login", "registration"])
async def test_expired_code_leads_to_a_new_flow(clock: ManualClock, name: str) -> None:
    fake = code_fake(clock, code_passwordless_enabled=True, code_lifespan=60)
    if name == "login":
        fake.add_identity(ADA, password=None)
    app = client_for(fake, native=True)
    flow = await send_code(app, name)
    clock.advance(61)
    response = await submit_code(app, flow, fake.messages[0].code)
    replacement = (await app.get_flow(name, response.json()["use_flow_id"])).json()

    assert (response.status_code, response.json()["error"]["id"]) == (410, "self_service_flow_expired")
    assert (replacement["state"], message_ids(replacement)) == (
        "choose_method",
        [4010001 if name == "login" else 4040001],
    )


@pytest.mark.parametrize("name", ["login", "registration"])
async def test_new_code_replaces_the_old_one(fake: FakeKratos, app: FlowClient, name: str) -> None:
    if name == "login":
        fake.add_identity(ADA, password=None)
    flow = await send_code(app, name)
    await submit_code(app, flow, "", resend="code")
    new, old = (message.code for message in fake.messages)
    rejected = await submit_code(app, flow, old if old != new else "000000")

    assert rejected.status_code == 400
    assert (await submit_code(app, flow, new)).status_code == 200


async def test_code_login_verifies_the_address_and_needs_no_password(fake: FakeKratos, browser: FlowClient) -> None:
    ada = fake.add_identity(ADA, password=None)
    flow = await send_code(browser)
    response = await submit_code(browser, flow, fake.messages[0].code, identifier="Ada@Example.test")

    assert response.status_code == 200
    assert (ada.verifiable_addresses[0].verified, ada.verifiable_addresses[0].status) == (True, "completed")
    assert (await browser.whoami()).json()["authentication_methods"][0]["aal"] == "aal1"


async def test_code_login_leaves_a_verified_address_alone(fake: FakeKratos, browser: FlowClient) -> None:
    ada = fake.add_identity(ADA, verified=True)
    verified_at = ada.verifiable_addresses[0].verified_at
    await submit_code(browser, await send_code(browser), fake.messages[0].code)

    assert ada.verifiable_addresses[0].verified_at == verified_at


async def test_refresh_can_send_a_code(fake: FakeKratos, browser: FlowClient) -> None:
    browser.use(fake.sign_in(fake.add_identity(ADA)))
    flow = await browser.create_flow("login", refresh="true")
    sent = await browser.submit(flow, method="code", identifier=ADA)
    response = await submit_code(browser, sent.json(), fake.messages[0].code)

    assert (response.status_code, field_value(flow, "method")) == (200, "code")


async def test_code_of_another_identity_is_wrong(fake: FakeKratos, app: FlowClient) -> None:
    for email in (ADA, "eve@example.test"):
        fake.add_identity(email, password=None)
    flow = await send_code(app)
    response = await submit_code(app, flow, fake.messages[0].code, identifier="eve@example.test")

    assert (response.status_code, message_ids(response.json())) == (400, [4010008])


async def test_registration_verifies_only_the_address_of_the_code(clock: ManualClock) -> None:
    schema = copy.deepcopy(SCHEMA)
    traits = schema["properties"]["traits"]["properties"]
    traits["backup"] = {"type": "string", "ory.sh/kratos": {"verification": {"via": "email"}}}
    fake = code_fake(clock, code_passwordless_enabled=True, identity_schemas={"default": schema})
    app = client_for(fake, native=True)
    owner = {"email": ADA, "backup": "backup@example.test"}
    await app.submit(flow := await app.create_flow("registration"), method="code", traits=owner)
    await submit_code(app, flow, fake.messages[0].code, traits=owner)

    addresses = fake.identities[0].verifiable_addresses
    assert {address.value: address.verified for address in addresses} == {ADA: True, "backup@example.test": False}


async def test_registration_requires_the_code(fake: FakeKratos, browser: FlowClient) -> None:
    flow = await send_code(browser, "registration")
    response = await submit_code(browser, flow, "")

    assert (response.status_code, message_ids(response.json())) == (400, [4000002])
    assert fake.identities == ()


async def test_completed_registration_is_not_repeated(fake: FakeKratos, app: FlowClient) -> None:
    flow = await send_code(app, "registration")
    codes = [fake.messages[0].code] * 2
    first, second = [await submit_code(app, flow, code) for code in codes]

    assert (first.status_code, second.status_code, message_ids(second.json())) == (200, 400, [4010003])


@pytest.mark.parametrize("traits", [{"email": "no address"}, {"email": ADA, "name": {"first": "x" * 200}}])
async def test_traits_are_checked_again_with_the_code(fake: FakeKratos, app: FlowClient, traits: Any) -> None:
    flow = await send_code(app, "registration")
    response = await submit_code(app, flow, fake.messages[0].code, traits=traits)

    assert (response.status_code, fake.identities) == (400, ())


async def second_factor_flow(fake: FakeKratos, client: FlowClient, **query: str) -> dict[str, Any]:
    """Log Ada in with her password, and start the second factor."""
    client.use(fake.sign_in(next(iter(fake.identities))))
    return await client.create_flow("login", aal="aal2", **query)


async def test_code_has_a_button_beside_other_second_factors(mfa_fake: FakeKratos) -> None:
    mfa_fake.add_identity(ADA, totp=True)
    browser = client_for(mfa_fake)
    flow = await second_factor_flow(mfa_fake, browser)
    sent = await browser.submit(flow, address=ADA)
    response = await submit_code(browser, sent.json(), mfa_fake.messages[0].code)

    assert (flow["state"], "address" in node_names(flow)) == ("choose_method", True)
    assert "totp_code" not in node_names(sent.json())
    assert (response.status_code, response.json()["session"]["authenticator_assurance_level"]) == (200, "aal2")


async def test_code_of_the_second_factor_belongs_to_the_session(mfa_fake: FakeKratos) -> None:
    ada, eve = (mfa_fake.add_identity(email, totp=True) for email in (ADA, "eve@example.test"))
    browser = client_for(mfa_fake)
    browser.use(mfa_fake.sign_in(eve))
    flow = await browser.create_flow("login", aal="aal2")
    sent = await browser.submit(flow, method="code", identifier=ADA)
    response = await submit_code(browser, sent.json(), mfa_fake.messages[0].code)

    assert (mfa_fake.messages[0].recipient, ada.state) == (ADA, "active")
    assert (response.status_code, message_ids(response.json())) == (400, [4010008])


async def test_each_address_has_a_button(clock: ManualClock) -> None:
    schema = copy.deepcopy(SCHEMA)
    traits = schema["properties"]["traits"]["properties"]
    traits["backup"] = {"type": "string", "ory.sh/kratos": {"credentials": {"code": {"identifier": True}}}}
    traits["nickname"] = {"type": "string"}
    fake = code_fake(clock, code_mfa_enabled=True, identity_schemas={"default": schema})
    fake.add_identity(ADA, traits={"backup": "backup@example.test", "nickname": "Ada"})
    browser = client_for(fake)
    flow = await second_factor_flow(fake, browser)
    chosen = await browser.create_flow("login", aal="aal2", via="backup")
    rejected = await browser.start("login", aal="aal2", via="nickname")

    assert node_names(flow).count("address") == 2
    assert (chosen["state"], fake.messages[0].recipient) == ("sent_email", "backup@example.test")
    assert rejected.status_code == 400


def identifier_first_fake(clock: ManualClock, **settings: Any) -> FakeKratos:
    """Return a fake whose login asks for the identifier first."""
    providers = (OidcProvider("mini"), OidcProvider("other"))
    return code_fake(clock, login_style="identifier_first", oidc_providers=providers, **settings)


async def submit_identifier(client: FlowClient, **fields: Any) -> Any:
    """Submit Ada's address in the first step."""
    return await client.submit(
        await client.create_flow("login"), method="identifier_first", identifier=ADA, **fields
    )


async def test_second_step_has_the_credentials_of_the_identity(clock: ManualClock) -> None:
    fake = identifier_first_fake(clock, code_passwordless_enabled=True)
    fake.add_identity(ADA).credentials.oidc_subjects["mini"] = "ada"
    browser = client_for(fake)
    response = await submit_identifier(browser, transient_payload={"a": 1})
    flow = response.json()
    values = [node["attributes"].get("value") for node in flow["ui"]["nodes"]]

    assert {"mini", "code", "password"} <= set(values)
    assert "other" not in values
    assert flow["transient_payload"] == {"a": 1}
    logged_in = await browser.submit(flow, method="password", identifier=ADA, password=PASSWORD)
    assert logged_in.status_code == 200


async def test_code_is_sent_at_once_if_it_is_the_only_way(clock: ManualClock) -> None:
    fake = identifier_first_fake(clock, code_passwordless_enabled=True)
    fake.add_identity(ADA, password=None)
    app = client_for(fake, native=True)
    response = await submit_identifier(app)
    logged_in = await submit_code(app, response.json(), fake.messages[0].code)

    assert (response.json()["state"], response.json()["active"]) == ("sent_email", "code")
    assert logged_in.status_code == 200


@pytest.mark.parametrize("exists", [False, True])
async def test_identifier_without_credentials_is_unknown(clock: ManualClock, exists: bool) -> None:
    fake = identifier_first_fake(clock)
    if exists:
        fake.add_identity(ADA, password=None)
    response = await submit_identifier(client_for(fake, native=True))

    assert (response.status_code, message_ids(response.json())) == (400, [4000037])
