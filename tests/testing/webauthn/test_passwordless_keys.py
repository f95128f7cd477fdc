"""Security keys without password, with the messages of Kratos v26.2.0."""

from typing import Any

import pytest
from support.flow_client import FlowClient, client_for, field_value, message_ids, node_names

from ory_guard.testing import FakeKratos, SoftwareAuthenticator
from ory_guard.testing.settings import METHODS

from .users import (
    EVIL_ORIGIN,
    MALFORMED,
    SAVED,
    UNKNOWN,
    WRONG,
    add_key,
    authenticator,
    methods_of,
    registration_form,
)

pytestmark = pytest.mark.anyio

BOB, CAROL = "bob@example.test", "carol@example.test"
NAME = "webauthn_register_displayname"


@pytest.fixture
def fake() -> FakeKratos:
    """A Kratos with passkeys, and with security keys as a first factor."""
    return FakeKratos(methods=METHODS, webauthn_passwordless=True)


async def register_key(client: FlowClient, key: SoftwareAuthenticator, email: str = BOB) -> dict[str, Any]:
    """Create an account with a security key."""
    flow = await registration_form(client, email)
    created = key.create(field_value(flow, "webauthn_register_trigger"))
    fields = {"webauthn_register": created, NAME: "Key A"}
    response = await client.submit(flow, traits={"email": email}, **fields)
    assert response.status_code == 200, response.text
    return dict(response.json())


@pytest.fixture
async def key(fake: FakeKratos) -> SoftwareAuthenticator:
    """The security key of Bob, which is his only credential."""
    registered = authenticator()
    await register_key(client_for(fake), registered)
    return registered


async def second_step(client: FlowClient, identifier: str = BOB) -> dict[str, Any]:
    """Submit the identifier, and return the flow with the button for the key."""
    flow = await client.create_flow("login")
    response = await client.submit(flow, method="webauthn", identifier=identifier)
    assert response.json()["redirect_browser_to"].endswith(flow["id"])
    return dict((await client.get_flow("login", flow["id"])).json())


async def test_login_in_two_steps(browser: FlowClient, key: SoftwareAuthenticator) -> None:
    flow = await second_step(browser)
    response = await browser.submit(
        flow, webauthn_login=key.get(field_value(flow, "webauthn_login_trigger")), identifier=BOB
    )

    assert message_ids(flow) == [1010012]
    names = ["identifier", "csrf_token", "webauthn_script", "webauthn_login_trigger", "webauthn_login"]
    assert node_names(flow) == names
    assert methods_of(response.json()["session"]) == [("webauthn", "aal1")]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [4000002]),
        ({"identifier": "nobody@example.test"}, [UNKNOWN]),
        ({"identifier": CAROL}, [UNKNOWN]),
    ],
)
@pytest.mark.usefixtures("key")
async def test_first_step_requires_the_owner_of_a_key(
    fake: FakeKratos, browser: FlowClient, fields: dict[str, str], expected: list[int]
) -> None:
    fake.add_identity(CAROL)
    flow = await browser.create_flow("login")
    response = await browser.submit(flow, method="webauthn", **fields)

    assert (response.status_code, message_ids(response.json())) == (400, expected)
    assert "password" in node_names(response.json())


async def test_second_step_checks_identity_and_challenge(
    fake: FakeKratos, browser: FlowClient, key: SoftwareAuthenticator
) -> None:
    fake.add_identity(CAROL)
    flow = await second_step(browser)
    signed = key.get(field_value(flow, "webauthn_login_trigger"))
    other_identity = await browser.submit(flow, webauthn_login=signed, identifier=CAROL)
    fresh = await browser.create_flow("login")
    without_first_step = await browser.submit(fresh, webauthn_login=signed, identifier=BOB)
    other_flow = await browser.submit(await second_step(browser), webauthn_login=signed, identifier=BOB)

    assert message_ids(other_identity.json()) == [WRONG]
    assert (without_first_step.status_code, without_first_step.json()["error"]["code"]) == (500, 500)
    assert message_ids(other_flow.json()) == [WRONG]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"webauthn_register": "nope"}, [MALFORMED]),
        ({"method": "webauthn"}, [4000002] * 2),
        ({"method": "webauthn", "identifier": BOB}, [4000002]),
        ({}, [4000002] * 3),
    ],
)
async def test_registration_without_key_is_rejected(
    browser: FlowClient, fields: dict[str, str], expected: list[int]
) -> None:
    flow = await registration_form(browser, BOB)
    response = await browser.submit(flow, traits={"email": BOB}, **fields)

    assert (response.status_code, message_ids(response.json())) == (400, expected)


async def test_registration_checks_the_key_and_keeps_no_challenge_for_a_taken_address(
    fake: FakeKratos, browser: FlowClient
) -> None:
    fake.add_identity(CAROL)
    flow = await registration_form(browser, BOB)
    options = field_value(flow, "webauthn_register_trigger")
    evil, created = authenticator(origin=EVIL_ORIGIN).create(options), authenticator().create(options)
    refused = await browser.submit(flow, traits={"email": BOB}, webauthn_register=evil)
    taken = await browser.submit(flow, traits={"email": CAROL}, webauthn_register=created)
    again = await browser.submit(flow, traits={"email": BOB}, webauthn_register=created)

    assert refused.status_code == 500
    assert message_ids(taken.json()) == [4000007]
    assert again.status_code == 500


async def test_only_key_cannot_be_removed(
    fake: FakeKratos, browser: FlowClient, key: SoftwareAuthenticator
) -> None:
    browser.use(fake.sign_in(fake.identities[0], methods=("webauthn",)))
    key_id = key.credential_ids[0].hex()
    response = await browser.submit(await browser.create_flow("settings"), webauthn_remove=key_id)
    await add_key(browser, authenticator())
    removed = await browser.submit(await browser.create_flow("settings"), webauthn_remove=key_id)

    assert (response.status_code, message_ids(response.json())) == (400, [MALFORMED])
    assert message_ids(removed.json()) == [SAVED]


async def test_identifier_first_login_shows_the_button_for_owners_of_a_key() -> None:
    fake = FakeKratos(methods=METHODS, webauthn_passwordless=True, login_style="identifier_first")
    await register_key(client_for(fake), authenticator())
    fake.add_identity(CAROL)
    values = {}
    for native in (False, True):
        for email in (BOB, CAROL):
            client = client_for(fake, native=native)
            flow = await client.create_flow("login")
            response = await client.submit(flow, method="identifier_first", identifier=email)
            nodes = response.json()["ui"]["nodes"]
            values[email, native] = "webauthn" in [node["attributes"].get("value") for node in nodes]

    assert [owner for owner, shows_button in values.items() if shows_button] == [(BOB, False)]


async def test_refresh_with_a_key(fake: FakeKratos, browser: FlowClient, key: SoftwareAuthenticator) -> None:
    browser.use(fake.sign_in(fake.identities[0], methods=("webauthn",)))
    flow = await browser.create_flow("login", refresh="true")
    response = await browser.submit(
        flow, webauthn_login=key.get(field_value(flow, "webauthn_login_trigger")), identifier=BOB
    )

    assert methods_of(response.json()["session"]) == [("webauthn", "aal1"), ("webauthn", "aal1")]


async def test_form_without_keys_can_be_shown_in_between(browser: FlowClient) -> None:
    """The flow keeps its challenges."""
    flow = await registration_form(browser, BOB)
    assert {NAME, "webauthn_register", "webauthn_register_trigger", "webauthn_script"} <= {*node_names(flow)}
    first = (await browser.submit(flow, screen="previous", traits={"email": BOB})).json()
    again = (await browser.submit(first, method="profile", traits={"email": BOB})).json()

    assert not [name for name in node_names(first) if "passkey" in name or "webauthn" in name]
    for name in ("passkey_create_data", "webauthn_register_trigger"):
        assert field_value(again, name) == field_value(flow, name)
