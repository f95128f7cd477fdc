"""Odd fields, content types and methods in submissions, as seen on Kratos v26.2.0."""

import json
from typing import Any

import pytest
from support.flow_client import JSON, PASSWORD, FlowClient, client_for, field_value, message_ids, node_names

from ory_guard.testing import FakeKratos

pytestmark = pytest.mark.anyio

EMAIL = "grace@example.test"
FIELDS: dict[str, dict[str, Any]] = {
    "login": {"method": "password", "identifier": EMAIL, "password": PASSWORD},
    "registration": {"method": "password", "password": PASSWORD, "traits": {"email": EMAIL}},
    "settings": {"method": "profile", "traits": {"email": EMAIL}},
    "recovery": {"method": "code", "email": EMAIL},
    "verification": {"method": "code", "email": EMAIL},
}
FLOWS = pytest.mark.parametrize("name", FIELDS)
NATIVE = pytest.mark.parametrize("native", [True, False], ids=["native", "browser"])
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


@pytest.mark.parametrize("payload", [1, [], [1], True], ids=repr)
@FLOWS
async def test_payload_that_is_not_an_object_is_shown_at_its_field(
    fake: FakeKratos, name: str, payload: object
) -> None:
    client, flow = await start(fake, name)
    response = await client.submit(flow, **FIELDS[name], transient_payload=payload)

    assert (response.status_code, message_ids(response.json())) == (BAD_REQUEST, [4000026])
    assert "transient_payload" in node_names(response.json())


@pytest.mark.parametrize(
    ("name", "field", "value"), [("login", "identifier", EMAIL), ("registration", "traits.email", EMAIL)]
)
async def test_form_with_an_invalid_payload_keeps_its_values(
    app: FlowClient, name: str, field: str, value: str
) -> None:
    response = await app.submit(await app.create_flow(name), **FIELDS[name], transient_payload=1)

    assert field_value(response.json(), field) == value


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
        ({"traits.name": "5"}, [4000002, 4000026]),
        ({"traits": json.dumps({"email": EMAIL}), "traits.name.first": "G"}, [4000032]),
        ({"transient_payload": "1"}, [4000002, 4000026]),
    ],
    ids=repr,
)
async def test_objects_in_forms_are_json(browser: FlowClient, fields: dict[str, str], messages: list[int]) -> None:
    flow = await browser.create_flow("registration")
    await browser.submit_form(flow, method="password", password="a", **fields)

    assert message_ids((await browser.get_flow("registration", flow["id"])).json()) == messages


async def test_numbers_become_text_without_exponent(fake: FakeKratos, app: FlowClient) -> None:
    body = json.dumps(FIELDS["registration"]).replace(f'"{PASSWORD}"', "1.5e10").encode()
    await post(app, await app.create_flow("registration"), JSON, body)

    assert (await app.log_in(EMAIL, "15000000000")).status_code == 200
