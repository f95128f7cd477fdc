"""Tests of the URL validators."""

import re
from collections.abc import Callable

import pytest

from ory_guard.kratos.urls import (
    exact_origin,
    http_url,
    kratos_url,
    origin_of,
    page_url,
    public_api_url,
    server_of,
    service_url,
    unix_socket_of,
)

VALIDATORS = (origin_of, exact_origin, service_url, page_url, kratos_url, public_api_url)
EXAMPLE_HOST = "such as xn--bcher-kva.example for bücher.example"
NOT_ASCII = "must be written in ASCII, without spaces, control characters or backslashes"
NOT_A_SOCKET = (
    "must be http+unix:// and the absolute path of a socket, with %2F for each slash: "
    "http+unix://%2Frun%2Fkratos.sock"
)


@pytest.mark.parametrize(
    ("validate", "url", "normalized"),
    [
        (origin_of, "http://a.example.com:8080/x?y#z", "http://a.example.com:8080"),
        (origin_of, "HTTPS://A.Example.com:443", "https://a.example.com"),
        (exact_origin, "https://Admin.example.com:443/", "https://admin.example.com"),
        (exact_origin, "http://[::1]:80", "http://[::1]"),
        (service_url, "HTTPS://App.Example.COM:443/", "https://app.example.com"),
        (service_url, "http://app.example.com:8080/prefix/", "http://app.example.com:8080/prefix"),
        (service_url, "http://[::1]:4455/", "http://[::1]:4455"),
        (
            page_url,
            "https://App.example.com/login?organization=o1",
            "https://app.example.com/login?organization=o1",
        ),
        (page_url, "https://app.example.com", "https://app.example.com/"),
        (kratos_url, "HTTP://Kratos:80/", "http://kratos"),
        (kratos_url, "HTTP+Unix://%2Frun%2fKratos.sock/", "http+unix://%2Frun%2FKratos.sock"),
        (
            kratos_url,
            "http+unix://%2Frun%2Fk%20%C3%A4:@.sock/auth/",
            "http+unix://%2Frun%2Fk%20%C3%A4%3A%40.sock/auth",
        ),
        (page_url, "https://app.example.com?a=b", "https://app.example.com/?a=b"),
    ],
)
def test_url_is_normalized(validate: Callable[[str], str], url: str, normalized: str) -> None:
    """A normalized URL does not change again."""
    assert validate(url) == normalized
    assert validate(normalized) == normalized


@pytest.mark.parametrize("validate", VALIDATORS)
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("127.0.0.1:4433", "must be an absolute http:// or https:// URL with a host"),
        ("ftp://kratos", "must be an absolute http:// or https:// URL with a host"),
        ("http:///x", "must be an absolute http:// or https:// URL with a host"),
        ("/path", "must be an absolute http:// or https:// URL with a host"),
        ("https://user@kratos", "must not contain a user name or password"),
        ("https://:password@kratos", "must not contain a user name or password"),
        ("https://*.example.com", "must name one exact host"),
        ("https://app.example.com%2eevil.test", "must name one exact host"),
        ("http://kra tos", NOT_ASCII),
        ("http://kratos\\evil", NOT_ASCII),
        ("http://kratos\n", NOT_ASCII),
        ("http://kratos/ä", NOT_ASCII),
        ("http://krätos", "must be written in ASCII: use the host in Punycode, xn--krtos-hra"),
        (
            "https://Bücher.example:443/x",
            "must be written in ASCII: use the host in Punycode, xn--bcher-kva.example",
        ),
        ("http://faß.example", f"must be written in ASCII: use the host in Punycode, {EXAMPLE_HOST}"),
        ("http://ä..example", f"must be written in ASCII: use the host in Punycode, {EXAMPLE_HOST}"),
        ("http://a℀b", NOT_ASCII),
        ("http://kratos:99999", "Port out of range 0-65535"),
        ("http://[::1", "Invalid IPv6 URL"),
    ],
)
def test_invalid_url_is_rejected(validate: Callable[[str], str], url: str, message: str) -> None:
    """The message completes a sentence that starts with the name of a setting."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        validate(url)


@pytest.mark.parametrize(
    ("validate", "url", "message"),
    [
        (exact_origin, "https://a.example.com/x", "must be an origin: scheme, host and port only"),
        (exact_origin, "https://a.example.com?", "must be an origin: scheme, host and port only"),
        (exact_origin, "https://a.example.com/#x", "must be an origin: scheme, host and port only"),
        (service_url, "https://a.example.com/x?y", "must not have a query or a fragment"),
        (service_url, "https://a.example.com#", "must not have a query or a fragment"),
        (page_url, "https://a.example.com/x#top", "must not have a fragment"),
        (kratos_url, "unix:/run/kratos.sock", NOT_A_SOCKET),
        (kratos_url, "http+unix:///run/kratos.sock", NOT_A_SOCKET),
        (kratos_url, "http+unix:/run/kratos.sock", NOT_A_SOCKET),
        (kratos_url, "http+unix://run%2Fkratos.sock", NOT_A_SOCKET),
        (kratos_url, "http+unix://%2Frun%00", NOT_A_SOCKET),
        (kratos_url, "http+unix://", NOT_A_SOCKET),
        (kratos_url, "https+unix://%2Frun%2Fkratos.sock", NOT_A_SOCKET),
        (kratos_url, "http+unix://%2Frun?x", "must not have a query or a fragment"),
        (kratos_url, "http+unix://%2Frun/a?x", "must not have a query or a fragment"),
        (kratos_url, "http+unix://%2Frun/a#x", "must not have a query or a fragment"),
        (
            kratos_url,
            "http+unix://%2Fru n",
            NOT_ASCII,
        ),
    ],
)
def test_url_of_another_kind_is_rejected(validate: Callable[[str], str], url: str, message: str) -> None:
    """A component that is not allowed, or an invalid path of a socket."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        validate(url)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (path, "must not contain the path of an endpoint: use {base}")
        for path in (
            "/sessions/whoami",
            "/sessions/whoami/",
            "/sessions",
            "/self-service",
            "/self-service/login/browser",
            "/schemas/default",
            "/health/ready",
            "/.well-known/ory/webauthn.js",
        )
    ]
    + [
        (path, "is a URL of Kratos' admin API: use the URL of its public API (default port 4433)")
        for path in ("/admin", "/admin/", "/admin/identities", "/admin/sessions/x/extend")
    ]
    + [(path, None) for path in ("", "/", "/kratos", "/admin/kratos", "/mysessions", "/administration")],
)
@pytest.mark.parametrize("base", ["http://kratos:4433", "https://example.com/.ory", "http+unix://%2Frun%2Fk.sock"])
def test_public_api_url_is_not_that_of_an_endpoint_or_the_admin_api(
    base: str, path: str, message: str | None
) -> None:
    if message is None:
        assert public_api_url(base + path) == (base + path).rstrip("/")
    else:
        with pytest.raises(ValueError, match=f"^{re.escape(message.format(base=base))}$"):
            public_api_url(base + path)


@pytest.mark.parametrize(
    ("url", "path", "requested", "server"),
    [
        (
            "http+unix://%2Frun%2Fkratos.sock",
            "/run/kratos.sock",
            "http://localhost",
            "http+unix://%2Frun%2Fkratos.sock",
        ),
        (
            "http+unix://%2Frun%2Fk%20a.sock/auth",
            "/run/k a.sock",
            "http://localhost/auth",
            "http+unix://%2Frun%2Fk%20a.sock",
        ),
        ("https://kratos:4433/auth", None, "https://kratos:4433/auth", "https://kratos:4433"),
    ],
)
def test_reads_the_parts_of_a_kratos_url(url: str, path: str | None, requested: str, server: str) -> None:
    assert unix_socket_of(url) == path
    assert http_url(url) == requested
    assert server_of(url) == server
