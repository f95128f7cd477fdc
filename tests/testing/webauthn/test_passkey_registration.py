"""Registrations with passkeys, with the messages of Kratos v26.2.0."""

import json
from typing import Any

import pytest
from support.flow_client import FlowClient, client_for, field_value, message_ids, node_names

from ory_guard.testing import FakeKratos
from ory_guard.testing.settings import METHODS

from .users import EVIL_ORIGIN, MALFORMED, authenticator, methods_of, node, registration_form, sign_up

BOB = "bob@example.test"
NEXT_STEP = ["passkey_register_trigger", "passkey_register", "passkey_create_data"]

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("native", [False, True])
async def test_registration_in_two_steps_logs_in_with_aal1(fake: FakeKratos, native: bool) -> None:
    client, key = client_for(fake, native=native), authenticator()
    flow = await registration_form(client, BOB)
    created = await sign_up(client, BOB, key)

    assert [name for name in node_names(flow) if "passkey" in name] == NEXT_STEP
    assert ("webauthn_script" in node_names(flow)) is not native
    assert ("onclick" in node(flow, "passkey_register_trigger")["attributes"]) is not native
    assert json.loads(field_value(flow, "passkey_create_data"))["displayNameFieldName"] == "traits.email"
    assert created.status_code == 200
    assert methods_of(created.json()["session"]) == [("passkey", "aal1")]


@pytest.mark.parametrize(
    ("settings", "options", "expected"),
    [
        pytest.param({"origin": EVIL_ORIGIN}, {}, 500, id="wrong origin"),
        pytest.param({"user_present": False}, {}, 500, id="user not present"),
        pytest.param({}, {"challenge": "A" * 43}, 500, id="wrong challenge"),
        pytest.param({}, {"rp": {"id": "evil.example"}}, 500, id="wrong relying party"),
        pytest.param({}, {"user": {"id": "AAAA"}}, 200, id="other user handle"),
        pytest.param({"user_verified": False}, {}, 200, id="user not verified"),
    ],
)
async def test_registration_checks_the_authenticator(
    fake: FakeKratos, browser: FlowClient, settings: dict[str, Any], options: dict[str, Any], expected: int
) -> None:
    flow = await registration_form(browser, BOB)
    data = json.loads(field_value(flow, "passkey_create_data"))
    data["credentialOptions"]["publicKey"].update(options)
    created = authenticator(**settings).create(data)
    response = await browser.submit(flow, traits={"email": BOB}, passkey_register=created)

    assert response.status_code == expected
    assert bool(fake.identities) == (expected == 200)
    if expected == 500:
        assert message_ids((await browser.get_flow("registration", flow["id"])).json()) == [1040009]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"passkey_register": "nope"}, MALFORMED),
        ({"passkey_register": "{}"}, MALFORMED),
        ({"passkey_register": "true"}, 4010003),
        ({"method": "passkey"}, 4010003),
    ],
    ids=str,
)
async def test_registration_without_passkey_is_rejected(
    browser: FlowClient, fields: dict[str, str], expected: int
) -> None:
    flow = await registration_form(browser, BOB)
    response = await browser.submit(flow, traits={"email": BOB}, **fields)

    assert (response.status_code, message_ids(response.json())) == (400, [expected])


@pytest.mark.parametrize(
    ("email", "expected"), [("nope", [4000040]), ("", [4000002]), ("carol@example.test", [4000007])]
)
async def test_passkey_can_be_submitted_again_with_correct_traits(
    fake: FakeKratos, browser: FlowClient, email: str, expected: list[int]
) -> None:
    fake.add_identity("carol@example.test")
    flow = await registration_form(browser, BOB)
    created = authenticator().create(field_value(flow, "passkey_create_data"))
    rejected = await browser.submit(flow, traits={"email": email} if email else {}, passkey_register=created)
    accepted = await browser.submit(rejected.json(), traits={"email": BOB}, passkey_register=created)

    assert (rejected.status_code, message_ids(rejected.json())) == (400, expected)
    assert accepted.status_code == 200


async def test_schema_must_have_a_name_for_passkeys(fake: FakeKratos) -> None:
    nameless = {"properties": {"traits": {"properties": {"email": {"type": "string", "title": "E-Mail"}}}}}
    other = FakeKratos(methods=METHODS, identity_schemas={"default": nameless})
    client = client_for(other)
    response = await client.submit(await client.create_flow("registration"), method="profile", traits={})
    client.use(other.sign_in(other.add_identity(BOB)))
    settings = await client.create_flow("settings")

    assert response.status_code == 500
    assert message_ids(settings) == [4000009]
    assert "passkey_register_trigger" not in node_names(settings)
