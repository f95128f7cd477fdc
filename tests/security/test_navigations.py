"""Redirects of browsers: no host, path or return URL of a request leads to another site."""

from urllib.parse import parse_qs, urlsplit

import pytest
from support.raw_kratos import RawKratos, error_body, raw_response, respond

from ory_guard import OryGuard

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
