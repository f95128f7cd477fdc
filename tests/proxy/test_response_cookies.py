"""Cookies of Kratos become cookies of the application's host, and no others are set."""

import pytest
from support.asgi_calls import call

from .upstream import Upstream, json_reply, proxied

pytestmark = pytest.mark.anyio

WHOAMI = "/.ory/sessions/whoami"


@pytest.mark.parametrize(
    ("app_url", "sent", "received"),
    [
        # the host and the paths of the application
        ("http://app.test", "s=1; Path=/; HttpOnly", "s=1; Path=/; HttpOnly"),
        ("http://app.test", "s=1", "s=1; Path=/"),
        ("http://app.test", "s=1; Domain=kratos.test; Path=/kratos", "s=1; Path=/"),
        ("http://app.test", "s=1;DOMAIN=.kratos.test ;path=/x;  Path=/y", "s=1; Path=/"),
        ("http://app.test", "s=1; Max-Age=60; Expires=Thu, 01 Jan 2026 00:00:00 GMT; Priority=High", None),
        # Secure stays, except for loopback http
        ("http://app.test", "s=1; Secure; SameSite=None", "s=1; Path=/; Secure; SameSite=None"),
        ("https://127.0.0.1", "s=1; Secure", "s=1; Path=/; Secure"),
        ("http://10.0.0.1", "s=1; Secure", "s=1; Path=/; Secure"),
        ("http://localhost.example", "s=1; Secure", "s=1; Path=/; Secure"),
        ("http://127.0.0.1:8000", "s=1; Secure", "s=1; Path=/"),
        ("http://localhost:8000", "s=1; secure; SameSite=None; Partitioned", "s=1; Path=/; SameSite=Lax"),
        ("http://app.localhost", "s=1; Secure; SameSite=Strict", "s=1; Path=/; SameSite=Strict"),
        ("http://[::1]:8000", "s=1; SECURE", "s=1; Path=/"),
        ("http://localhost", "__Host-csrf_token=1; Secure; Domain=x", "__Host-csrf_token=1; Path=/; Secure"),
        # cookies of other names, such as the session of the application, and malformed ones
        ("http://app.test", "session=evil; Path=/", ""),
        ("http://app.test", "__cf_bm=1; Path=/", ""),
        ("http://app.test", "s=a\x01b", ""),
        ("http://app.test", "=1", ""),
        ("http://app.test", "", ""),
    ],
)
async def test_cookie_belongs_to_the_application(app_url: str, sent: str, received: str | None) -> None:
    if received is None:
        received = sent.replace("s=1", "s=1; Path=/")
    sent, received = (
        value.replace("s=", "ory_kratos_session=", 1) if value.startswith("s=") else value
        for value in (sent, received)
    )
    upstream = Upstream(json_reply({}, 200, (b"set-cookie", sent.encode())))
    app = proxied(upstream, app_url=app_url, kratos_browser_url=f"{app_url}/.ory", cookies=["__Host-csrf_token"])
    response = await call(app, WHOAMI)

    if "\x01" in sent:
        assert response.status == 502
    else:
        assert response.all(b"set-cookie") == ([received.encode()] if received else [])


async def test_without_app_url_cookies_stay_secure() -> None:
    upstream = Upstream(json_reply({}, 200, (b"set-cookie", b"csrf_token_x=1; Secure")))
    response = await call(proxied(upstream, app_url=None, credentials=["bearer"]), WHOAMI)

    assert response.all(b"set-cookie") == [b"csrf_token_x=1; Path=/; Secure"]
