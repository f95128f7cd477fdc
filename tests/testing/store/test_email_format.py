"""The format `email`, as Kratos judges it."""

import pytest

from ory_guard.testing.store.email_format import is_email

HOST = "example.test"


@pytest.mark.parametrize(
    "address",
    [
        "a@b",
        "a@1.2.3.4",
        f"a.b+c@{HOST}",
        f"ü@{HOST}",
        f"  a@{HOST}",
        f'"a b"@{HOST}',
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
        "nope@",
        "@x.test",
        f"a@b@{HOST}",
        f"a..b@{HOST}",
        f".a@{HOST}",
        f"a.@{HOST}",
        f"a b@{HOST}",
        f"a @{HOST}",
        f"a@{HOST} ",
        f"a@ {HOST}",
        f"a@{HOST}.",
        f"a@{HOST}\n",
        f"a\x00@{HOST}",
        f"a,b@{HOST}",
        f"a:b@{HOST}",
        f'""@{HOST}',
        f'"a"b@{HOST}',
        f'"a@{HOST}',
        f'"a\x01"@{HOST}',
        f"Ada <a@{HOST}>",
        f"<a@{HOST}>",
        f"<script>a@{HOST}",
        f"a@{HOST}(comment)",
        "a@exämple.test",
        "a@[127.0.0.1]",
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
