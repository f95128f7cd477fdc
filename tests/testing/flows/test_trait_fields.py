"""The form fields of traits, and the values that they submit."""

from typing import Any

import pytest
from support.flow_client import PASSWORD, client_for, field_value

from ory_guard.testing import FakeKratos

pytestmark = pytest.mark.anyio

TYPES = {
    "user": {"type": "string"},
    "terms": {"type": "boolean"},
    "height": {"type": "number"},
    "tags": {"type": "array", "items": {"type": "string"}},
    "levels": {"type": "array", "items": {"type": "integer"}},
    "any": {"type": ["string", "null"]},
    "mixed": {"type": "array"},
    "count": {"type": "integer"},
}


def fake_with(properties: dict[str, Any], *required: str) -> FakeKratos:
    """Return a fake whose identities have these traits."""
    traits = {"type": "object", "properties": properties, "required": list(required)}
    return FakeKratos(identity_schemas={"default": {"properties": {"traits": traits}}})


@pytest.mark.parametrize(
    ("values", "traits"),
    [
        # HTML forms send a hidden field before a checkbox, so that it has a value in any case.
        ({"user": ["ada", "bob"], "terms": ["false", "true"]}, {"user": "ada", "terms": True}),
        ({"tags": ["a", "b"], "levels": ["1", "2"]}, {"tags": ["a", "b"], "levels": [1, 2]}),
        ({"mixed": ["x"], "any": "ignored", "user.first": "ignored"}, {"mixed": ["x"]}),
        ({"terms": "T", "height": "1.7"}, {"terms": True, "height": 1.7}),
        ({"terms": "f", "height": "2e0"}, {"terms": False, "height": 2}),
        ({"terms": "", "height": ""}, {}),
        ({"count": "old"}, None),
        ({"height": "tall"}, None),
        ({"terms": "on"}, None),
    ],
    ids=str,
)
async def test_form_values_are_converted_to_the_types_of_the_schema(
    values: dict[str, Any], traits: dict[str, Any] | None
) -> None:
    fake = fake_with(TYPES, "count")
    browser = client_for(fake)
    flow = await browser.create_flow("registration")
    fields = {"method": "password", "password": PASSWORD, "csrf_token": field_value(flow, "csrf_token")}
    sent = {f"traits.{name}": value for name, value in {"count": "", **values}.items()}
    response = await browser.client.post(flow["ui"]["action"], data={**fields, **sent})

    assert response.status_code == (302 if traits is None else 303)
    assert [identity.traits for identity in fake.identities] == ([] if traits is None else [{"count": 0, **traits}])


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
    app = client_for(fake_with(properties), native=True)
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


@pytest.mark.parametrize("value", ["inf", "NaN"])
async def test_numbers_that_are_not_finite_are_no_json(value: str) -> None:
    app = client_for(fake_with(TYPES), native=True)
    fields = {"method": "password", "password": PASSWORD, "traits.height": value}
    response = await app.submit(await app.create_flow("registration"), **fields)

    assert (response.status_code, response.json()["error"]["code"]) == (400, 500)
