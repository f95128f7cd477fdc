"""The formats of identity schemas that Kratos checks, and the similarity of passwords to identifiers."""

import pytest

from ory_guard.testing.store.email_format import is_email
from ory_guard.testing.store.password_similarity import is_similar
from ory_guard.testing.store.schema_formats import FORMAT_CHECKER


@pytest.mark.parametrize(
    ("name", "valid", "invalid"),
    [
        (
            "date-time",
            ["2020-02-29T10:00:00Z", "2020-01-01T00:00:00.5+01:00"],
            ["2020-01-01", "2020-01-01T25:00:00Z"],
        ),
        ("date", ["2020-02-29"], ["20200229", "2021-02-29", "x"]),
        ("time", ["10:00:00Z", "10:00:00.25-05:00"], ["10:00", "10:00:61Z"]),
        ("hostname", ["a.example.test"], ["-a", "a_b", ""]),
        ("email", ["a@b.test", None, 5, ["a@b"]], ["a@", "nope"]),
        ("tel", ["+491711234567", "+1 (202) 555-0100"], ["x", "0171 1234567", "+1"]),
        ("ipv4", ["127.0.0.1", "010.0.0.1"], ["127.0.0", "1.2.3.256", "1.2.3.x"]),
        ("ipv6", ["::1", "2001:db8::1"], ["127.0.0.1", "fe80::1%eth0", "x"]),
        ("uri", ["http://a.test/", "mailto:a@b.test"], ["x", "/a", "http://[::1"]),
        ("uri-reference", ["x", "/a", ""], ["http://a.test/%zz", "%zz", ":x"]),
        ("regex", ["^a+$"], ["("]),
        ("json-pointer", ["", "/a/~0~1"], ["a", "/~2"]),
        ("uuid", ["not checked"], []),
    ],
    ids=str,
)
def test_formats_are_checked_like_in_kratos(name: str, valid: list[object], invalid: list[object]) -> None:
    assert [value for value in valid if not FORMAT_CHECKER.conforms(value, name)] == []
    assert [value for value in invalid if FORMAT_CHECKER.conforms(value, name)] == []


HOST = "example.test"


@pytest.mark.parametrize(
    "address",
    [
        "a@1.2.3.4",
        f"  a@{HOST}",
        f'"a@b"@{HOST}',
        rf'"a\"b\\"@{HOST}',
        f"{'a' * 64}@{HOST}",
        f"a@{'b' * 63}.test",
    ],
)
def test_valid_addresses(address: str) -> None:
    assert is_email(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        " ",
        "nope",
        f".a@{HOST}",
        f"a.@{HOST}",
        f"a @{HOST}",
        f"a@{HOST} ",
        f"a@ {HOST}",
        f"a@{HOST}\n",
        f"a\x00@{HOST}",
        f"a,b@{HOST}",
        f"a:b@{HOST}",
        f'""@{HOST}',
        f'"a"b@{HOST}',
        f'"a@{HOST}',
        f'"a\x01"@{HOST}',
        f"<a@{HOST}>",
        f"<script>a@{HOST}",
        f"a@{HOST}(comment)",
        "a@-b.test",
        "a@b-.test",
        "a@b..test",
        "a@b_c.test",
        f"a@{'b' * 64}.test",
        f"{'a' * 65}@{HOST}",
        f"{'ü' * 33}@{HOST}",
        f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 12}",
    ],
)
def test_invalid_addresses(address: str) -> None:
    assert not is_email(address)


@pytest.mark.parametrize(
    ("password", "identifier", "expected"),
    [
        ("ada@example.test", "ada@example.test", True),
        ("ADA@EXAMPLE.TEST", "ada@example.test", True),
        ("xx-ada@example.test", "ada@example.test", True),
        ("x@y.test", "u123@x.test", True),
        ("abcdefgh", "abxdefgz", True),
        ("correct-horse-battery", "ada@example.test", False),
        ("abcd1234", "abcdwxyz@example.test", False),
        ("abcde123", "abcdewxyz@example.test", True),
        ("anything", "", False),
    ],
)
def test_password_is_similar(password: str, identifier: str, expected: bool) -> None:
    assert is_similar(password, identifier) is expected
