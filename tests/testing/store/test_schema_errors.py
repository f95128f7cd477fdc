"""The messages for values that violate an identity schema."""

from typing import Any

import pytest

from ory_guard.testing.flows.ui_nodes import Ui
from ory_guard.testing.store.identity_schema import IdentitySchema


def messages(schema: dict[str, Any], value: object) -> dict[str, list[tuple[int, dict[str, Any]]]]:
    """Return the messages at each form field for a value of the trait `x`."""
    traits = {"type": "object", "properties": {"x": schema}}
    ui = Ui("")
    IdentitySchema("default", {"properties": {"traits": traits}}).validate({"x": value}, ui)
    return {
        node["attributes"]["name"]: [(message["id"], message.get("context", {})) for message in node["messages"]]
        for node in ui.nodes
    }


@pytest.mark.parametrize(
    ("schema", "value", "message_id", "context"),
    [
        ({"minLength": 3}, "ab", 4000003, {"min_length": 3, "actual_length": 2}),
        ({"maxLength": 1}, "ab", 4000017, {"max_length": 1, "actual_length": 2}),
        ({"pattern": "^c"}, "ab", 4000004, {"pattern": "^c"}),
        ({"minimum": 3}, 2, 4000018, {"minimum": 3, "actual": 2}),
        ({"exclusiveMinimum": 3}, 3, 4000019, {"minimum": 3, "actual": 3}),
        ({"maximum": 3}, 4, 4000020, {"maximum": 3, "actual": 4}),
        ({"exclusiveMaximum": 3}, 3, 4000021, {"maximum": 3, "actual": 3}),
        ({"multipleOf": 2}, 3, 4000022, {"base": 2, "actual": 3}),
        ({"maxItems": 1}, [1, 2], 4000023, {"max_items": 1, "actual_items": 2}),
        ({"minItems": 3}, [1, 2], 4000024, {"min_items": 3, "actual_items": 2}),
        ({"uniqueItems": True}, [1, 2, 1], 4000025, {"index_a": 0, "index_b": 2}),
        ({"type": "string", "minLength": 3}, 5, 4000026, {"actual_type": "number", "allowed_types": ["string"]}),
        ({"type": ["string", "null"]}, {}, 4000026, {"actual_type": "object", "allowed_types": ["string", "null"]}),
        ({"const": True}, False, 4000029, {"expected": "true"}),
        ({"format": "email"}, "nope", 4000040, {"value": "nope"}),
        ({"format": "tel"}, "nope", 4000041, {"value": "nope"}),
        ({"format": "date"}, "nope", 4000001, {"reason": '"nope" is not valid "date"'}),
        ({"enum": ["a"]}, "b", 4000001, {"reason": "'b' is not one of ['a']"}),
    ],
    ids=str,
)
def test_each_keyword_has_its_message(
    schema: dict[str, Any], value: object, message_id: int, context: dict[str, Any]
) -> None:
    assert messages(schema, value) == {"traits.x": [(message_id, context)]}


def test_empty_address_has_two_messages() -> None:
    schema = {"minLength": 3, "type": "string", "format": "email"}

    assert [message_id for message_id, _ in messages(schema, "")["traits.x"]] == [4000001, 4000003]


def test_missing_and_unknown_members_are_reported_at_their_fields() -> None:
    schema = {"type": "object", "required": ["a", "ab"], "additionalProperties": False}

    assert messages(schema, {"c": 1}) == {
        "traits.x.a": [(4000002, {"property": "a"})],
        "traits.x.ab": [(4000002, {"property": "ab"})],
        "traits.x": [(4000001, {"reason": "Additional properties are not allowed ('c' was unexpected)"})],
    }
