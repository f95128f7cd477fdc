"""The messages for values that violate an identity schema, with Kratos' ids and contexts."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from typing import Any, Final

from jsonschema.exceptions import ValidationError

__all__ = ["Violation", "format_error", "json_type", "violations", "wrong_type"]

Violation = tuple[str, int, dict[str, Any]]
"""The dotted path of a value, the id of the message, and its context."""

# Kratos reports these first; after a wrong type it reports nothing else about a value.
_ORDER: Final = ("type", "const", "enum", "format")
_QUOTED_VALUE: Final = re.compile(r'"([^"]+)"\s+is not valid\s+"')
_FORMATS: Final = {"email": 4000040, "tel": 4000041}
_JSON_TYPES: Final = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
# Keyword: the message id, the member that holds the limit, and the member that holds the actual value.
_LIMITS: Final = {
    "minLength": (4000003, "min_length", "actual_length"),
    "maxLength": (4000017, "max_length", "actual_length"),
    "minimum": (4000018, "minimum", "actual"),
    "exclusiveMinimum": (4000019, "minimum", "actual"),
    "maximum": (4000020, "maximum", "actual"),
    "exclusiveMaximum": (4000021, "maximum", "actual"),
    "multipleOf": (4000022, "base", "actual"),
    "maxItems": (4000023, "max_items", "actual_items"),
    "minItems": (4000024, "min_items", "actual_items"),
}


def violations(errors: Iterable[ValidationError]) -> Iterator[Violation]:
    """Translate the errors of a validator, those of one value in Kratos' order."""
    by_path: dict[str, list[ValidationError]] = {}
    for error in errors:
        by_path.setdefault(".".join(str(step) for step in error.absolute_path), []).append(error)
    for path, found in by_path.items():
        found.sort(key=_rank)
        for error in found[:1] if found[0].validator == "type" else found:
            yield from _translate(path, error)


def wrong_type(value: object, *allowed: str) -> tuple[int, dict[str, Any]]:
    """Return the message for a value of another type than the allowed ones."""
    return 4000026, {"actual_type": json_type(value), "allowed_types": list(allowed)}


def json_type(value: object) -> str:
    """Return the name of the JSON type of a value."""
    return _JSON_TYPES[type(value)]


def _rank(error: ValidationError) -> int:
    return _ORDER.index(error.validator) if error.validator in _ORDER else len(_ORDER)


def _translate(path: str, error: ValidationError) -> Iterator[Violation]:
    limit: Any = error.validator_value
    instance: Any = error.instance
    if error.validator == "required":
        name = next(name for name in limit if error.message.startswith(repr(name)))
        yield f"{path}.{name}", 4000002, {"property": name}
    elif error.validator in _LIMITS:
        message_id, limit_name, actual_name = _LIMITS[error.validator]
        actual = instance if actual_name == "actual" else len(instance)
        yield path, message_id, {limit_name: limit, actual_name: actual}
    else:
        translate = _TRANSLATIONS.get(str(error.validator), _generic)
        yield path, *translate(error)


def _generic(error: ValidationError) -> tuple[int, dict[str, Any]]:
    return 4000001, {"reason": error.message}


def _type(error: ValidationError) -> tuple[int, dict[str, Any]]:
    allowed: Any = error.validator_value
    return wrong_type(error.instance, *([allowed] if isinstance(allowed, str) else allowed))


def format_error(value: str, name: str = "email") -> tuple[int, dict[str, Any]]:
    """Return the message for a value that does not have a format.

    Kratos extracts the value from the text of the error: it finds none if it is empty.
    """
    reason = f'{json.dumps(value, ensure_ascii=False)} is not valid "{name}"'
    match = _QUOTED_VALUE.search(reason)
    message_id = _FORMATS.get(name)
    return (message_id, {"value": match[1]}) if match and message_id else (4000001, {"reason": reason})


def _format(error: ValidationError) -> tuple[int, dict[str, Any]]:
    instance: Any = error.instance
    return format_error(instance, str(error.validator_value))


def _pattern(error: ValidationError) -> tuple[int, dict[str, Any]]:
    return 4000004, {"pattern": error.validator_value}


def _unique_items(error: ValidationError) -> tuple[int, dict[str, Any]]:
    items: Any = error.instance
    pairs = combinations(enumerate(items), 2)
    first, second = next((left, right) for (left, one), (right, other) in pairs if one == other)
    return 4000025, {"index_a": first, "index_b": second}


def _const(error: ValidationError) -> tuple[int, dict[str, Any]]:
    return 4000029, {"expected": json.dumps(error.validator_value)}


_TRANSLATIONS: Final[dict[str, Callable[[ValidationError], tuple[int, dict[str, Any]]]]] = {
    "type": _type,
    "format": _format,
    "pattern": _pattern,
    "uniqueItems": _unique_items,
    "const": _const,
}
