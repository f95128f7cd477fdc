"""Passkeys in settings, with the messages of Kratos v26.2.0."""

from typing import Any

import pytest
from support.flow_client import FlowClient, client_for, field_value, message_ids, node_names

from ory_guard.testing import FakeKratos

from .users import (
    EVIL_ORIGIN,
    MALFORMED,
    SAVED,
    UNKNOWN,
    authenticator,
    log_in,
    methods_of,
    passkey_user,
)

BOB = "bob@example.test"

pytestmark = pytest.mark.anyio


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


async def test_only_credential_cannot_be_removed(fake: FakeKratos, browser: FlowClient) -> None:
    identity, key = await passkey_user(fake, BOB)
    browser.use(fake.sign_in(identity))
    flow = await browser.create_flow("settings")
    key_id = key.credential_ids[0].hex()
    response = await browser.submit(flow, passkey_remove=key_id)

    assert remove_buttons(flow) == [(key_id, True)]
    assert (response.status_code, message_ids(response.json())) == (400, [MALFORMED])
    assert node_names(response.json())[0] == "webauthn_remove"
    assert len(identity.credentials.passkey.keys) == 1


@pytest.mark.parametrize(
    ("fields", "status", "expected"),
    [
        ({"passkey_remove": "00"}, 400, [MALFORMED]),
        ({"method": "passkey"}, 400, [4010004]),
        ({"passkey_settings_register": "nope"}, 400, [MALFORMED]),
    ],
)
async def test_invalid_change_in_settings(
    fake: FakeKratos, browser: FlowClient, fields: dict[str, str], status: int, expected: list[int]
) -> None:
    for identity in (fake.add_identity(BOB), (await passkey_user(fake, "carol@example.test"))[0]):
        browser.use(fake.sign_in(identity))
        response = await browser.submit(await browser.create_flow("settings"), **fields)

        assert (response.status_code, message_ids(response.json())) == (status, expected)


async def test_settings_check_the_origin_and_a_challenge_is_valid_once(
    fake: FakeKratos, browser: FlowClient
) -> None:
    browser.use(fake.sign_in(fake.add_identity(BOB)))
    flow = await browser.create_flow("settings")
    evil = authenticator(origin=EVIL_ORIGIN).create(field_value(flow, "passkey_create_data"))
    refused = await browser.submit(flow, passkey_settings_register=evil)
    refused_form = await browser.submit_form(flow, passkey_settings_register=evil)
    created = authenticator().create(field_value(flow, "passkey_create_data"))
    added = await browser.submit(flow, passkey_settings_register=created)
    replayed = await browser.submit(added.json(), passkey_settings_register=created)

    assert (refused.status_code, refused.json()["error"]["code"]) == (500, 500)
    assert refused_form.headers["location"].startswith("http://127.0.0.1:4455/error?id=")
    assert added.status_code == 200
    assert replayed.status_code == 500
