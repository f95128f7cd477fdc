"""Limits for the JSON of a session, evaluated on its bytes before a parser creates objects.

Users choose their traits, and a small JSON text can become many objects: each `{}` takes two bytes of JSON, but
an object in memory takes up to a hundred times as much.
"""

from itertools import accumulate
from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from ory_guard.models.session import AuthenticationMethod, Device, KratosModel, RecoveryAddress, VerifiableAddress

__all__ = ["MAX_JSON_DEPTH", "MAX_JSON_VALUES", "JSONSize", "JSONTooComplex", "measure_session"]

MAX_JSON_VALUES: Final = 4_096
"""The maximum number of values (objects, arrays, strings, numbers and literals) in the JSON of a session."""

MAX_JSON_DEPTH: Final = 64
"""The maximum depth of nested objects and arrays."""

_MAX_SMALL_ITEMS: Final = 32
"""The maximum number of addresses, devices and login steps with fewer than `_MIN_FIELDS` known fields."""

_MIN_FIELDS: Final = 3
"""The number of known fields that each of them has in a response of Kratos, at least."""

_ItemModels = dict[str, type[KratosModel]]

_SESSION_ITEMS: Final[_ItemModels] = {"authentication_methods": AuthenticationMethod, "devices": Device}
_IDENTITY_ITEMS: Final[_ItemModels] = {
    "recovery_addresses": RecoveryAddress,
    "verifiable_addresses": VerifiableAddress,
}

_STEPS: Final = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")  # +1 and -1 as signed bytes
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"{[}]"))

_OBJECT_BYTES: Final = 200
_ARRAY_BYTES: Final = 64
_VALUE_BYTES: Final = 40
_MAX_CHARACTER_BYTES: Final = 4
_SHORT_TEXT_BYTES: Final = 2_048


class JSONTooComplex(ValueError):
    """The JSON exceeds a limit. The message contains no part of it."""


class JSONSize(NamedTuple):
    """An upper bound for the numbers of values in a JSON text.

    Attributes:
        text_bytes: The bytes of the text; four times as many if a long string may need four bytes per character.
        objects: The number of objects.
        arrays: The number of arrays.
        values: The number of all values, with the objects and arrays.
    """

    text_bytes: int
    objects: int
    arrays: int
    values: int

    @property
    def memory_bytes(self) -> int:
        """An estimate of the memory that the parsed values take, in bytes."""
        containers = self.objects * _OBJECT_BYTES + self.arrays * _ARRAY_BYTES
        return self.text_bytes + containers + self.values * _VALUE_BYTES


def measure_session(body: bytes) -> JSONSize:
    """Return the size of the JSON of a session, which may be malformed.

    Raises:
        JSONTooComplex: If it has more than `MAX_JSON_VALUES` values, is nested deeper than `MAX_JSON_DEPTH`, or has
            more than 32 addresses, devices and login steps that are almost empty.
    """
    size = _measure(body)
    # Each of them becomes a model, which takes twenty times as long as the value `{}`.
    if size.objects > _MAX_SMALL_ITEMS and (small_items := _count_small_items(body)) > _MAX_SMALL_ITEMS:
        raise JSONTooComplex(
            f"it has {small_items} addresses, devices and login steps with fewer than {_MIN_FIELDS} known fields, "
            f"more than {_MAX_SMALL_ITEMS}"
        )
    return size


def _count_small_items(body: bytes) -> int:
    try:
        session = from_json(body)
    except ValueError:
        return 0  # the parser creates no model, either
    identity = session.get("identity") if isinstance(session, dict) else None
    return _count_small_in(session, _SESSION_ITEMS) + _count_small_in(identity, _IDENTITY_ITEMS)


def _count_small_in(value: Any, lists: _ItemModels) -> int:
    number = 0
    for name, model in lists.items() if isinstance(value, dict) else ():
        items, fields = value.get(name), model.model_fields.keys()
        for item in items if isinstance(items, list) else ():
            number += isinstance(item, dict) and len(fields & item.keys()) < _MIN_FIELDS
    return number


def _measure(body: bytes) -> JSONSize:
    # One wide character, which may be a \u escape, widens its whole string.
    has_escapes = b"\\" in body
    is_narrow = len(body) <= _SHORT_TEXT_BYTES or (body.isascii() and not (has_escapes and b"\\u" in body))
    text_bytes = len(body) if is_narrow else len(body) * _MAX_CHARACTER_BYTES
    size = _count(body, text_bytes, empty=0)
    if size.values > MAX_JSON_VALUES or size.objects + size.arrays > MAX_JSON_DEPTH:
        # A closer bound: brackets and commas within strings do not count.
        structure = _without_strings(body.replace(rb"\\", b"").replace(rb"\"", b"") if has_escapes else body)
        size = _count(structure, text_bytes, empty=structure.count(b"{}") + structure.count(b"[]"))
        if size.values > MAX_JSON_VALUES:
            raise JSONTooComplex(f"it has {size.values} values, more than {MAX_JSON_VALUES}")
        depth = _depth(structure)
        if depth > MAX_JSON_DEPTH:
            raise JSONTooComplex(f"it is nested {depth} levels deep, more than {MAX_JSON_DEPTH}")
    return size


def _count(text: bytes, text_bytes: int, *, empty: int) -> JSONSize:
    objects, arrays = text.count(b"{"), text.count(b"[")
    # Each value is the first one of an object or array, follows a comma, or is the whole text.
    return JSONSize(text_bytes, objects, arrays, objects + arrays - empty + text.count(b",") + 1)


def _without_strings(text: bytes) -> bytes:
    # Without escapes, each quotation mark begins or ends a string; an unterminated one extends to the end. The mark
    # that remains of each string distinguishes an array of one string from an empty one.
    return b'"'.join(text.split(b'"')[::2])


def _depth(structure: bytes) -> int:
    # Well-formed JSON has at most two brackets per value.
    steps = structure.translate(_STEPS, _NO_BRACKETS)[: 2 * MAX_JSON_VALUES]
    return max(accumulate(memoryview(steps).cast("b")), default=0)
