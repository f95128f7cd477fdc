"""Odd fields, content types and methods in submissions, as seen on Kratos v26.2.0."""

import json
from typing import Any

import pytest
from support.flow_client import JSON, PASSWORD, FlowClient, client_for, field_value, message_ids, node_names

from ory_guard.testing import FakeKratos, OidcProvider

pytestmark = pytest.mark.anyio

EMAIL = "grace@example.test"
TRAITS = {"email": EMAIL}
FIELDS: dict[str, dict[str, Any]] = {
    "login": {"method": "password", "identifier": EMAIL, "password": PASSWORD},
    "registration": {"method": "password", "password": PASSWORD, "traits": TRAITS},
    "settings": {"method": "profile", "traits": TRAITS},
    "recovery": {"method": "code", "email": EMAIL},
    "verification": {"method": "code", "email": EMAIL},
}
FLOWS = pytest.mark.parametrize("name", FIELDS)
NATIVE = pytest.mark.parametrize("native", [True, False], ids=["native", "browser"])
NO_METHOD = {"login": 4010002, "registration": 4010003, "settings": 4010004}
BAD_REQUEST = 400


async def start(fake: FakeKratos, name: str, *, native: bool = True) -> tuple[FlowClient, dict[str, Any]]:
    """Return a client and a flow; settings have a session."""
    client = client_for(fake, native=native)
    if name == "settings":
        client.use(fake.sign_in(fake.add_identity("ada@example.test")))
    return client, await client.create_flow(name)


async def post(client: FlowClient, flow: dict[str, Any], content_type: str, body: bytes) -> tuple[int, Any]:
    """Submit a body, and return the status and the response."""
    headers = {"content-type": content_type, "accept": JSON}
    response = await client.client.post(flow["ui"]["action"], content=body, headers=headers)
    return response.status_code, response.json()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        *((JSON, body) for body in (b"{not json", b"[]", b'{"a": NaN}', b'{"a": 1e999}', b"\xff", b"[" * 9_000)),
        (JSON, '{"method": "password"}'.encode("utf-16")),
        (JSON, b'{"a": ' + b"9" * 5_000 + b"}"),
        *(("application/x-www-form-urlencoded", body) for body in (b"", b"method=%zz", b"method=a;b=c")),
    ],
)
async def test_malformed_body_shows_the_form_again(app: FlowClient, content_type: str, body: bytes) -> None:
    status, form = await post(app, await app.create_flow("login"), content_type, body)

    assert (status, message_ids(form)) == (400, [4000001])


@pytest.mark.parametrize(
    ("name", "fields", "native"),
    [
        ("login", {"method": "password", "identifier": "x", "password": "y"}, True),
        ("login", {"provider": "acme"}, True),
        ("login", {"method": "oidc", "provider": "acme"}, True),
        ("login", {"method": "passkey"}, True),
        ("login", {"passkey_login": "{}"}, True),
        ("login", {"method": "webauthn", "identifier": "x"}, False),
        ("registration", {"method": "password", "password": PASSWORD}, True),
        ("registration", {"method": "code"}, True),
        ("registration", {"method": "oidc", "provider": "acme"}, True),
        ("registration", {"passkey_register": "{}"}, True),
        ("settings", {"method": "password", "password": PASSWORD}, True),
        ("settings", {"method": "profile"}, True),
        ("settings", {"method": "totp", "totp_code": "123456"}, True),
        ("settings", {"link": "acme"}, True),
        ("settings", {"passkey_remove": "x"}, True),
        ("settings", {"webauthn_remove": "x"}, False),
        ("settings", {"lookup_secret_reveal": True}, True),
        ("recovery", {"method": "link", "email": EMAIL}, False),
    ],
    ids=str,
)
async def test_disabled_method_is_not_found(name: str, fields: dict[str, Any], native: bool) -> None:
    methods = {"code"} if name == "recovery" else set()
    client, flow = await start(FakeKratos(methods=methods), name, native=native)

    assert (await client.submit(flow, **{"traits": TRAITS, **fields})).status_code == 404


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("login", {"method": "oidc"}),
        ("login", {"method": "password_", "provider": "acme"}),
        ("login", {"method": "totp"}),
        ("login", {"method": "webauthn", "identifier": "x"}),
        ("registration", {"method": "oidc"}),
        ("registration", {"method": "passkey"}),
        ("registration", {"passkey_register": "true"}),
        ("settings", {"method": ["profile"]}),
        ("settings", {"method": "oidc"}),
        ("settings", {"method": "passkey"}),
        ("settings", {"method": "webauthn"}),
        ("settings", {"webauthn_remove": "x"}),
    ],
    ids=str,
)
async def test_method_without_its_fields_is_not_responsible(
    fake: FakeKratos, name: str, fields: dict[str, Any]
) -> None:
    app, flow = await start(fake, name)
    response = await app.submit(flow, **{"traits": TRAITS, **fields})

    assert (response.status_code, message_ids(response.json())) == (400, [NO_METHOD[name]])


@pytest.mark.parametrize(
    ("name", "fields", "messages"),
    [
        ("registration", {"method": "password", "password": "", "traits": TRAITS}, [4000002]),
        ("registration", {"method": "password", "password": f"xx-{EMAIL}", "traits": TRAITS}, [4000031]),
        ("registration", {"method": "password"}, [4000002, 4000002]),
        ("settings", {"method": "password", "password": "1234567"}, [4000032]),
        ("settings", {"method": "password", "password": "ü-" * 25}, [4000033]),
        ("settings", {"method": "profile", "traits": None}, [4000002]),
        ("verification", {"method": "password", "email": EMAIL}, [4000001]),
    ],
    ids=str,
)
async def test_invalid_value_has_a_specific_error(
    fake: FakeKratos, name: str, fields: dict[str, Any], messages: list[int]
) -> None:
    app, flow = await start(fake, name)
    response = await app.submit(flow, **fields)

    assert (response.status_code, message_ids(response.json())) == (400, messages)


async def test_forms_omit_disabled_methods() -> None:
    fake = FakeKratos(methods={"totp"}, oidc_providers=(OidcProvider("mini"),), two_steps_registration=False)
    identity = fake.add_identity(totp=True)
    identity.credentials.lookup_codes = {"x": False}
    browser = client_for(fake)
    flows = [await browser.create_flow("login"), await browser.create_flow("registration")]
    browser.use(fake.sign_in(identity, aal="aal2"))
    flows += [
        await browser.create_flow("login", refresh="true"),
        await browser.create_flow("login", aal="aal2", refresh="true"),
        await browser.create_flow("settings"),
    ]

    assert [node_names(flow) for flow in flows] == [
        ["csrf_token"],
        ["csrf_token", "traits.email", "traits.name.first", "traits.name.last"],
        ["csrf_token"],
        ["csrf_token", "totp_code", "method"],
        ["csrf_token", "totp_unlink"],
    ]


@NATIVE
@FLOWS
async def test_payload_that_is_not_json_is_an_error(fake: FakeKratos, name: str, native: bool) -> None:
    """Kratos responds with the status 500 to browser flows of login and registration, with 400 to others."""
    client, flow = await start(fake, name, native=native)
    response = await client.submit(flow, **FIELDS[name], transient_payload="x")
    status = 500 if not native and name in {"login", "registration"} else BAD_REQUEST

    assert (response.status_code, response.json()["error"]["code"]) == (status, 500)


@FLOWS
async def test_payload_that_is_not_json_in_a_form_is_shown(fake: FakeKratos, name: str) -> None:
    client, flow = await start(fake, name, native=False)
    fields = {key: value for key, value in FIELDS[name].items() if key != "traits"}
    await client.submit_form(flow, **fields, transient_payload="x")

    assert message_ids((await client.get_flow(name, flow["id"])).json()) == [4000001]


@pytest.mark.parametrize("payload", [1, [], True], ids=repr)
@FLOWS
async def test_payload_that_is_not_an_object_is_shown_at_its_field(
    fake: FakeKratos, name: str, payload: object
) -> None:
    """The form keeps the other values."""
    client, flow = await start(fake, name)
    response = await client.submit(flow, **FIELDS[name], transient_payload=payload)
    kept = {"login": "identifier", "registration": "traits.email"}.get(name)

    assert (response.status_code, message_ids(response.json())) == (BAD_REQUEST, [4000026])
    assert "transient_payload" in node_names(response.json())
    assert kept is None or field_value(response.json(), kept) == EMAIL


@NATIVE
@pytest.mark.parametrize("name", ["registration", "settings"])
async def test_traits_that_are_an_array_are_an_error(fake: FakeKratos, name: str, native: bool) -> None:
    client, flow = await start(fake, name, native=native)
    response = await client.submit(flow, **FIELDS[name] | {"traits": [1]})
    status = BAD_REQUEST if native or name == "settings" else 500

    assert (response.status_code, response.json()["error"]["code"]) == (status, 500)


@pytest.mark.parametrize(
    ("fields", "messages"),
    [
        ({"traits.name": "a"}, [4000001]),
        ({"traits.name": "{} x"}, [4000001]),
        ({"traits.name": '{"first": 1}'}, [4000002, 4000026]),
        ({"traits.name": "null"}, [4000002, 4000026]),
        ({"traits": json.dumps(TRAITS), "traits.name.first": "G"}, [4000032]),
        ({"transient_payload": "1"}, [4000002, 4000026]),
    ],
    ids=repr,
)
async def test_objects_in_forms_are_json(browser: FlowClient, fields: dict[str, str], messages: list[int]) -> None:
    flow = await browser.create_flow("registration")
    await browser.submit_form(flow, method="password", password="a", **fields)

    assert message_ids((await browser.get_flow("registration", flow["id"])).json()) == messages


async def test_numbers_become_text_without_exponent(app: FlowClient) -> None:
    body = json.dumps(FIELDS["registration"]).replace(f'"{PASSWORD}"', "1.5e10").encode()
    await post(app, await app.create_flow("registration"), JSON, body)

    assert (await app.log_in(EMAIL, "15000000000")).status_code == 200
