"""Limits for the JSON of a session: values and depth are counted before a parser runs."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ory_guard.kratos.json_limits import MAX_JSON_DEPTH, MAX_JSON_VALUES, JSONTooComplex, measure_session

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('{}[],:"\\aä'),
    lambda values: st.lists(values) | st.dictionaries(st.text('{}[],:"\\aä'), values),
)


def number_of_values(value: Any) -> int:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(number_of_values, items))


@given(JSON)
def test_size_is_an_upper_bound(value: Any) -> None:
    size = measure_session(json.dumps(value, ensure_ascii=False).encode())

    assert size.values >= number_of_values(value)


def nested(depth: int) -> bytes:
    pairs = depth // 2
    return b'[{"a":' * pairs + b"[]" * (depth % 2) + b"0" * (1 - depth % 2) + b"}]" * pairs


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"{}," * (MAX_JSON_VALUES - 3) + b"{}]",
        nested(MAX_JSON_DEPTH),
        b"[" + b"[]," * 500 + b"[]]",
        json.dumps({"text": '[{"a\\,' * 5_000}).encode(),
        b"",
        b'"\\',
        b"[" + b"{}," * 100,
    ],
    ids=["values", "depth", "wide", "text", "empty", "unterminated", "malformed"],
)
def test_json_within_the_limits_is_measured(body: bytes) -> None:
    """Brackets and commas in strings do not count if there are many of them."""
    assert 1 <= measure_session(body).values <= MAX_JSON_VALUES


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[" + b"{}," * (MAX_JSON_VALUES + 10), "values, more than 4096"),
        (b"[" + b"0," * (MAX_JSON_VALUES + 10), "values, more than 4096"),
        (nested(MAX_JSON_DEPTH + 1), "nested 65 levels deep, more than 64"),
        (b"[" * 5_000, "values, more than 4096"),
        (b'{"a":' * 1_000, "nested 1000 levels deep, more than 64"),
    ],
    ids=["objects", "numbers", "one level too deep", "open arrays", "open objects"],
)
def test_json_beyond_a_limit_is_refused(body: bytes, message: str) -> None:
    """Malformed JSON, too: a parser creates objects until it finds the error."""
    with pytest.raises(JSONTooComplex, match=message):
        measure_session(body)


@pytest.mark.parametrize(
    ("text", "factor"),
    [("a" * 4_000, 1), ("ä" + "a" * 4_000, 4), ("ä" + "a" * 1_000, 1)],
    ids=["narrow", "wide", "short"],
)
def test_wide_characters_count_four_times_in_a_long_text(text: str, factor: int) -> None:
    for body in (json.dumps(text), json.dumps(text, ensure_ascii=False)):
        assert measure_session(body.encode()).text_bytes == factor * len(body.encode())


def test_memory_grows_with_the_objects() -> None:
    small, large = (measure_session(b"[" + b"{}," * number + b"{}]").memory_bytes for number in (100, 1_000))

    assert large > 9 * small
