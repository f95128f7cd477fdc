"""Redirects of browsers: no host, path or return URL of a request leads to another site."""

from urllib.parse import parse_qs, urlsplit

import pytest
from support.raw_kratos import RawKratos, error_body, raw_response, respond

from ory_guard import GuardSettings, OryGuard
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.responses.redirects import login_url, safe_return_to

from .applications import KINDS, application
from .harness import Monitor, Reply, Request, call, leaks, navigation

pytestmark = pytest.mark.anyio

APP = "https://app.example.com"
LOGIN = "https://auth.example.com/self-service/login/browser"

_HOSTS = [
    pytest.param(navigation((b"host", b"evil.com")), id="host"),
    pytest.param(navigation((b"x-forwarded-host", b"evil.com"), (b"forwarded", b"host=evil.com")), id="forwarded"),
    pytest.param(navigation((b"x-forwarded-proto", b"javascript")), id="scheme"),
    pytest.param(navigation((b"x-forwarded-prefix", b"//evil.com"), (b"x-forwarded-port", b"1")), id="prefix"),
    pytest.param(navigation((b"host", b"a.com"), (b"host", b"evil.com")), id="two-hosts"),
    pytest.param(navigation((b"host", b"app.example.com@evil.com # ")), id="host-with-userinfo"),
    pytest.param(navigation((b"host", b"\xff\x00")), id="invalid-host"),
    pytest.param(navigation((b"referer", b"https://evil.com/")), id="referer"),
]

_PATHS = [
    "@evil.com",
    "https://evil.com/x",
    "*",
    "",
    "//evil.com",
    "/\\evil.com",
    "/@evil.com",
    "\\\\evil.com",
    "/p\r\nSet-Cookie: x=1",
    "/p\0\x7f",
    "/p\u2028\ud800",
    '/p"><script>',
]


def _return_to(reply: Reply) -> str:
    assert reply.status == 303
    location = reply.one(b"location")
    assert location.startswith(LOGIN)
    assert "evil.com" not in urlsplit(location).netloc
    assert not any(character <= " " or character > "~" for character in location)
    assert reply.all(b"set-cookie") == [] or all(b"x=1" not in value for value in reply.all(b"set-cookie"))
    (return_to,) = parse_qs(urlsplit(location).query)["return_to"]
    assert urlsplit(return_to).netloc == "app.example.com"
    return return_to


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("request_", _HOSTS)
async def test_headers_do_not_change_the_return_url(request_: Request, kind: str, guard: OryGuard) -> None:
    """It is built from `app_url`."""
    app = application(kind, guard)
    async with Monitor():
        assert _return_to(await call(app, request_)) == f"{APP}/p"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", _PATHS)
async def test_path_does_not_change_the_origin(*, path: str, kind: str, guard: OryGuard) -> None:
    """It is percent-encoded behind the origin of the application, or omitted."""
    app = application(kind, guard)
    async with Monitor():
        reply = await call(app, navigation(path=path, raw_path=b""))

    if kind == "asgi" or reply.status not in (404, 307):  # from the routers, for paths without a slash
        assert _return_to(reply).startswith(APP)


@pytest.mark.parametrize("kind", KINDS)
async def test_root_path_is_not_repeated(kind: str, guard: OryGuard) -> None:
    """`app_url` contains the prefix that `root_path` removes from the path."""
    app = application(kind, guard)
    async with Monitor():
        reply = await call(app, navigation(path="/proxy/p", root_path="/proxy"))

    assert _return_to(reply) == f"{APP}/p"


@pytest.mark.parametrize("kind", KINDS)
async def test_query_is_percent_encoded(kind: str, guard: OryGuard) -> None:
    """It can't add parameters to the URL of the login page."""
    app = application(kind, guard)
    async with Monitor():
        reply = await call(app, navigation(query=b"\xff\xfe&aal=aal1&return_to=https://evil.com#&refresh=false"))

    assert _return_to(reply) == f"{APP}/p?%FF%FE&aal=aal1&return_to=https://evil.com%23&refresh=false"
    assert parse_qs(urlsplit(reply.one(b"location")).query).keys() == {"return_to"}


@pytest.mark.parametrize("kind", KINDS)
async def test_long_return_url_is_replaced_by_the_start_page(kind: str, guard: OryGuard) -> None:
    app = application(kind, guard)
    async with Monitor():
        reply = await call(app, navigation(query=b"q=" + b"a" * 65_536))

    assert _return_to(reply) == APP
    assert len(reply.one(b"location")) < 8_192


@pytest.mark.parametrize("kind", KINDS)
async def test_redirect_in_a_response_of_kratos_is_ignored(kind: str, guard: OryGuard, kratos: RawKratos) -> None:
    """A step-up leads to the configured Kratos."""
    body = error_body(403, "session_aal2_required", redirect_browser_to="https://evil.com/")
    kratos.handler = respond(raw_response(body, 403))
    app = application(kind, guard)
    async with Monitor():
        page = await call(app, navigation((b"x-session-token", b"tok-A")))
        api = await call(app, Request(((b"x-session-token", b"tok-A"),)))

    assert _return_to(page) == f"{APP}/p"
    assert parse_qs(urlsplit(page.one(b"location")).query)["aal"] == ["aal2"]
    assert api.status == 403
    assert b"evil.com" not in api.body


@pytest.mark.parametrize("kind", KINDS)
async def test_browser_gets_an_error_page_if_kratos_fails(kind: str, guard: OryGuard, kratos: RawKratos) -> None:
    """It is not redirected to log in, and the page contains no text of Kratos."""
    kratos.handler = respond(raw_response(b"app-secret stack trace", 500))
    app = application(kind, guard)
    async with Monitor():
        page = await call(app, navigation((b"x-session-token", b"tok-A")))

    assert page.status == 503
    assert page.one(b"retry-after") == "1"
    assert page.one(b"content-type").startswith("text/html")
    assert not leaks(page.body.decode())
    assert page.all(b"location") == page.all(b"set-cookie") == []


_UNSAFE = [
    *("//evil.com", "///evil.com", "////evil.com/", "//app.example.com"),
    *("/\\evil.com", "/\\/evil.com", "/a\\b"),
    *("\\/evil.com", "\\\\evil.com", "\\evil.com", "https:\\\\evil.com"),
    *("/\t/evil.com", "/\n/evil.com", "/\v\\evil.com", "\t//evil.com", "/a\r\nb", "/a b"),
    *("https:evil.com", "https:///evil.com", "https:/evil.com", "https://", "https:"),
    *(f"https://{each}" for each in ("app.example.com@evil.com/", "evil.com@app.example.com/", "@evil.com")),
    *(f"https://{each}" for each in ("app.example.com\\@evil.com/", "app.example.com\\.evil.com/")),
    *(f"https://{each}" for each in ("evil.com\\.app.example.com/", "evil.com\\@app.example.com/")),
    *(f"https://{each}" for each in ("app.example.com.evil.com/", "evilapp.example.com/", "example.com/")),
    *("http://app.example.com/", "https://app.example.com:8443/", "ftp://app.example.com/"),
    *("javascript:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "vbscript:x"),
    *(" https://evil.com", "\x01//evil.com", "\x00/", "", "ok", "?a=b", "#a", "evil.com", "/\x7f"),
    *("/\ud800", "/a?\udfff", "/a#\ud800", "\udc80", "https://app.example.com/\udc0a\udc0d"),
    *(f"https://{each}/" for each in ("evil\u3002com", "\u24d0pp.example.com", "app.example\uff0ecom")),
    *(f"https://app.example.com{each}.evil.com/" for each in ("%00", "%2f", "%23", "%3f", "%40")),
    *("https://[::1", "https://app.example.com:99999/", "http://" + "a" * 10_000),
    *("https://app.example.com:x/", "https://[app.example.com]/", "/" + "a" * 10_000),
    *("https://app.example.com./", "https://app.example.com.:443/"),
    *("%2f%2fevil.com", "%252f%252fevil.com", "%2fok", "https%3a%2f%2fevil.com"),
    *("/..//evil.com", "/.//evil.com", "/a/..//evil.com", "/a/../b", "/%2e%2e/b", "/a//b"),
    *(LOGIN, "/self-service/login/browser?return_to=https://app.example.com", "/login"),
    *("/login?a=b", "/login/", "/%6cogin", "/a/self%2Dservice/login", "/login#a"),
]


@pytest.mark.parametrize("value", _UNSAFE)
def test_unsafe_return_url_is_replaced_by_the_start_page(value: str) -> None:
    settings = GuardSettings(
        kratos_public_url="http://127.0.0.1:4433",
        kratos_browser_url="https://auth.example.com",
        app_url=APP,
        login_url=f"{APP}/login?via=sms",
    )

    assert safe_return_to(value, settings) == APP


def test_trusted_origins_have_no_wildcards() -> None:
    with pytest.raises(ConfigurationError, match="trusted_origins"):
        GuardSettings(
            kratos_public_url="http://127.0.0.1:4433", app_url=APP, trusted_origins=("https://*.example.com",)
        )


_SAFE = [
    ("/ok?next=//evil.com#x", f"{APP}/ok?next=//evil.com#x"),
    ("/ok&aal=aal1&refresh=false", f"{APP}/ok&aal=aal1&refresh=false"),
    ("HTTPS://APP.example.com/x", f"{APP}/x"),
    ("https://app.example.com:443", f"{APP}/"),
    ("/caf\u00e9", f"{APP}/caf%C3%A9"),
    ("https://other.example.com/a", "https://other.example.com/a"),
]


@pytest.mark.parametrize(("value", "url"), _SAFE)
def test_safe_return_url_is_normalized(value: str, url: str) -> None:
    """The result is a single parameter of the login URL."""
    settings = GuardSettings(
        kratos_public_url="http://127.0.0.1:4433", app_url=APP, trusted_origins=("https://other.example.com",)
    )

    assert safe_return_to(value, settings) == url
    query = parse_qs(urlsplit(login_url(settings, aal="aal2", refresh=True, return_to=url)).query)
    assert query == {"refresh": ["true"], "aal": ["aal2"], "return_to": [url]}
