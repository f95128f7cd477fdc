"""Where browsers are sent: paths, hosts and return addresses that try to lead elsewhere."""

from collections import Counter
from urllib.parse import parse_qs, urlsplit

import pytest
from support.raw_kratos import RawKratos, error_body, raw_response, respond

from ory_guard import GuardSettings, OryGuard
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.responses.redirects import login_url, safe_return_to

from .applications import KINDS, application
from .harness import Reply, Request, Vigil, call, leaks, navigation

pytestmark = pytest.mark.anyio

APP = "https://app.example.com"
LOGIN = "https://auth.example.com/self-service/login/browser"

_HOSTS = [
    pytest.param(navigation((b"host", b"evil.com")), id="P11-host"),
    pytest.param(
        navigation((b"x-forwarded-host", b"evil.com"), (b"forwarded", b"host=evil.com")), id="P12-forwarded"
    ),
    pytest.param(navigation((b"x-forwarded-proto", b"javascript")), id="P13-scheme"),
    pytest.param(navigation((b"x-forwarded-prefix", b"//evil.com"), (b"x-forwarded-port", b"1")), id="P13-prefix"),
    pytest.param(navigation((b"host", b"a.com"), (b"host", b"evil.com")), id="P14-two-hosts"),
    pytest.param(navigation((b"host", b"app.example.com@evil.com # ")), id="P14-odd-host"),
    pytest.param(navigation((b"host", b"\xff\x00")), id="P14-no-host-at-all"),
    pytest.param(navigation((b"referer", b"https://evil.com/")), id="P16-referer"),
]

_PATHS = [
    ("P15", "@evil.com"),
    ("P15", "https://evil.com/x"),
    ("P15", "*"),
    ("P15", ""),
    ("P15", "//evil.com"),
    ("P15", "/\\evil.com"),
    ("P15", "/@evil.com"),
    ("P15", "\\\\evil.com"),
    ("P18", "/p\r\nSet-Cookie: x=1"),
    ("P18", "/p\0\x7f"),
    ("P18", "/p\u2028\ud800"),
    ("P18", '/p"><script>'),
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
async def test_no_header_decides_where_a_browser_returns(
    request_: Request, kind: str, guard: OryGuard, tried: Counter[str]
) -> None:
    """Host and forwarded headers may say what they like: the way back is built from `app_url`."""
    tried["bad inputs"] += 1
    app = application(kind, guard)
    async with Vigil():
        assert _return_to(await call(app, request_)) == f"{APP}/p"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "path"), _PATHS)
async def test_no_path_leaves_the_origin(
    *, name: str, path: str, kind: str, guard: OryGuard, tried: Counter[str]
) -> None:
    """Whatever stands in the path, it is percent-encoded behind the application's own origin, or left out."""
    tried["bad inputs"] += 1
    app = application(kind, guard)
    async with Vigil():
        reply = await call(app, navigation(path=path, raw_path=b""))

    if kind == "guard" or reply.status not in (404, 307):  # what routers answer to paths without a slash
        assert _return_to(reply).startswith(APP)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_prefix_that_a_proxy_took_off_is_not_told_twice(
    kind: str, guard: OryGuard, tried: Counter[str]
) -> None:
    """P10: `app_url` holds the prefix already, and `root_path` says which part of the path it is."""
    tried["bad inputs"] += 1
    app = application(kind, guard)
    async with Vigil():
        reply = await call(app, navigation(path="/proxy/p", root_path="/proxy"))

    assert _return_to(reply) == f"{APP}/p"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_query_of_odd_bytes_is_encoded(kind: str, guard: OryGuard, tried: Counter[str]) -> None:
    """P17: bytes that are no text come back percent-encoded, and no parameter of the login page is added."""
    tried["bad inputs"] += 1
    app = application(kind, guard)
    async with Vigil():
        reply = await call(app, navigation(query=b"\xff\xfe&aal=aal1&return_to=https://evil.com#&refresh=false"))

    assert _return_to(reply) == f"{APP}/p?%FF%FE&aal=aal1&return_to=https://evil.com%23&refresh=false"
    assert parse_qs(urlsplit(reply.one(b"location")).query).keys() == {"return_to"}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_location_stays_short(kind: str, guard: OryGuard, tried: Counter[str]) -> None:
    """P19: what is too long to carry is dropped for the start page."""
    tried["bad inputs"] += 1
    app = application(kind, guard)
    async with Vigil():
        reply = await call(app, navigation(query=b"q=" + b"a" * 65_536))

    assert _return_to(reply) == APP
    assert len(reply.one(b"location")) < 8_192


@pytest.mark.parametrize("kind", KINDS)
async def test_kratos_own_redirect_is_not_followed(
    kind: str, guard: OryGuard, kratos: RawKratos, tried: Counter[str]
) -> None:
    """U14: a step-up leads to the configured Kratos, whatever address its answer names."""
    tried["bad answers"] += 1
    body = error_body(403, "session_aal2_required", redirect_browser_to="https://evil.com/")
    kratos.handler = respond(raw_response(body, 403))
    app = application(kind, guard)
    async with Vigil():
        page = await call(app, navigation((b"x-session-token", b"tok-A")))
        api = await call(app, Request(((b"x-session-token", b"tok-A"),)))

    assert _return_to(page) == f"{APP}/p"
    assert parse_qs(urlsplit(page.one(b"location")).query)["aal"] == ["aal2"]
    assert api.status == 403
    assert b"evil.com" not in api.body


@pytest.mark.parametrize("kind", KINDS)
async def test_a_page_that_says_so_stands_in_for_a_kratos_that_is_down(
    kind: str, guard: OryGuard, kratos: RawKratos, tried: Counter[str]
) -> None:
    """A person gets a page to read, not a login form: 503, nothing of Kratos' text, no cookie touched."""
    tried["bad answers"] += 1
    kratos.handler = respond(raw_response(b"app-secret stack trace", 500))
    app = application(kind, guard)
    async with Vigil():
        page = await call(app, navigation((b"x-session-token", b"tok-A")))

    assert page.status == 503
    assert page.one(b"retry-after") == "1"
    assert page.one(b"content-type").startswith("text/html")
    assert not leaks(page.body.decode())
    assert page.all(b"location") == page.all(b"set-cookie") == []


_REFUSED = [
    *(("R01", each) for each in ("//evil.com", "///evil.com", "////evil.com/", "//app.example.com")),
    *(("R02", each) for each in ("/\\evil.com", "/\\/evil.com", "/a\\b")),
    *(("R03", each) for each in ("\\/evil.com", "\\\\evil.com", "\\evil.com", "https:\\\\evil.com")),
    *(
        ("R04", each)
        for each in ("/\t/evil.com", "/\n/evil.com", "/\v\\evil.com", "\t//evil.com", "/a\r\nb", "/a b")
    ),
    *(("R05", each) for each in ("https:evil.com", "https:///evil.com", "https:/evil.com", "https://", "https:")),
    *(
        ("R06", f"https://{each}")
        for each in ("app.example.com@evil.com/", "evil.com@app.example.com/", "@evil.com")
    ),
    *(("R07", f"https://{each}") for each in ("app.example.com\\@evil.com/", "app.example.com\\.evil.com/")),
    *(("R08", f"https://{each}") for each in ("evil.com\\.app.example.com/", "evil.com\\@app.example.com/")),
    *(("R09", f"https://{each}") for each in ("app.example.com.evil.com/", "evilapp.example.com/", "example.com/")),
    *(
        ("R11", each)
        for each in ("http://app.example.com/", "https://app.example.com:8443/", "ftp://app.example.com/")
    ),
    *(("R12", each) for each in ("javascript:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "vbscript:x")),
    *(
        ("R13", each)
        for each in (" https://evil.com", "\x01//evil.com", "\x00/", "", "ok", "?a=b", "#a", "evil.com", "/\x7f")
    ),
    *(
        ("R13", each)
        for each in ("/\ud800", "/a?\udfff", "/a#\ud800", "\udc80", "https://app.example.com/\udc0a\udc0d")
    ),
    *(("R14", f"https://{each}/") for each in ("evil\u3002com", "\u24d0pp.example.com", "app.example\uff0ecom")),
    *(("R15", f"https://app.example.com{each}.evil.com/") for each in ("%00", "%2f", "%23", "%3f", "%40")),
    *(("R16", each) for each in ("https://[::1", "https://app.example.com:99999/", "http://" + "a" * 10_000)),
    *(("R16", each) for each in ("https://app.example.com:x/", "https://[app.example.com]/", "/" + "a" * 10_000)),
    *(("R17", each) for each in ("https://app.example.com./", "https://app.example.com.:443/")),
    *(("R18", each) for each in ("%2f%2fevil.com", "%252f%252fevil.com", "%2fok", "https%3a%2f%2fevil.com")),
    *(
        ("R20", each)
        for each in ("/..//evil.com", "/.//evil.com", "/a/..//evil.com", "/a/../b", "/%2e%2e/b", "/a//b")
    ),
    *(("R21", each) for each in (LOGIN, "/self-service/login/browser?return_to=https://app.example.com", "/login")),
    *(("R21", each) for each in ("/login?a=b", "/login/", "/%6cogin", "/a/self%2Dservice/login", "/login#a")),
]


@pytest.mark.parametrize(("name", "value"), _REFUSED)
def test_a_return_address_that_leads_elsewhere_is_dropped(name: str, value: str, tried: Counter[str]) -> None:
    """The start page takes the place of whatever is not plainly an address in the application."""
    tried["bad inputs"] += 1
    settings = GuardSettings(
        kratos_public_url="http://127.0.0.1:4433",
        kratos_browser_url="https://auth.example.com",
        app_url=APP,
        login_url=f"{APP}/login?via=sms",
    )

    assert safe_return_to(value, settings) == APP


def test_origins_are_exact() -> None:
    """R10: a wildcard in `trusted_origins` is a mistake that the application starts with, or rather doesn't."""
    with pytest.raises(ConfigurationError, match="trusted_origins"):
        GuardSettings(
            kratos_public_url="http://127.0.0.1:4433", app_url=APP, trusted_origins=("https://*.example.com",)
        )


_ACCEPTED = [
    ("R22", "/ok?next=//evil.com#x", f"{APP}/ok?next=//evil.com#x"),
    ("R23", "/ok&aal=aal1&refresh=false", f"{APP}/ok&aal=aal1&refresh=false"),
    ("R24", "HTTPS://APP.example.com/x", f"{APP}/x"),
    ("R24", "https://app.example.com:443", f"{APP}/"),
    ("R25", "/caf\u00e9", f"{APP}/caf%C3%A9"),
    ("R25", "https://other.example.com/a", "https://other.example.com/a"),
]


@pytest.mark.parametrize(("name", "value", "url"), _ACCEPTED)
def test_a_return_address_in_the_application_is_kept(name: str, value: str, url: str, tried: Counter[str]) -> None:
    """It is written as a browser would, and as a parameter of the login page it can't add parameters."""
    tried["bad inputs"] += 1
    settings = GuardSettings(
        kratos_public_url="http://127.0.0.1:4433", app_url=APP, trusted_origins=("https://other.example.com",)
    )

    assert safe_return_to(value, settings) == url
    query = parse_qs(urlsplit(login_url(settings, aal="aal2", refresh=True, return_to=url)).query)
    assert query == {"refresh": ["true"], "aal": ["aal2"], "return_to": [url]}
