"""Query strings with malformed pairs."""

import pytest

from ory_guard.testing.server.query_string import parse_query


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("a=1&b=x+y%20z&a=2&c", [("a", "1"), ("b", "x y z"), ("a", "2"), ("c", "")]),
        ("a=%zz&b=1", [("b", "1")]),
        ("a=1;b=2&c=%2", []),
        ("&&", []),
    ],
)
def test_malformed_pairs_are_left_out(text: str, pairs: list[tuple[str, str]]) -> None:
    assert parse_query(text) == pairs


@pytest.mark.parametrize("text", ["a=1&b=%zz", "a;b"])
def test_malformed_pairs_of_a_form_are_errors(text: str) -> None:
    with pytest.raises(ValueError, match="invalid"):
        parse_query(text, strict=True)
