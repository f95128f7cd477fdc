"""`return_to` URLs and query strings, allowed and malformed."""

import pytest

from ory_guard.testing.server.query_string import parse_query
from ory_guard.testing.server.return_to import InvalidUrlError, allowed_url

DEFAULT = "http://127.0.0.1:4455/welcome"
ALLOWED = ("http://127.0.0.1:4455", "myapp://callback", "https://*.example.test/app")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/after", "http://127.0.0.1:4455/after"),
        ("/after?x=%zz", "http://127.0.0.1:4455/after?x=%zz"),
        ("http://127.0.0.1:4455/x", "http://127.0.0.1:4455/x"),
        ("HTTP://127.0.0.1:4455/x", "HTTP://127.0.0.1:4455/x"),
        ("http://a:b@127.0.0.1:4455/x", "http://a:b@127.0.0.1:4455/x"),
        ("http://127.0.0.1:4455@evil.test/", None),
        ("https://a.example.test/app/x", "https://a.example.test/app/x"),
        ("https://a.example.test/other", None),
        ("//evil.test/", None),
        ("https://127.0.0.1:4455/", None),
        ("myapp://callback/x", "myapp://callback/x"),
        ("myapp://other", None),
        ("javascript:alert(1)", None),
        ("mailto:a@b", None),
        ("http://[::1]:4455/", None),
        ("http://ümlaut.test/", None),
    ],
)
def test_url_is_returned_if_it_is_allowed(url: str, expected: str | None) -> None:
    assert allowed_url(url, ALLOWED, DEFAULT) == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:4455.evil.test/",
        "http://127.0.0.1:4455\\@evil.test/",
        "http://[:/",
        "http://[::g]/",
        "http://127.0.0.1:4455/%zz",
        "http://127.0.0.1:4455/#%zz",
        "http://a b@127.0.0.1:4455/",
        "http://127.0.0.1:4455/a\nb",
        "1abc:def",
        ":x",
    ],
)
def test_malformed_url_is_an_error(url: str) -> None:
    with pytest.raises(InvalidUrlError):
        allowed_url(url, ALLOWED, DEFAULT)


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
