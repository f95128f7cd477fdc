"""Odd fields, content types and methods in submissions, as seen on Kratos v26.2.0."""

import json
from typing import Any

import pytest
from support.flow_client import HTML, JSON, PASSWORD, FlowClient, client_for, field_value, message_ids, node_names

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


@pytest.mark.parametrize("traits", [1, True, {"name": {}}], ids=repr)
async def test_traits_that_are_not_an_object_are_empty(app: FlowClient, traits: object) -> None:
    fields = FIELDS["registration"] | {"traits": traits}
    response = await app.submit(await app.create_flow("registration"), **fields)

    assert message_ids(response.json()) == [4000002]


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


async def test_text_after_the_json_object_is_ignored(fake: FakeKratos, app: FlowClient) -> None:
    flow = await app.create_flow("registration")
    status, _ = await post(app, flow, JSON, json.dumps(FIELDS["registration"]).encode() + b" x")

    assert (status, len(fake.identities)) == (200, 1)


async def test_numbers_become_text_without_exponent(fake: FakeKratos, app: FlowClient) -> None:
    body = json.dumps(FIELDS["registration"]).replace(f'"{PASSWORD}"', "1.5e10").encode()
    await post(app, await app.create_flow("registration"), JSON, body)

    assert (await app.log_in(EMAIL, "15000000000")).status_code == 200


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data; boundary=x", b"--x--"),
        ("application/json", b"{}"),
        ("application/x-www-form-urlencoded", b"a=b"),
        ("application/json", b'{"method": "oidc"}'),
    ],
)
async def test_registration_without_a_method_shows_invalid_traits_first(
    app: FlowClient, content_type: str, body: bytes
) -> None:
    status, flow = await post(app, await app.create_flow("registration"), content_type, body)

    assert (status, message_ids(flow)) == (BAD_REQUEST, [4000002])


@pytest.mark.parametrize("content_type", ["Application/JSON", "application/json; charset=utf-8"])
async def test_only_the_exact_content_type_asks_for_json(browser: FlowClient, content_type: str) -> None:
    flow = await browser.create_flow("login")
    fields = FIELDS["login"] | {"csrf_token": field_value(flow, "csrf_token")}
    headers = {"content-type": content_type, "accept": "*/*"}
    response = await browser.client.post(flow["ui"]["action"], content=json.dumps(fields), headers=headers)

    assert response.status_code == 303


@pytest.mark.parametrize(("accept", "status"), [(JSON, 200), ("*/*", 303), (HTML, 303)])
async def test_verification_of_an_app_responds_by_the_accept_header(
    app: FlowClient, accept: str, status: int
) -> None:
    flow = await app.create_flow("verification")
    response = await app.client.post(flow["ui"]["action"], json=FIELDS["verification"], headers={"accept": accept})

    assert response.status_code == status


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("get", ""),
        ("post", ""),
        ("get", "?flow=11111111-1111-4111-8111-111111111111"),
        ("post", "?flow=11111111-1111-4111-8111-111111111111"),
        ("get", "/flows"),
    ],
)
@pytest.mark.parametrize(("accept", "status"), [(HTML, 302), (JSON, 401)])
async def test_settings_without_a_session_lead_to_the_login_page(
    browser: FlowClient, method: str, query: str, accept: str, status: int
) -> None:
    response = await browser.client.request(method, f"/self-service/settings{query}", headers={"accept": accept})
    location = "http://127.0.0.1:4455/login" if status == 302 else None

    assert (response.status_code, response.headers.get("location")) == (status, location)
