"""Passkeys and security keys in settings and in the admin API, with the messages of Kratos v26.2.0."""

from typing import Any

import httpx2
import pytest
from support.flow_client import PASSWORD, FlowClient, client_for, field_value, message_ids, node_names

from ory_guard.testing import FakeKratos

from .users import (
    EVIL_ORIGIN,
    MALFORMED,
    ORIGIN,
    SAVED,
    UNKNOWN,
    add_key,
    authenticator,
    log_in,
    methods_of,
    node,
    passkey_user,
)

pytestmark = pytest.mark.anyio

BOB = "bob@example.test"
NAME = "webauthn_register_displayname"


def remove_buttons(flow: dict[str, Any]) -> list[tuple[str, bool]]:
    buttons = [node["attributes"] for node in flow["ui"]["nodes"]]
    return [(button["value"], button["disabled"]) for button in buttons if button.get("name") == "passkey_remove"]


@pytest.mark.parametrize("native", [False, True])
async def test_settings_add_and_remove_passkeys(fake: FakeKratos, native: bool) -> None:
    client, key = client_for(fake, native=native), authenticator()
    client.use(fake.sign_in(fake.add_identity(BOB)))
    flow = await client.create_flow("settings")
    for count in (1, 2):
        created = key.create(field_value(flow, "passkey_create_data"))
        flow = (await client.submit(flow, passkey_settings_register=created)).json()
        assert message_ids(flow) == [SAVED]
        assert remove_buttons(flow) == [(value, False) for value in sorted(map(bytes.hex, key.credential_ids))]
        assert len(key.credential_ids) == count
    session = (await client.whoami()).json()
    first, second = (key_id.hex() for key_id in key.credential_ids)
    for removed, left in ((first, [second]), (second, [])):
        flow = (await client.submit(flow, method="passkey", passkey_remove=removed)).json()
        assert (message_ids(flow), [value for value, _ in remove_buttons(flow)]) == ([SAVED], left)
    refused = await log_in(client_for(fake), key)

    assert methods_of(session) == [("password", "aal1"), ("passkey", "aal1"), ("passkey", "aal1")]
    assert message_ids(refused.json()) == [UNKNOWN]


async def test_only_passkey_cannot_be_removed(fake: FakeKratos, browser: FlowClient) -> None:
    identity, key = await passkey_user(fake, BOB)
    browser.use(fake.sign_in(identity))
    flow = await browser.create_flow("settings")
    key_id = key.credential_ids[0].hex()
    response = await browser.submit(flow, passkey_remove=key_id)

    assert remove_buttons(flow) == [(key_id, True)]
    assert (response.status_code, message_ids(response.json())) == (400, [MALFORMED])
    assert node_names(response.json())[0] == "webauthn_remove"
    assert len(identity.credentials.passkey.keys) == 1


async def test_new_key_raises_the_session_to_aal2_and_can_be_removed(fake: FakeKratos, browser: FlowClient) -> None:
    browser.use(fake.sign_in(fake.add_identity(BOB)))
    key = authenticator()
    added = await add_key(browser, key, "Key A")
    session = (await browser.whoami()).json()
    await add_key(browser, key, "Key B")
    for key_id in key.credential_ids:
        flow = await browser.create_flow("settings")
        assert message_ids((await browser.submit(flow, webauthn_remove=key_id.hex())).json()) == [SAVED]

    assert node(added.json(), "webauthn_remove")["meta"]["label"]["context"]["display_name"] == "Key A"
    assert methods_of(session) == [("password", "aal1"), ("webauthn", "aal2")]
    assert session["authenticator_assurance_level"] == "aal2"
    assert (await client_for(fake).log_in(BOB)).status_code == 200


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"passkey_remove": "00"}, MALFORMED),
        ({"passkey_settings_register": "nope"}, MALFORMED),
        ({"method": "passkey"}, 4010004),
        ({"webauthn_remove": "00"}, MALFORMED),
        ({"webauthn_register": "nope", NAME: "Key"}, MALFORMED),
        ({"webauthn_register": "nope"}, 4000002),
        ({"method": "webauthn"}, 4010004),
    ],
    ids=str,
)
async def test_invalid_change_is_rejected(fake: FakeKratos, fields: dict[str, str], expected: int) -> None:
    client = client_for(fake)
    owner, _ = await passkey_user(fake, "carol@example.test")
    client.use(fake.sign_in(owner))
    await add_key(client, authenticator())
    for signed_in in (fake.sign_in(owner, aal="aal2"), fake.sign_in(fake.add_identity(BOB))):
        client = client_for(fake)
        client.use(signed_in)
        response = await client.submit(await client.create_flow("settings"), **fields)

        assert (response.status_code, message_ids(response.json())) == (400, [expected])


@pytest.mark.parametrize(
    ("options", "name", "fields"),
    [
        ("passkey_create_data", "passkey_settings_register", {}),
        ("webauthn_register_trigger", "webauthn_register", {NAME: "Key"}),
    ],
    ids=["passkey", "key"],
)
async def test_settings_check_the_origin_and_a_challenge_is_valid_once(
    fake: FakeKratos, browser: FlowClient, options: str, name: str, fields: dict[str, str]
) -> None:
    browser.use(fake.sign_in(fake.add_identity(BOB)))
    flow = await browser.create_flow("settings")
    evil, created = (
        authenticator(origin=origin).create(field_value(flow, options)) for origin in (EVIL_ORIGIN, ORIGIN)
    )
    refused_form = await browser.submit_form(flow, **{name: evil}, **fields)
    refused, added, replayed = [
        await browser.submit(flow, **{name: submitted}, **fields) for submitted in (evil, created, created)
    ]

    assert refused_form.headers["location"].startswith("http://127.0.0.1:4455/error?id=")
    assert (refused.status_code, refused.json()["error"]["code"]) == (500, 500)
    assert (added.status_code, replayed.status_code) == (200, 500)


async def test_schema_must_have_an_identifier_for_keys() -> None:
    email = {"type": "string", "ory.sh/kratos": {"credentials": {"password": {"identifier": True}}}}
    fake = FakeKratos(identity_schemas={"default": {"properties": {"traits": {"properties": {"email": email}}}}})
    client = client_for(fake)
    client.use(fake.sign_in(fake.add_identity(BOB, password=PASSWORD)))

    assert message_ids((await add_key(client, authenticator())).json()) == [4000009]


async def credentials_of(fake: FakeKratos, admin: httpx2.AsyncClient, kind: str) -> dict[str, Any]:
    path = f"/admin/identities/{fake.identities[0].id}?include_credential={kind}"
    return dict((await admin.get(path)).json()["credentials"])


async def test_admin_api_lists_passkeys_with_their_handles(fake: FakeKratos, admin: httpx2.AsyncClient) -> None:
    identity, key = await passkey_user(fake, BOB)
    credentials = await credentials_of(fake, admin, "passkey")
    (listed,) = credentials["passkey"]["config"]["credentials"]

    assert credentials["passkey"]["identifiers"] == [identity.credentials.passkey.user_handle.decode()]
    assert credentials["passkey"]["version"] == 1
    assert listed["is_passwordless"] is True
    assert listed["authenticator"]["sign_count"] == key.sign_count
    assert credentials["webauthn"]["identifiers"] == [BOB]
    assert "config" not in credentials["webauthn"]


async def test_admin_api_deletes_second_factors_only(fake: FakeKratos, admin: httpx2.AsyncClient) -> None:
    identity, _ = await passkey_user(fake, BOB)
    client = client_for(fake)
    client.use(fake.sign_in(identity))
    await add_key(client, authenticator(), "Key A")
    listed = await credentials_of(fake, admin, "webauthn")
    path = f"/admin/identities/{identity.id}/credentials"
    statuses = [(await admin.delete(f"{path}/{kind}")).status_code for kind in ("webauthn", "webauthn", "passkey")]

    assert listed["webauthn"]["config"]["credentials"][0]["display_name"] == "Key A"
    assert statuses == [204, 404, 400]
    assert identity.credentials.second_factors == ()


@pytest.mark.parametrize("method", ["webauthn", "totp"])
async def test_session_has_the_second_factor_of_the_identity(fake: FakeKratos, method: str) -> None:
    identity = fake.add_identity(BOB, totp=method == "totp")
    client = client_for(fake)
    client.use(fake.sign_in(identity, aal="aal2" if method == "totp" else "aal1"))
    await add_key(client, authenticator())

    assert [entry.method for entry in fake.sign_in(identity, aal="aal2").session.methods] == ["password", method]
