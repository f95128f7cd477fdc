"""Logins and refreshes with passkeys, with the messages of Kratos v26.2.0."""

import base64
import hashlib
import json
from typing import Any

import pytest
from support.flow_client import FlowClient, client_for, field_value, message_ids, node_by_id, node_names

from ory_guard.testing import FakeKratos
from ory_guard.testing.settings import METHODS

from .users import (
    EVIL_ORIGIN,
    MALFORMED,
    UNKNOWN,
    WRONG,
    Change,
    authenticator,
    changed,
    log_in,
    methods_of,
    node,
    passkey_user,
    response_fields,
)

pytestmark = pytest.mark.anyio

BOB = "bob@example.test"


@pytest.mark.parametrize("native", [False, True])
async def test_login_needs_no_identifier(fake: FakeKratos, native: bool) -> None:
    identity, key = await passkey_user(fake, BOB)
    client = client_for(fake, native=native)
    flow = await client.create_flow("login")
    response = await log_in(client, key)

    assert node(flow, "identifier")["attributes"]["autocomplete"] == "username webauthn"
    assert node(flow, "passkey_login")["attributes"]["onloadTrigger"] == "oryPasskeyLoginAutocompleteInit"
    assert response.json()["session"]["identity"]["id"] == identity.id
    assert methods_of(response.json()["session"]) == [("passkey", "aal1")]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({"origin": EVIL_ORIGIN}, WRONG, id="wrong origin"),
        pytest.param({"origin": "http://localhost:81"}, WRONG, id="wrong port"),
        pytest.param({"origin": "http://["}, WRONG, id="origin that is not a URL"),
        pytest.param({"origin": None}, WRONG, id="origin that is not a text"),
        pytest.param({"user_present": False}, WRONG, id="user not present"),
        pytest.param({"backup_eligible": True}, WRONG, id="backup eligibility has changed"),
        pytest.param({"origin": "HTTP://LOCALHOST/page?a=b"}, None, id="origin with path"),
        pytest.param({"user_verified": False}, None, id="user not verified"),
        pytest.param({"sign_count": -1}, None, id="signature counter of a copy"),
    ],
)
async def test_login_checks_the_authenticator(
    fake: FakeKratos, browser: FlowClient, settings: dict[str, Any], expected: int | None
) -> None:
    _, key = await passkey_user(fake, BOB)
    for name, value in {"sign_count": 5, **settings}.items():
        setattr(key, name, value)
    response = await log_in(browser, key)

    if expected is None:
        assert response.status_code == 200
    else:
        assert (response.status_code, message_ids(response.json())) == (400, [expected])
        assert (await browser.whoami()).status_code == 401


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(response_fields(userHandle="AAAA"), UNKNOWN, id="unknown user handle"),
        pytest.param(response_fields(userHandle=""), UNKNOWN, id="no user handle"),
        pytest.param(response_fields(userHandle=None), UNKNOWN, id="user handle null"),
        pytest.param(response_fields(signature="AAAA"), WRONG, id="invalid signature"),
        pytest.param(lambda document: document.update(rawId="AAAA"), WRONG, id="other credential"),
        pytest.param(lambda document: document.pop("rawId"), WRONG, id="no credential"),
        pytest.param(lambda document: document.update(id="AAAA"), None, id="other id"),
        pytest.param(lambda document: document.update(authenticatorAttachment="platform"), None, id="more fields"),
        pytest.param(lambda document: document.pop("id"), MALFORMED, id="no id"),
        pytest.param(lambda document: document.update(type="x"), MALFORMED, id="other type"),
        pytest.param(lambda document: document.clear(), MALFORMED, id="empty object"),
        pytest.param(response_fields(signature="!!"), MALFORMED, id="signature is not Base64"),
        pytest.param(response_fields(authenticatorData="AAAA"), MALFORMED, id="short authenticator data"),
        pytest.param(response_fields(clientDataJSON="AAAA"), MALFORMED, id="client data is not JSON"),
    ],
)
async def test_login_checks_the_response(
    fake: FakeKratos, browser: FlowClient, change: Change, expected: int | None
) -> None:
    _, key = await passkey_user(fake, BOB)
    flow = await browser.create_flow("login")
    submitted = changed(key.get(field_value(flow, "passkey_challenge")), change)
    response = await browser.submit(flow, passkey_login=submitted)

    assert message_ids(response.json()) == [expected] if expected else response.status_code == 200


async def test_login_checks_relying_party_and_user(fake: FakeKratos, browser: FlowClient) -> None:
    _, key = await passkey_user(fake, BOB)
    _, other = await passkey_user(fake, "carol@example.test")
    flow = await browser.create_flow("login")
    challenge = json.loads(field_value(flow, "passkey_challenge"))
    handle = json.loads(other.get(challenge))["response"]["userHandle"]
    stolen = changed(key.get(challenge), response_fields(userHandle=handle))
    key._keys[0].rp_id = challenge["publicKey"]["rpId"] = "evil.example"
    for submitted in (stolen, key.get(challenge)):
        response = await browser.submit(flow, passkey_login=submitted)

        assert (response.status_code, message_ids(response.json())) == (400, [WRONG])


async def test_response_is_valid_once_and_for_one_flow(fake: FakeKratos) -> None:
    _, key = await passkey_user(fake, BOB)
    app = client_for(fake, native=True)
    flow, other = await app.create_flow("login"), await app.create_flow("login")
    submitted = key.get(field_value(flow, "passkey_challenge"))
    crossed = await app.submit(other, passkey_login=submitted)
    first = await app.submit(flow, passkey_login=submitted)
    replayed = await app.submit(flow, passkey_login=submitted)

    assert message_ids(crossed.json()) == [WRONG]
    assert first.status_code == 200
    assert (replayed.status_code, replayed.json()["error"]["code"]) == (500, 500)


async def test_response_of_a_registration_is_no_login(fake: FakeKratos, browser: FlowClient) -> None:
    _, key = await passkey_user(fake, BOB)
    flow = await browser.create_flow("login")
    challenge = json.loads(field_value(flow, "passkey_challenge"))["publicKey"]["challenge"]
    created = authenticator().create(
        {"publicKey": {"rp": {"id": "localhost"}, "user": {"id": ""}, "challenge": challenge}}
    )
    client_data = json.loads(created)["response"]["clientDataJSON"]
    submitted = changed(
        key.get(field_value(flow, "passkey_challenge")), response_fields(clientDataJSON=client_data)
    )
    response = await browser.submit(flow, passkey_login=submitted)

    assert message_ids(response.json()) == [WRONG]


async def test_login_without_response_continues_at_the_page(browser: FlowClient) -> None:
    flow = await browser.create_flow("login")
    response = await browser.submit(flow, method="passkey")
    form = await browser.submit_form(flow, method="passkey")
    page = f"http://127.0.0.1:4455/login?flow={flow['id']}"

    assert (response.status_code, response.json()["redirect_browser_to"]) == (422, page)
    assert (form.status_code, form.headers["location"]) == (303, page)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"method": "password", "identifier": BOB, "password": "wrong"}, 4000006),
        ({"method": "unknown"}, None),
        ({"webauthn_login": "nope", "identifier": BOB}, None),
    ],
)
async def test_named_method_precedes_the_response(
    fake: FakeKratos, browser: FlowClient, fields: dict[str, str], expected: int | None
) -> None:
    _, key = await passkey_user(fake, BOB)
    flow = await browser.create_flow("login")
    submitted = key.get(field_value(flow, "passkey_challenge"))
    response = await browser.submit(flow, passkey_login=submitted, **fields)

    assert message_ids(response.json()) == [expected] if expected else response.status_code == 200


@pytest.mark.parametrize("native", [False, True])
async def test_refresh_with_a_passkey(fake: FakeKratos, native: bool) -> None:
    identity, key = await passkey_user(fake, BOB)
    client = client_for(fake, native=native)
    client.use(fake.sign_in(identity, methods=("passkey",)))
    flow = await client.create_flow("login", refresh="true")
    response = await client.submit(flow, passkey_login=key.get(field_value(flow, "passkey_challenge")))

    assert field_value(flow, "identifier") == BOB
    assert methods_of(response.json()["session"]) == [("passkey", "aal1"), ("passkey", "aal1")]


async def test_refresh_rejects_the_passkey_of_another_identity(fake: FakeKratos, browser: FlowClient) -> None:
    identity, _ = await passkey_user(fake, BOB)
    _, other = await passkey_user(fake, "carol@example.test")
    browser.use(fake.sign_in(identity))
    flow = await browser.create_flow("login", refresh="true")
    challenge = json.loads(field_value(flow, "passkey_challenge"))
    del challenge["publicKey"]["allowCredentials"]
    response = await browser.submit(flow, passkey_login=other.get(challenge))

    assert message_ids(response.json()) == [WRONG]
    assert (await browser.whoami()).json()["identity"]["id"] == identity.id


async def test_identifier_first_login_shows_the_button_for_owners_of_a_passkey() -> None:
    fake = FakeKratos(methods=METHODS, login_style="identifier_first")
    _, key = await passkey_user(fake, BOB)
    fake.add_identity("carol@example.test")
    names = {}
    for email in (BOB, "carol@example.test"):
        client = client_for(fake)
        flow = await client.create_flow("login")
        first = node_names(flow)
        flow = (await client.submit(flow, method="identifier_first", identifier=email)).json()
        names[email] = node_names(flow)
        assert "passkey_login_trigger" not in first
        assert {"passkey_challenge", "passkey_login", "webauthn_script"} <= {*first}
        assert first.count("identifier") == 1
    response = await log_in(client_for(fake), key)

    assert "passkey_login_trigger" in names[BOB]
    assert "passkey_login_trigger" not in names["carol@example.test"]
    assert names["carol@example.test"][-2:] == ["password", "method"]
    assert response.status_code == 200


async def test_script_has_the_functions_of_the_nodes_and_the_integrity_of_its_node(browser: FlowClient) -> None:
    node = node_by_id(await browser.create_flow("login"), "webauthn_script")
    response = await browser.get(node["src"], "*/*")
    digest = base64.b64encode(hashlib.sha512(response.content).digest()).decode()

    assert response.headers["content-type"] == "text/javascript; charset=UTF-8"
    assert node["integrity"] == f"sha512-{digest}"
    for name in ("WebAuthnRegistration", "WebAuthnLogin", "PasskeyLogin", "PasskeyRegistration"):
        assert f"function ory{name}(" in response.text
    assert "function oryPasskeySettingsRegistration(" in response.text
    assert "function oryPasskeyLoginAutocompleteInit(" in response.text
    # The names in earlier releases.
    assert "window[`__${name}`]" in response.text
