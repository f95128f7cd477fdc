"""The form fields of traits, and the values that they submit."""

from typing import Any

import httpx2
import pytest
from support.flow_client import client_for, field_value, message_ids

from ory_guard.testing import FakeKratos, ManualClock

pytestmark = pytest.mark.anyio

PASSWORD = "a-long-enough-one"
SCHEMA = {
    "properties": {
        "traits": {
            "type": "object",
            "properties": {
                "user": {"type": "string", "ory.sh/kratos": {"credentials": {"password": {"identifier": True}}}},
                "age": {"type": "integer", "title": "Age"},
                "height": {"type": "number"},
                "terms": {"type": "boolean"},
                "site": {"type": "string", "format": "uri"},
            },
            "required": ["user", "age"],
        }
    }
}


async def register_with_schema(fake: FakeKratos, **traits: str) -> httpx2.Response:
    """Submit an HTML form with the traits of SCHEMA."""
    browser = client_for(fake)
    flow = await browser.create_flow("registration")
    form = {"method": "password", "password": PASSWORD, "traits__user": "ada", "traits__age": "36"}
    return await browser.submit_form(flow, **form | traits)


@pytest.fixture
def schema_fake(clock: ManualClock) -> FakeKratos:
    """A fake that uses SCHEMA."""
    return FakeKratos(clock=clock, identity_schemas={"default": SCHEMA}, two_steps_registration=False)


async def test_last_value_of_a_checkbox_and_all_values_of_a_list_count(fake: FakeKratos) -> None:
    """HTML forms send a hidden field before a checkbox, so that it has a value in any case."""
    properties = {
        "user": {"type": "string"},
        "terms": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "levels": {"type": "array", "items": {"type": "integer"}},
        "any": {"type": ["string", "null"]},
        "mixed": {"type": "array"},
        "count": {"type": "integer"},
    }
    schema = {"properties": {"traits": {"type": "object", "properties": properties, "required": ["count"]}}}
    fake = FakeKratos(identity_schemas={"default": schema})
    browser = client_for(fake)
    flow = await browser.create_flow("registration")
    fields = {
        "method": "password",
        "password": PASSWORD,
        "csrf_token": field_value(flow, "csrf_token"),
        "traits.user": ["ada", "bob"],
        "traits.terms": ["false", "true"],
        "traits.tags": ["a", "b"],
        "traits.levels": ["1", "2"],
        "traits.mixed": ["x"],
        "traits.any": "ignored",
        "traits.count": "",
    }
    response = await browser.client.post(flow["ui"]["action"], data=fields)

    assert response.status_code == 303
    assert fake.identities[0].traits == {
        "user": "ada",
        "terms": True,
        "tags": ["a", "b"],
        "levels": [1, 2],
        "mixed": ["x"],
        "count": 0,
    }


async def test_fields_follow_the_types_in_the_schema() -> None:
    """As on Kratos v26.2.0, traits without a single type have no field, and only titles become labels."""
    properties = {
        "name": {"type": "string", "title": "Name", "pattern": "^a"},
        "site": {"type": "string", "format": "uri"},
        "phone": {"type": "string", "format": "tel"},
        "accepted": {"const": True},
        "level": {"const": 1},
        "code": {"const": "a"},
        "list": {"type": "array"},
        "nullable": {"type": ["string", "null"]},
        "untyped": {"enum": ["a"]},
        "nothing": {"type": "null"},
        "free": {"type": "object"},
        "objects": {"type": "array", "items": {"type": "object"}},
        "constant": {"const": {}},
    }
    schema = {"properties": {"traits": {"type": "object", "properties": properties}}}
    app = client_for(FakeKratos(identity_schemas={"default": schema}), native=True)
    flow = await app.create_flow("registration")
    fields = {
        node["attributes"]["name"].removeprefix("traits."): node
        for node in flow["ui"]["nodes"]
        if node["attributes"]["name"].startswith("traits.")
    }

    assert {name: field["attributes"]["type"] for name, field in fields.items()} == {
        "name": "text",
        "site": "url",
        "phone": "tel",
        "accepted": "checkbox",
        "level": "number",
        "code": "text",
        "list": "text",
    }
    assert {name for name, field in fields.items() if field["meta"]} == {"name"}
    assert [fields[name]["attributes"].get("autocomplete") for name in ("site", "phone", "name")] == [
        "url",
        "tel",
        None,
    ]
    assert fields["name"]["attributes"]["pattern"] == "^a"


async def test_missing_array_of_objects_is_invalid() -> None:
    """Kratos v26.2.0 adds an object in its place."""
    properties = {"objects": {"type": "array", "items": {"type": "object"}}}
    schema = {"properties": {"traits": {"type": "object", "properties": properties}}}
    app = client_for(FakeKratos(identity_schemas={"default": schema}), native=True)
    response = await app.submit(await app.create_flow("registration"), method="password", password=PASSWORD)

    assert message_ids(response.json()) == [4000026]


@pytest.mark.parametrize("value", ["inf", "-Infinity", "NaN"])
async def test_numbers_that_are_not_finite_are_no_json(schema_fake: FakeKratos, value: str) -> None:
    app = client_for(schema_fake, native=True)
    fields = {"method": "password", "password": PASSWORD, "traits.height": value}
    response = await app.submit(await app.create_flow("registration"), **fields)

    assert (response.status_code, response.json()["error"]["code"]) == (400, 500)


@pytest.mark.parametrize(
    ("fields", "traits"),
    [
        ({"traits__terms": "T", "traits__height": "1.7"}, {"terms": True, "height": 1.7}),
        ({"traits__terms": "f", "traits__height": "2e0"}, {"terms": False, "height": 2}),
        ({"traits__user__first": "Ada", "traits__terms": "", "traits__height": ""}, {}),
    ],
    ids=["types", "other spellings", "ignored fields"],
)
async def test_form_values_are_converted_to_the_types_of_the_schema(
    schema_fake: FakeKratos, fields: dict[str, str], traits: dict[str, Any]
) -> None:
    await register_with_schema(schema_fake, **fields)

    assert schema_fake.identities[0].traits == {"user": "ada", "age": 36, **traits}


@pytest.mark.parametrize(
    "fields",
    [{"traits__age": "old"}, {"traits__height": "tall"}, {"traits__terms": "on"}],
    ids=str,
)
async def test_values_that_cannot_be_converted_are_rejected(
    schema_fake: FakeKratos, fields: dict[str, str]
) -> None:
    response = await register_with_schema(schema_fake, **fields)

    assert (response.status_code, schema_fake.identities) == (302, ())
