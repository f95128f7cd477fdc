"""Kratos receives one credential, its own cookies, and an allow-list of headers."""

from typing import Any

import pytest
from support.asgi_calls import call

from .upstream import KRATOS, SESSION, Pair, Upstream, proxied

pytestmark = pytest.mark.anyio

TOKEN = b"ory_st_ivZW9aFsL0lU9MavgfaxGEjqklcAozIZ"
OTHER = b"ory_st_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
X_SESSION_TOKEN, BEARER = (b"x-session-token", TOKEN), (b"authorization", b"Bearer " + TOKEN)
CSRF = b"csrf_token_8c4d=c2VjcmV0"


async def forwarded(*headers: Pair, path: str = "/.ory/sessions/whoami", **options: Any) -> Upstream:
    """Send a GET request through the proxy, and return the double."""
    upstream = Upstream()
    await call(proxied(upstream, **options), path, headers=headers)
    return upstream


@pytest.mark.parametrize(
    ("sent", "cookie"),
    [
        (SESSION, SESSION),
        (CSRF + b"; " + SESSION + b"; app_session=secret", SESSION + b"; " + CSRF),
        (b"session=secret; sessionid=secret; __Host-app=x", None),
        (
            b"ory_kratos_continuity=a; ory_kratos_oidc_auth=b; x=c",
            b"ory_kratos_continuity=a; ory_kratos_oidc_auth=b",
        ),
        (b"xory_kratos_session=a; ory_kratos_session2=b; ORY_KRATOS_SESSION=c", None),
        (b'ory_kratos_session="quoted"', b"ory_kratos_session=quoted"),
        # Two cookies are sent, as the guard checks both; three are refused there, and none is sent.
        (b"ory_kratos_session=a; ory_kratos_session=b", b"ory_kratos_session=a; ory_kratos_session=b"),
        (b"ory_kratos_session=a; ory_kratos_session=a", b"ory_kratos_session=a"),
        (b"ory_kratos_session=a; ory_kratos_session=b; ory_kratos_session=c; " + CSRF, CSRF),
        (b"ory_kratos_session=\x01; " + CSRF, CSRF),
        (b"ory_kratos_session=" + b"a" * 8_193, None),
        (b"csrf_token_a=\x00x; csrf_token_b=\xff; csrf_token_c; csrf_token_d=1", b"csrf_token_d=1"),
        (b"ory_guard_redirects=1", None),
        (b"", None),
        (b";;==;=", None),
    ],
)
async def test_only_cookies_of_kratos_are_forwarded(sent: bytes, cookie: bytes | None) -> None:
    upstream = await forwarded((b"cookie", sent))

    assert upstream.last.all(b"cookie") == ([] if cookie is None else [cookie])


async def test_names_of_cookies_can_be_configured() -> None:
    sent = (b"cookie", b"ory_session_x=a; acme_csrf=b; acme_csrf_2=c; lb_route=d; other=e")
    upstream = await forwarded(sent, cookies=["acme_*", "lb_route"], cookie_names=["ory_session_*"])

    assert upstream.last.all(b"cookie") == [b"ory_session_x=a; acme_csrf=b; acme_csrf_2=c; lb_route=d"]


async def test_cookie_with_a_token_of_the_application_is_not_forwarded() -> None:
    sent = (b"cookie", b"csrf_token_app=" + TOKEN + b"; " + CSRF)
    upstream = await forwarded(sent, token_cookie_names=["csrf_token_app"])

    assert upstream.last.all(b"cookie") == [CSRF]
    assert upstream.last.all(b"x-session-token") == []


@pytest.mark.parametrize(
    ("sent", "credentials"),
    [
        ([X_SESSION_TOKEN], [X_SESSION_TOKEN]),
        ([BEARER], [BEARER]),
        # Kratos' order; a token and a cookie are never sent together.
        ([(b"cookie", SESSION + b"; " + CSRF), X_SESSION_TOKEN], [X_SESSION_TOKEN]),
        ([(b"cookie", SESSION), BEARER], [(b"cookie", SESSION)]),
        ([(b"cookie", CSRF), BEARER], [BEARER]),
        ([BEARER, (b"x-session-token", OTHER)], [(b"x-session-token", OTHER)]),
        # An invalid credential hides the following kinds, as in the guard.
        ([X_SESSION_TOKEN, (b"x-session-token", OTHER), (b"cookie", SESSION)], []),
        ([(b"x-session-token", b"a b"), (b"cookie", SESSION)], []),
        ([(b"authorization", b"Basic dXNlcjpwYXNz")], []),
        ([(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")], []),
        # `Connection` names headers that are not for the server behind the proxy.
        (
            [(b"connection", b"keep-alive, X-Session-Token"), X_SESSION_TOKEN, (b"cookie", SESSION)],
            [(b"cookie", SESSION)],
        ),
        ([(b"connection", b"cookie"), (b"connection", b"authorization"), (b"cookie", SESSION), BEARER], []),
    ],
)
async def test_one_credential_is_forwarded(sent: list[Pair], credentials: list[Pair]) -> None:
    upstream = await forwarded(*sent)
    received = [
        (name, value)
        for name, value in upstream.last.headers
        if name in (b"cookie", b"authorization", b"x-session-token")
    ]

    assert received == credentials


async def test_kind_that_the_guard_does_not_accept_is_not_forwarded() -> None:
    upstream = await forwarded(X_SESSION_TOKEN, BEARER, (b"cookie", SESSION), credentials=["cookie"])

    assert upstream.last.all(b"cookie") == [SESSION]
    assert upstream.last.all(b"authorization") == upstream.last.all(b"x-session-token") == []


DROPPED = [
    *("forwarded", "x-forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port"),
    *("x-forwarded-prefix", "x-real-ip", "true-client-ip", "cf-connecting-ip", "fastly-client-ip", "x-client-ip"),
    *("x-original-url", "x-rewrite-url", "x-http-method-override", "x-host", "origin", "host"),
    *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"),
    *("proxy-authorization", "accept-encoding", "content-length", "if-none-match", "range", "cookie2"),
    *("ory-base-url-rewrite", "x-user-id", "x-csrf_token", "x-session_token"),
]


@pytest.mark.parametrize("name", DROPPED)
async def test_other_header_is_dropped(name: str) -> None:
    upstream = await forwarded((name.encode(), b"evil.example"))

    assert b"evil.example" not in [value for _, value in upstream.last.headers]


async def test_headers_of_the_client_and_of_the_proxy() -> None:
    sent = [
        *((b"accept", b"text/html"), (b"accept", b"application/json"), (b"accept-language", b"de")),
        *((b"user-agent", b"Firefox"), (b"referer", b"http://app.test/x"), (b"x-csrf-token", b"t")),
        *((b"sec-fetch-mode", b"navigate"), (b"sec-ch-ua", b"x"), (b"x-request-id", b"1")),
    ]
    upstream = await forwarded(*sent)

    assert upstream.last.headers == [
        (b"host", b"kratos.test:4433"),
        (b"accept", b"text/html, application/json"),
        *sent[2:],
        (b"x-forwarded-proto", b"http"),
        (b"x-forwarded-host", b"app.test"),
        (b"x-forwarded-for", b"192.0.2.7"),
        (b"x-real-ip", b"192.0.2.7"),
        (b"true-client-ip", b"192.0.2.7"),
        (b"accept-encoding", b"identity"),
        (b"ory-base-url-rewrite", b"false"),
        (b"ory-no-custom-domain-redirect", b"true"),
    ]
    assert KRATOS.endswith("kratos.test:4433")


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (("2001:db8::1%eth0", 1), b"2001:db8::1"),
        (("testclient", 1), None),
        (("evil\r\nx: y", 1), None),
        (("", 0), None),
        (None, None),
    ],
)
async def test_address_of_the_client_comes_from_the_server(client: object, address: bytes | None) -> None:
    upstream = Upstream()
    await call(proxied(upstream), "/.ory/sessions/whoami", client=client, scheme="https")

    assert upstream.last.all(b"x-forwarded-for") == ([] if address is None else [address])
    assert upstream.last.all(b"x-forwarded-proto") == [b"https"]


async def test_without_app_url_no_host_is_forwarded() -> None:
    upstream = await forwarded(BEARER, app_url=None, credentials=["bearer"])

    assert upstream.last.all(b"x-forwarded-host") == []


@pytest.mark.parametrize(
    ("headers", "status", "error_id"),
    [
        ([(b"user-agent", b"a\r\nx-session-token: b")], 400, "invalid_header"),
        ([(b"user-agent", b"a\x00")], 400, "invalid_header"),
        ([(b"content-type", b"application/json"), (b"content-type", b"text/plain")], 400, "repeated_header"),
        ([(b"referer", b"a"), (b"referer", b"b")], 400, "repeated_header"),
        ([(b"user-agent", b"a" * 33_000)], 431, "headers_too_large"),
        ([(b"accept", b"a" * 20_000), (b"accept", b"a" * 20_000)], 431, "headers_too_large"),
        (
            [(b"cookie", b"; ".join(b"csrf_token_%d=%b" % (n, b"a" * 4_000) for n in range(9)))],
            431,
            "headers_too_large",
        ),
        ([(b"user-agent", b"a"), (b"user-agent", b"a")], 200, None),
        ([(b"x-other", b"a" * 100_000)], 200, None),
    ],
)
async def test_malformed_and_large_headers_are_refused(
    headers: list[Pair], status: int, error_id: str | None
) -> None:
    upstream = Upstream()
    response = await call(proxied(upstream), "/.ory/sessions/whoami", headers=headers)

    assert response.status == status
    assert len(upstream.requests) == (status == 200)
    assert error_id is None or response.error_id == error_id


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"sec-fetch-site", b"cross-site")], 403),
        ([(b"sec-fetch-site", b"same-site"), (b"origin", b"http://other.test")], 403),
        ([(b"origin", b"null")], 403),
        ([(b"sec-fetch-site", b"same-origin")], 200),
        ([(b"sec-fetch-site", b"same-site"), (b"origin", b"http://app.test")], 200),
        ([], 200),
    ],
)
async def test_cross_site_request_revokes_no_session(headers: list[Pair], status: int) -> None:
    upstream = Upstream()
    response = await call(
        proxied(upstream), "/.ory/sessions", method="DELETE", headers=[(b"cookie", SESSION), *headers]
    )

    assert response.status == status
    assert status == 200 or (response.error_id, upstream.requests) == ("security_csrf_violation", [])
