"""The values of form fields, converted to the types of an identity schema as Kratos does it."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

__all__ = [
    "LEFT_OUT",
    "InvalidFieldError",
    "InvalidJsonError",
    "field_type",
    "has_path",
    "item_type",
    "parse_bool",
    "parse_value",
    "plain_text",
    "raw_json",
    "set_path",
]

LEFT_OUT: Final = object()
"""The value of a field that is ignored."""

# Go's strconv.ParseBool and strconv.ParseFloat.
_BOOLEANS: Final = dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True) | dict.fromkeys(
    ("0", "f", "F", "FALSE", "false", "False"), False
)
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,300}\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_NOT_FINITE: Final = re.compile(r"([+-]?)(?:inf|infinity|(nan))", re.IGNORECASE)
_CONSTANTS: Final[dict[str, type | tuple[type, ...]]] = {"boolean": bool, "number": (int, float), "string": str}
_EMPTY: Final[dict[str, str]] = {"boolean": "false", "number": "0", "integer": "0"}


class InvalidFieldError(ValueError):
    """A field cannot be decoded; the message is the one that Kratos responds with."""


class InvalidJsonError(InvalidFieldError):
    """The text of a field that must be an object is not JSON."""


def field_type(schema: Mapping[str, Any]) -> str | None:
    """Return the JSON type of the values with this schema, or None if Kratos has no form field for them.

    There are no fields for schemas without a type or with several types.
    """
    kind = schema.get("type")
    if "const" in schema:
        constant = schema["const"]
        kind = next((name for name, types in _CONSTANTS.items() if isinstance(constant, types)), "object")
    return kind if isinstance(kind, str) and kind != "null" else None


def item_type(schema: Mapping[str, Any]) -> str | None:
    """Return the JSON type of the items of an array, or None if the schema has none."""
    items = schema.get("items")
    return field_type(items) if isinstance(items, Mapping) else None


def parse_value(texts: Sequence[str], schema: Mapping[str, Any], *, required: bool) -> Any:
    """Return the value of a field that was submitted one or more times, or `LEFT_OUT`.

    The first text counts, of checkboxes the last one. Text that is not of the type in the schema remains text.

    Args:
        texts: The submitted texts.
        schema: The schema of the value.
        required: Whether the value is required; if so, empty numbers are 0 and empty checkboxes false.

    Raises:
        InvalidJsonError: If a number is not finite.
    """
    kind = field_type(schema)
    if kind == "array":
        return [_parse(text, item_type(schema)) for text in texts]
    if kind is None:
        return LEFT_OUT
    text = texts[-1] if kind == "boolean" else texts[0]
    if not text:
        text = _EMPTY.get(kind, "") if required else ""
    return _parse(text, kind) if text else LEFT_OUT


def parse_bool(text: str) -> bool | None:
    """Return the value of a boolean by the rules of Go's `strconv.ParseBool`, or None."""
    return _BOOLEANS.get(text)


def _parse(text: str, kind: str | None) -> Any:
    if kind == "boolean":
        value = parse_bool(text)
        return text if value is None else value
    if kind in {"number", "integer"}:
        if match := _NOT_FINITE.fullmatch(text):
            character = "N" if match[2] else match[1] or "+"
            raise InvalidJsonError(f"invalid character '{character}' looking for beginning of value")
        if _NUMBER.fullmatch(text) and math.isfinite(number := float(text)):
            return int(number) if number.is_integer() else number
    return text


def raw_json(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        InvalidJsonError: If it is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidJsonError(f"invalid character '{text[:1]}' looking for beginning of value") from error


def plain_text(value: Any) -> str:
    """Return a JSON value as text: empty for null, numbers without an exponent, and arrays and objects as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}".removesuffix(".0")
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def has_path(document: Any, path: Sequence[str]) -> bool:
    """Return whether a value exists at a path of member names."""
    for key in path:
        if not isinstance(document, dict) or key not in document:
            return False
        document = document[key]
    return True


def set_path(document: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set the value at a path of member names. Scalars on the way become objects.

    Raises:
        InvalidFieldError: If an array is on the way.
    """
    target = document
    for key, child in pairwise(path):
        inner = target.get(key)
        if isinstance(inner, list):
            raise InvalidFieldError(f"cannot set array element for non-numeric key '{child}'")
        target[key] = target = {**inner} if isinstance(inner, Mapping) else {}
    target[path[-1]] = value
