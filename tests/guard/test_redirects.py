"""Redirect URLs: login, enrollment, the URL of the request, and `return_to`."""

from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.asgi_calls import http_scope
from support.guard_bench import settings_of
from support.scripted_kratos import APP, BROWSER

from ory_guard.guard.responses.redirects import enrollment_url, login_url, request_url, safe_return_to
from ory_guard.kratos.urls import origin_of

SETTINGS = settings_of(trusted_origins=("https://admin.example.com",), login_url=None)
LOGIN = BROWSER + "/self-service/login/browser"
OWN_LOGIN = settings_of(login_url=f"{APP}/login?organization=o1&aal=aal1&via=a%20b")


def own_url(path: str = "/", *, root_path: str = "", settings: Any = SETTINGS, **scope: Any) -> str:
    return request_url(settings, http_scope(path, **scope), path, root_path)


OTHER_LOGIN = settings_of(login_url=f"{APP}/login?refresh=no&return_to=https://evil.test&hint=&REFRESH=no")
VAULT = f"{APP}/a?b=c&d"
QUOTED_VAULT = "return_to=https%3A%2F%2Fapp.example.com%2Fa%3Fb%3Dc%26d"


@pytest.mark.parametrize(
    ("settings", "arguments", "url"),
    [
        (SETTINGS, {}, LOGIN),
        (SETTINGS, {"return_to": VAULT}, f"{LOGIN}?{QUOTED_VAULT}"),
        (SETTINGS, {"aal": "aal2"}, f"{LOGIN}?aal=aal2"),
        (
            SETTINGS,
            {"refresh": True, "aal": "aal2", "return_to": VAULT},
            f"{LOGIN}?refresh=true&aal=aal2&{QUOTED_VAULT}",
        ),
        (OWN_LOGIN, {}, f"{APP}/login?organization=o1&via=a+b"),
        (
            OWN_LOGIN,
            {"aal": "aal2", "return_to": VAULT},
            f"{APP}/login?organization=o1&via=a+b&aal=aal2&{QUOTED_VAULT}",
        ),
        (OTHER_LOGIN, {}, f"{APP}/login?hint=&REFRESH=no"),
        (OTHER_LOGIN, {"refresh": True}, f"{APP}/login?hint=&REFRESH=no&refresh=true"),
    ],
)
def test_login_url_has_the_parameters_of_the_guard(settings: Any, arguments: dict[str, Any], url: str) -> None:
    """They replace those of the setting `login_url`, whose other parameters are kept."""
    assert login_url(settings, **arguments) == url


@pytest.mark.parametrize(("arguments", "query"), [({}, ""), ({"return_to": VAULT}, f"?{QUOTED_VAULT}")])
def test_enrollment_url_is_kratos_settings_flow(arguments: dict[str, Any], query: str) -> None:
    assert enrollment_url(SETTINGS, **arguments) == f"{BROWSER}/self-service/settings/browser{query}"


@pytest.mark.parametrize(
    ("scope", "url"),
    [
        ({"path": "/"}, f"{APP}/"),
        ({"path": "/a b/ü"}, f"{APP}/a%20b/%C3%BC"),
        ({"path": "/a/b", "raw_path": b"/a%2Fb"}, f"{APP}/a%2Fb"),
        ({"path": "/a", "raw_path": b"/b"}, f"{APP}/a"),
        ({"path": "/a", "raw_path": None}, f"{APP}/a"),
        ({"path": "/a%", "raw_path": b"/a%"}, f"{APP}/a%25"),
        ({"path": "/a%4z", "raw_path": b"/a%4z"}, f"{APP}/a%254z"),
        ({"path": "/a\udcff", "raw_path": None}, f"{APP}/a%3F"),
        ({"path": "/x", "query_string": b"q=1&r=a%20b"}, f"{APP}/x?q=1&r=a%20b"),
        ({"path": "/x", "query_string": b'q="<\r\n\xff'}, f"{APP}/x?q=%22%3C%0D%0A%FF"),
        ({"path": "/x", "query_string": b"#frag"}, f"{APP}/x?%23frag"),
        ({"path": "*"}, APP),
        ({"path": "//evil.test/x"}, APP),
        ({"path": ""}, APP),
        ({"path": "/" + "a" * 6_000}, APP),
        ({"path": "/APPX/x", "root_path": "/APPX"}, f"{APP}/x"),
        ({"path": "/app", "root_path": "/app"}, f"{APP}/"),
        ({"path": "/x", "root_path": "/app"}, f"{APP}/x"),
        ({"path": "/app/x", "root_path": "/app/"}, f"{APP}/x"),
        ({"path": "/apples", "root_path": "/app"}, f"{APP}/apples"),
        ({"path": "/a%2Fb", "raw_path": b"/a%252Fb", "root_path": "/"}, f"{APP}/a%252Fb"),
        ({"path": "/app//evil.test", "root_path": "/app"}, APP),
        ({"path": "/app/x/y", "raw_path": b"/app/x%2Fy", "root_path": "/app"}, f"{APP}/x%2Fy"),
        ({"path": "/a:b@c;d=e,f", "raw_path": b""}, f"{APP}/a:b@c;d=e,f"),
    ],
)
def test_request_url_is_app_url_path_and_query(scope: dict[str, Any], url: str) -> None:
    """The prefix of a mount is not repeated."""
    assert own_url(**scope) == url


def test_request_url_without_raw_path_and_query_string() -> None:
    assert request_url(SETTINGS, {"type": "http"}, "/x", "") == f"{APP}/x"


def test_request_url_replaces_lone_surrogates() -> None:
    for raw in (b"/%ED%A0%80", b""):
        assert request_url(SETTINGS, {"raw_path": raw}, "/\ud800", "") == f"{APP}/%3F"


def test_request_url_is_app_url_if_it_is_too_long() -> None:
    """The limit applies to the percent-encoded URL."""
    fits = "/" + "x" * (6_000 - len(quote(f"{APP}/", safe="")))

    for longer, url in (("", f"{APP}{fits}"), ("x", APP)):
        assert own_url(fits + longer) == safe_return_to(fits + longer, SETTINGS) == url


def test_request_url_keeps_the_prefix_of_app_url() -> None:
    """The application does not know a prefix that a proxy strips."""
    assert own_url("/x", settings=settings_of(app_url=f"{APP}/prefix")) == f"{APP}/prefix/x"


PATHS = st.text(alphabet=st.characters(codec="utf-8") | st.sampled_from("/.%?#@:\\"), max_size=30)


@given(
    path=PATHS,
    raw=st.none() | st.binary(max_size=30),
    query=st.binary(max_size=30),
    root=st.sampled_from(["", "/a", "/"]),
)
@example(path="/@evil.test", raw=b"/@evil.test", query=b"", root="")
@example(path="/a@evil.test", raw=None, query=b"", root="/a")
@example(path="/a//evil.test", raw=b"/a//evil.test", query=b"", root="/a/")
def test_request_url_always_has_the_origin_of_app_url(
    path: str, raw: bytes | None, query: bytes, root: str
) -> None:
    url = own_url(path, raw_path=raw, query_string=query, root_path=root)

    assert url.isascii()
    assert not any(character <= " " for character in url)
    assert origin_of(url) == APP
    assert url == APP or url.startswith(f"{APP}/")
    if url != APP and not root:
        assert unquote(urlsplit(url).path) == path


UNSAFE = [
    None,
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
    *("/login?a=b", "/a/self%2Dservice/login", "/x//y", "/a/%2e%2E/b", "/./a", "https://\u0430pp.example.com/"),
    *(
        "/.ory/self-service/logout?token=x",
        f"{APP}/self-service/settings/browser",
        "https://app.example.com\u2100/",
    ),
]


@pytest.mark.parametrize("value", UNSAFE)
def test_safe_return_to_replaces_other_urls(value: str | None) -> None:
    """Foreign origins, ambiguous URLs, Kratos' own flows, and the login page."""
    assert safe_return_to(value, OWN_LOGIN) == APP


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("/x", f"{APP}/x"),
        ("/", f"{APP}/"),
        ("/x/?a=b&c=%20#top", f"{APP}/x/?a=b&c=%20#top"),
        ("/X:Y@Z?q=X:Y#X:Y@Z?", f"{APP}/X:Y@Z?q=X:Y#X:Y@Z?"),
        (APP, f"{APP}/"),
        ("HTTPS://APP.example.com:443/x", f"{APP}/x"),
        ("https://admin.example.com/users", "https://admin.example.com/users"),
        ("/caf\u00e9", f"{APP}/caf%C3%A9"),
        ("/a%2Fb", f"{APP}/a%2Fb"),
        ("/x?next=//evil.test#x", f"{APP}/x?next=//evil.test#x"),
        ("/ok&aal=aal1&refresh=false", f"{APP}/ok&aal=aal1&refresh=false"),
    ],
)
def test_safe_return_to_accepts_urls_of_the_application(value: str, url: str) -> None:
    """The result is a single parameter of the login URL."""
    assert safe_return_to(value, SETTINGS) == url
    query = parse_qs(urlsplit(login_url(SETTINGS, aal="aal2", refresh=True, return_to=url)).query)
    assert query == {"refresh": ["true"], "aal": ["aal2"], "return_to": [url]}


def test_safe_return_to_replaces_the_login_page() -> None:
    """A login that returns to the login is a loop."""
    for way in ("/login?organization=o2", "/login/", "/%6cogin", "/login#a"):
        assert safe_return_to(way, OWN_LOGIN) == APP
        assert safe_return_to(way, settings_of(login_url=f"{APP}/%6Cogin/")) == APP
    for other in ("/login/help", "/loginX", "/Login"):
        assert safe_return_to(other, OWN_LOGIN) == f"{APP}{other}"
    assert safe_return_to("/login", settings_of(login_url=f"{APP}/loginX")) == f"{APP}/login"
    assert safe_return_to("/login", settings_of(login_url="https://id.example.com/login")) == f"{APP}/login"


@given(
    st.text(max_size=40)
    | st.builds("".join, st.lists(st.sampled_from([*"/\\.:@?#%[] ", "https:", "evil.test", APP, "%2e", "x"])))
)
def test_safe_return_to_always_has_a_configured_origin(value: str) -> None:
    url = safe_return_to(value, SETTINGS)

    assert url.isascii()
    assert origin_of(url) in (APP, "https://admin.example.com")
