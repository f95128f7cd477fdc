"""`Set-Cookie` values that expire a cookie: names, domains and attributes."""

import pytest

from ory_guard.guard.responses.cookie_expiry import expired_cookies

NAME = b"ory_kratos_session"


def domains(host: str) -> list[str]:
    """Return the domains for which the cookie of an application on `host` is expired; empty for its host alone."""
    values = expired_cookies([NAME], f"https://{host}/shop")
    domains = []
    for value in values:
        name, *attributes = value.split("; ")
        assert name == "ory_kratos_session="
        assert {"Max-Age=0", "Path=/", "Secure", "HttpOnly"} <= set(attributes)
        domains += [
            attribute.removeprefix("Domain=") for attribute in attributes if attribute.startswith("Domain=")
        ] or [""]
    assert len(domains) == len(values)
    return domains


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("example.com", ["", "example.com"]),
        ("app.example.com", ["", "app.example.com", "example.com"]),
        ("a.b.example.com:8443", ["", "a.b.example.com", "b.example.com", "example.com"]),
        ("app.example.co.uk", ["", "app.example.co.uk", "example.co.uk"]),
        ("example.com.au", ["", "example.com.au"]),
        ("app.co.com", ["", "app.co.com", "co.com"]),
        ("app.localhost", ["", "app.localhost"]),
        ("localhost", [""]),
        ("127.0.0.1:8000", [""]),
        ("10.0.0.0x7f", [""]),
        ("[2001:db8::1]:8000", [""]),
        ("example.com.", [""]),
    ],
)
def test_cookie_is_expired_for_the_host_and_its_parent_domains(host: str, expected: list[str]) -> None:
    """From the host to the registrable domain. IP addresses and single labels have no domain."""
    assert domains(host) == expected


@pytest.mark.parametrize(
    ("name", "url", "secure", "has_domains"),
    [
        (b"s", "http://app.example.com", False, True),
        (b"s", "https://app.example.com", True, True),
        (b"__Secure-s", "http://app.example.com", True, True),
        (b"__Http-s", "http://app.example.com", True, True),
        (b"__Host-s", "http://app.example.com", True, False),
        (b"__HOST-s", "https://app.example.com", True, False),
    ],
)
def test_prefixed_name_has_the_required_attributes(name: bytes, url: str, secure: bool, has_domains: bool) -> None:
    """Browsers ignore a cookie `__Host-` with a domain, and any prefixed cookie without `Secure`."""
    values = expired_cookies([name], url)

    assert all(("; Secure" in value) == secure for value in values)
    assert any("Domain=" in value for value in values) == has_domains


def test_duplicate_and_long_names_are_ignored() -> None:
    assert expired_cookies([], "https://example.com") == ()
    assert expired_cookies([NAME, NAME], "http://localhost") == (
        "ory_kratos_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax",
    )
    assert len(expired_cookies([b"a" * 256], "http://localhost")) == 1
    assert expired_cookies([b"a" * 257], "http://localhost") == ()
