"""The doctor's checks of URLs, CORS and cookies, as a table."""

from collections.abc import Callable
from typing import Any

import pytest
from doctor_setup import APP, Application, Row, Setup, adding, assert_finding, replacing
from starlette.middleware.cors import CORSMiddleware

AT, ELSEWHERE = "http://127.0.0.1:4433", "https://id.example.com"
LOGIN = "/self-service/login/browser"
NO_APP = {"app_url": None, "credentials": ("bearer",)}
ANY_ORIGIN = {"access-control-allow-origin": "https://doctor.invalid", "access-control-allow-credentials": "true"}


def hosts(kratos: str, app: str, **cookie: Any) -> Setup:
    """Return a setup with these public URLs, and these settings of Kratos' cookies."""
    return Setup(
        {"public_url": kratos, **{f"cookie_{name}": value for name, value in cookie.items()}}, {"app_url": app}
    )


def cors(**options: Any) -> Callable[[Application], Application]:
    """Return a proxy that implements CORS."""
    return lambda app: CORSMiddleware(app, **options)


BROWSER: dict[str, Row] = {
    "base URL matches": ("base_url", Setup(), "ok", f"agree on Kratos' browser URL, {AT}"),
    "base URL differs": (
        "base_url",
        Setup(settings={"kratos_browser_url": ELSEWHERE}),
        "problem",
        f"forms are submitted to {AT}, but the guard redirects browsers to {ELSEWHERE}",
        f"set serve.public.base_url to {ELSEWHERE}/",
        f"ORY_GUARD_KRATOS_BROWSER_URL to {AT}",
    ),
    "no login flow": ("base_url", Setup(proxy=replacing(LOGIN, 400)), "skipped", "status 400"),
    "login flow without action": ("base_url", Setup(proxy=replacing(LOGIN, 200, b'{"ui": {}}')), "skipped"),
    "return URL allowed": ("return_to", Setup(), "ok", f"Kratos accepts {APP} as a return URL"),
    "return URL not allowed": (
        "return_to",
        Setup(settings={"app_url": "https://app.example.com"}),
        "problem",
        "-> add https://app.example.com to selfservice.allowed_return_urls",
    ),
    "return URL unknown": ("return_to", Setup(proxy=replacing(LOGIN, 500)), "skipped", "status 500"),
    **{
        f"{check} without app_url": (check, Setup(settings=NO_APP), "skipped", "-> give --app-url")
        for check in ("return_to", "cors", "same_site", "cookie_domain")
    },
    "CORS disabled": ("cors", Setup({"cors_enabled": False}), "notice", f"scripts of {APP} can't call Kratos"),
    "same origin": (
        "cors",
        Setup({"public_url": f"{APP}/.ory"}),
        "ok",
        "the application and Kratos have the same origin",
    ),
    "CORS enabled": (
        "cors",
        Setup(proxy=cors(allow_origins=[APP], allow_credentials=True)),
        "ok",
        "can call Kratos",
    ),
    "CORS without credentials": (
        "cors",
        Setup(proxy=cors(allow_origins=["*"])),
        "problem",
        "but not with cookies (allowed: *)",
        "allow_credentials: true",
    ),
    "CORS for any origin": ("cors", Setup(proxy=adding(ANY_ORIGIN)), "problem", "any website", "without wildcards"),
}

SITES: dict[str, Row] = {
    f"{app} and {kratos}": (
        "same_site",
        Setup(settings={"app_url": app, "kratos_browser_url": kratos}),
        level,
        text,
    )
    for kratos, app, level, text in [
        ("https://example.com/.ory", "https://example.com", "ok", "have the same host, example.com"),
        (ELSEWHERE, "https://app.example.com", "ok", "provided that you own example.com"),
        (ELSEWHERE, "https://example.com", "ok", "provided that you own example.com"),
        (ELSEWHERE, "http://app.example.com", "problem", "two sites"),
        (AT, "http://localhost:8000", "problem", "-> use 127.0.0.1 for both"),
        ("https://id.example.net", "https://app.example.com", "problem", "never reaches the application"),
        ("https://x.projects.oryapis.com", "https://example.com", "problem", "never reaches the application"),
        ("http://192.0.2.1", "http://192.0.2.2", "problem", "never reaches the application"),
    ]
}

COOKIE_ROWS: list[Row] = [
    (
        "common domain",
        hosts(ELSEWHERE, "https://app.example.com", domain="example.com"),
        "ok",
        "valid for the domain example.com and reach app.example.com",
    ),
    ("same host", hosts(AT, APP), "ok", "valid for the host 127.0.0.1"),
    (
        "no domain",
        hosts(ELSEWHERE, "https://app.example.com"),
        "problem",
        "valid for id.example.com, so they never reach app.example.com",
        "set cookies.domain to example.com",
    ),
    (
        "domain above Kratos only",
        hosts("https://id.eu.example.com", "https://app.us.example.com", domain="eu.example.com"),
        "problem",
        "set cookies.domain to example.com",
    ),
    (
        "no common domain",
        hosts("https://id.example.net", "https://app.example.com"),
        "problem",
        "serve the application and Kratos on one host",
    ),
    (
        "foreign domain",
        hosts(ELSEWHERE, "https://app.example.com", domain="example.net"),
        "problem",
        "browsers reject them",
    ),
    (
        "path outside the application",
        hosts(AT, "http://127.0.0.1:8000/shop", path="/.ory"),
        "problem",
        "valid for the path /.ory, so they never reach /shop",
    ),
    ("path of the application", hosts(AT, "http://127.0.0.1:8000/shop", path="/shop"), "ok", "reach 127.0.0.1"),
    ("Secure on loopback", hosts(AT, APP, secure=True), "notice", "only some browsers send them to 127.0.0.1"),
    (
        "Secure over HTTP",
        hosts("http://example.com:4433", "http://example.com", secure=True),
        "problem",
        "browsers do not send them",
    ),
    ("Secure over HTTPS", hosts("https://example.com:4433", "https://example.com", secure=True), "ok"),
    ("SameSite=None", hosts(AT, APP, same_site="None"), "problem", "SameSite=None without Secure"),
    ("SameSite=Strict", hosts(AT, APP, same_site="Strict"), "notice", "SameSite=Strict"),
    ("no cookie", Setup(proxy=replacing(LOGIN, 404)), "skipped", "sets no cookie (status 404)"),
]
COOKIES: dict[str, Row] = {name: ("cookie_domain", *row) for name, *row in COOKIE_ROWS}

ROWS = BROWSER | SITES | COOKIES


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_check_reports_finding(row: Row) -> None:
    assert_finding(row)
