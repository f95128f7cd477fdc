"""The similarity of passwords to identifiers."""

import pytest

from ory_guard.testing.store.password_similarity import is_similar


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
