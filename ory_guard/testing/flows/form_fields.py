"""The decoding of submitted fields, which Kratos does the same way for forms and JSON."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ory_guard.testing.server.response import ApiError
from ory_guard.testing.store.identity_schema import IdentitySchema

__all__ = ["decode_fields"]

_OBJECTS: Final = frozenset({"traits", "transient_payload"})
_BOOLEANS: Final = frozenset(
    {
        "totp_unlink",
        "lookup_secret_regenerate",
        "lookup_secret_reveal",
        "lookup_secret_confirm",
        "lookup_secret_disable",
    }
)
_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})


def decode_fields(submitted: Mapping[str, Any], schema: IdentitySchema, *, is_form: bool) -> dict[str, Any]:
    """Return the fields with the types that Kratos gives them.

    Empty fields are left out. Text fields hold text, whatever was sent. Fields such as `traits.email` become part
    of `traits`, unless the schema does not have them.

    Args:
        submitted: The fields of the body.
        schema: The identity schema.
        is_form: Whether the body is a form, whose nested fields are text.

    Raises:
        ApiError: If a field that must be an object is text that is not JSON.
    """
    fields: dict[str, Any] = {}
    flat: dict[str, str] = {}
    for name, value in submitted.items():
        if is_form and name == "traits" and isinstance(value, dict):
            flat |= dict(_flatten(value, name))
        elif name.startswith("traits."):
            flat[name] = _text(value)
        elif name in _OBJECTS:
            fields |= {name: decoded} if (decoded := _object(value)) is not None else {}
        elif text := _text(value):
            fields[name] = text in _TRUE if name in _BOOLEANS else text
    traits = fields.get("traits", {})
    if isinstance(traits, dict):
        fields["traits"] = schema.with_nested_objects(schema.with_text_values(traits, flat))
    return fields


def _flatten(fields: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}.{name}")
        else:
            yield f"{prefix}.{name}", value


def _object(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value else None
    except ValueError as error:
        reason = f"invalid character '{value[:1]}' looking for beginning of value"
        raise ApiError(400, code=500, message=reason) from error


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
